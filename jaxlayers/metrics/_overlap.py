"""Intersection over union (IoU) of predicted and true regions, class by class.

The state of a metric is a confusion matrix [true class, predicted class]; the results are computed from its sums.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.constructors import passes_on
from jaxlayers.common.masks import get_mask
from jaxlayers.common.settings import is_float
from jaxlayers.core.operations import as_array
from jaxlayers.core.scope import read
from jaxlayers.metrics._metric import Metric
from jaxlayers.metrics._outcomes import weights_like
from jaxlayers.numerics.types import wide
from jaxlayers.samplewise.functions import match_ranks
from jaxlayers.samplewise.weights import divide_no_nan


class IoU(Metric):
    """Intersection over union, TP / (TP + FP + FN), averaged over some classes.

    Labels and predictions are class indices [batch, ...], or scores with an additional axis of classes. The mean leaves
    out classes that occur in neither labels nor predictions. Samples whose label or prediction is not a class index are
    ignored.

    Args:
        num_classes: the number of classes.
        target_class_ids: the indices of the classes to average over.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the confusion matrix, `"int32"` by default; use a float dtype for weights that are not
            integers.
        ignore_class: a label whose samples are ignored, or None (default).
        sparse_y_true: If True (default), labels are class indices; if False, scores or one-hot vectors.
        sparse_y_pred: If True (default), predictions are class indices; if False, scores.
        axis: the axis of the classes in scores; -1 by default.

    Raises:
        ValueError: if a target class is negative or not below `num_classes`.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.IoU(num_classes=2, target_class_ids=[0])([0, 0, 1, 1], [0, 1, 0, 1])), 3)
        0.333
    """

    _direction = "up"
    _lowest_score: float | None = None  # that predicts class 1, if predictions are scores of this class

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(name=name, dtype=dtype or "int32")
        self.num_classes = num_classes
        self.target_class_ids = list(target_class_ids)
        if max(self.target_class_ids) >= num_classes or min(self.target_class_ids) < 0:
            raise ValueError(
                f"target_class_ids must be at least 0 and below num_classes={num_classes}; received "
                f"{self.target_class_ids}."
            )
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        shape = (num_classes, num_classes)
        self.total_cm = self.add_variable(shape, None, dtype=self._dtype, name="total_confusion_matrix")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch to the confusion matrix.

        Args:
            y_true: class indices [batch, ...], or scores with an axis of classes.
            y_pred: class indices [batch, ...], or scores with an axis of classes; for `BinaryIoU`, scores [batch, ...].
            sample_weight: weights whose axes are the leading axes of [batch, ...], such as [batch]. They are multiplied
                by the mask of `y_pred`, if it has one.

        Raises:
            ValueError: if the shapes do not fit each other.
        """
        weight = as_array(sample_weight)
        if weight is not None and not is_float(self._dtype) and is_float(jnp.result_type(weight)):
            warnings.warn(
                f"{self.name!r} counts in {self._dtype}, so fractions of weights are cut off. Create the metric with "
                "dtype='float32'.",
                stacklevel=2,
            )
        batch = as_array(y_true), as_array(y_pred), weight, get_mask(y_pred)
        axes = None if self.sparse_y_true else self.axis, None if self.sparse_y_pred else self.axis
        options = self.ignore_class, axes, self._lowest_score, type(self).__name__
        self._accumulate_batch([self.total_cm], _add_batch, *batch, *options)

    def result(self) -> jax.Array:
        """Return the mean over the target classes that have occurred; 0 if none has."""
        matrix = wide(read(self.total_cm))
        targets = np.asarray(self.target_class_ids)
        intersection = jnp.diagonal(matrix)[targets]
        union = (jnp.sum(matrix, axis=0) + jnp.sum(matrix, axis=1))[targets] - intersection
        occurred = jnp.sum(union > 0, dtype=matrix.dtype)
        return divide_no_nan(jnp.sum(divide_no_nan(intersection, union)), occurred)


class BinaryIoU(IoU):
    """Intersection over union, TP / (TP + FP + FN), of labels 0 and 1 and scores.

    Labels and scores are [batch, ...].

    Args:
        target_class_ids: the classes to average over, among 0 and 1; both by default.
        threshold: a score of at least this value predicts class 1; 0.5 by default.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the confusion matrix, `"int32"` by default; use a float dtype for weights that are not
            integers.

    Raises:
        ValueError: if a target class is neither 0 nor 1.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.BinaryIoU(threshold=0.3)([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7])), 3)
        0.333
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    @property
    def _lowest_score(self) -> float:  # type: ignore[override]
        return self.threshold


class MeanIoU(IoU):
    """Intersection over union, TP / (TP + FP + FN), averaged over all classes.

    Labels and predictions are class indices [batch, ...], or scores with an additional axis of classes.

    Args:
        num_classes: the number of classes.
        name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis: see `IoU`.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.MeanIoU(num_classes=2)([0, 0, 1, 1], [0, 1, 0, 1])), 3)
        0.333
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)


class OneHotIoU(IoU):
    """Intersection over union, TP / (TP + FP + FN), of one-hot labels, averaged over some classes.

    Labels and predictions are [batch, ..., classes].

    Args:
        num_classes: the number of classes.
        target_class_ids: the indices of the classes to average over.
        name, dtype, ignore_class: see `IoU`.
        sparse_y_pred: If True, predictions are class indices; if False (default), scores.
        axis: the axis of the classes; -1 by default.

    Raises:
        ValueError: if a target class is negative or not below `num_classes`.

    Example:
        >>> from jaxlayers import metrics
        >>> y_true = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
        >>> y_pred = [[0.2, 0.3, 0.5], [0.1, 0.2, 0.7], [0.5, 0.3, 0.1]]
        >>> float(metrics.OneHotIoU(num_classes=3, target_class_ids=[0, 2])(y_true, y_pred))
        0.25
    """

    @passes_on
    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        self.sparse_y_true = False


class OneHotMeanIoU(MeanIoU):
    """Intersection over union, TP / (TP + FP + FN), of one-hot labels, averaged over all classes.

    Labels and predictions are [batch, ..., classes].

    Args:
        num_classes: the number of classes.
        name, dtype, ignore_class: see `IoU`.
        sparse_y_pred: If True, predictions are class indices; if False (default), scores.
        axis: the axis of the classes; -1 by default.

    Example:
        >>> from jaxlayers import metrics
        >>> y_true = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
        >>> y_pred = [[0.2, 0.3, 0.5], [0.1, 0.2, 0.7], [0.5, 0.3, 0.1]]
        >>> round(float(metrics.OneHotMeanIoU(num_classes=3)(y_true, y_pred)), 3)
        0.167
    """

    @passes_on
    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        self.sparse_y_true = False


@functools.partial(jax.jit, static_argnames=("ignore_class", "axes", "threshold", "name"), inline=True)
def _add_batch(
    matrices: list[jax.Array],
    y_true: Any,
    y_pred: Any,
    sample_weight: Any,
    mask: Any,
    ignore_class: int | None,
    axes: tuple[int | None, int | None],
    threshold: float | None,
    name: str,
) -> list[jax.Array]:
    """Return the confusion matrix, in a list, plus that of a batch."""
    (matrix,) = matrices
    classes = matrix.shape[0]
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    if threshold is not None:
        y_pred = y_pred >= threshold
    y_true, y_pred = (
        y.astype(jnp.int32) if axis is None else jnp.argmax(y, axis).astype(jnp.int32)
        for y, axis in zip((y_true, y_pred), axes, strict=True)
    )
    y_true, y_pred = match_ranks(y_true, y_pred)
    if y_true.size != y_pred.size:
        raise ValueError(
            f"{name}: y_true and y_pred must hold the same number of class indices; received class indices of shape "
            f"{y_true.shape} for y_true and {y_pred.shape} for y_pred."
        )
    weights = weights_like(y_true, sample_weight, mask, matrix.dtype).reshape(-1)
    y_true, y_pred = y_true.reshape(-1), y_pred.reshape(-1)
    counted = (y_true >= 0) & (y_true < classes) & (y_pred >= 0) & (y_pred < classes)
    if ignore_class is not None:
        counted &= y_true != ignore_class
    cells = jnp.where(counted, y_true * classes + y_pred, classes**2)  # classes**2 is outside the matrix: dropped
    return [matrix + jax.ops.segment_sum(weights, cells, classes**2).reshape(matrix.shape)]
