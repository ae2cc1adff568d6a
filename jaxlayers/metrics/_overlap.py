"""Intersection over union: how far predicted regions and true ones cover each other, class by class.

What is kept is a confusion matrix, [true class, predicted class], so everything else follows from sums.
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
from jaxlayers.common.settings import is_float
from jaxlayers.core.masks import get_mask
from jaxlayers.core.scope import read
from jaxlayers.core.symbolic import as_array
from jaxlayers.losses._samplewise import match_ranks
from jaxlayers.losses._weights import combine, divide_no_nan
from jaxlayers.metrics._metric import Metric
from jaxlayers.metrics._outcomes import weights_like


class IoU(Metric):
    """Intersection over union, TP / (TP + FP + FN), averaged over some classes.

    Classes that neither labels nor predictions have do not count in the mean. A label or prediction that is no class
    is left out.

    Args:
        num_classes: the number of classes.
        target_class_ids: the classes that the mean is taken over.
        name: its name.
        dtype: what the confusion matrix is kept in, `"int32"` by default; choose a float for weights that are no
            integers.
        ignore_class: a label that is left out.
        sparse_y_true: whether labels are numbers of classes, not scores for each class.
        sparse_y_pred: whether predictions are numbers of classes, not scores for each class.
        axis: the axis of the classes where they are scores.

    Raises:
        ValueError: when a target class is not below `num_classes`.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.IoU(num_classes=2, target_class_ids=[0])([0, 0, 1, 1], [0, 1, 0, 1])), 3)
        0.333
    """

    _direction = "up"

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
        """Take in labels and predictions.

        Args:
            y_true: numbers of classes [batch, ...], or scores with an axis of classes.
            y_pred: the same.
            sample_weight: the leading axes of [batch, ...], e.g. [batch]. A mask that travels with `y_pred` is part
                of the weights.

        Raises:
            ValueError: when the shapes do not fit each other.
        """
        self._add(y_true, y_pred, sample_weight, get_mask(y_pred))

    def _add(self, y_true: Any, y_pred: Any, sample_weight: Any, mask: Any, threshold: float | None = None) -> None:
        weight = as_array(sample_weight)
        if weight is not None and not is_float(self._dtype) and is_float(jnp.result_type(weight)):
            warnings.warn(
                f"{self.name!r} counts in {self._dtype}, so that weights lose what is after the point. Make it with "
                "dtype='float32'.",
                stacklevel=3,
            )
        self.total_cm.assign(
            _plus_matrix(
                read(self.total_cm),
                as_array(y_true),
                as_array(y_pred),
                weight,
                mask,
                ignore_class=self.ignore_class,
                axes=(None if self.sparse_y_true else self.axis, None if self.sparse_y_pred else self.axis),
                threshold=threshold,
                name=type(self).__name__,
            )
        )

    def result(self) -> jax.Array:
        """The mean over the target classes that were seen; 0 when none was."""
        matrix = read(self.total_cm)
        matrix = matrix.astype(jnp.promote_types(matrix.dtype, "float32"))
        chosen = np.asarray(self.target_class_ids)
        both = jnp.diagonal(matrix)[chosen]
        either = (jnp.sum(matrix, axis=0) + jnp.sum(matrix, axis=1))[chosen] - both
        return divide_no_nan(jnp.sum(divide_no_nan(both, either)), jnp.sum(either > 0))


class BinaryIoU(IoU):
    """Intersection over union of yes-or-no labels and scores.

    Args:
        target_class_ids: 0, 1 or both: what the mean is taken over.
        threshold: a score of at least this much is a 1.
        name: its name.
        dtype: what the confusion matrix is kept in, `"int32"` by default; choose a float for weights that are no
            integers.

    Raises:
        ValueError: for another target class.

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
        super().__init__(num_classes=2, target_class_ids=target_class_ids, name=name, dtype=dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in labels and scores.

        Args:
            y_true: 0 and 1, [batch, ...].
            y_pred: scores of the same shape.
            sample_weight: the leading axes of that shape, e.g. [batch]. A mask that travels with `y_pred` is part of
                the weights.

        Raises:
            ValueError: when the shapes do not fit each other.
        """
        self._add(y_true, y_pred, sample_weight, get_mask(y_pred), self.threshold)


class MeanIoU(IoU):
    """Intersection over union, TP / (TP + FP + FN), averaged over all classes.

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
        super().__init__(
            num_classes=num_classes,
            target_class_ids=range(num_classes),
            name=name,
            dtype=dtype,
            ignore_class=ignore_class,
            sparse_y_true=sparse_y_true,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )


class OneHotIoU(IoU):
    """Intersection over union for one-hot labels, averaged over some classes.

    Args:
        num_classes: the number of classes.
        target_class_ids: the classes that the mean is taken over.
        name, dtype, ignore_class: see `IoU`.
        sparse_y_pred: whether predictions are numbers of classes, not scores for each class.
        axis: the axis of the classes.

    Raises:
        ValueError: when a target class is not below `num_classes`.

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
    """Intersection over union for one-hot labels, averaged over all classes.

    Args:
        num_classes: the number of classes.
        name, dtype, ignore_class: see `IoU`.
        sparse_y_pred: whether predictions are numbers of classes, not scores for each class.
        axis: the axis of the classes.

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
def _plus_matrix(
    matrix: jax.Array,
    y_true: Any,
    y_pred: Any,
    sample_weight: Any,
    mask: Any,
    ignore_class: int | None,
    axes: tuple[int | None, int | None],
    threshold: float | None,
    name: str,
) -> jax.Array:
    """The confusion matrix so far, and that of a batch."""
    classes = matrix.shape[0]
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    if threshold is not None:
        y_pred = y_pred >= threshold
    y_true, y_pred = (
        y.astype(jnp.int32) if axis is None else jnp.argmax(y, axis).astype(jnp.int32)
        for y, axis in zip((y_true, y_pred), axes, strict=True)
    )
    y_true, y_pred = match_ranks(y_true, y_pred)
    if y_true.shape != y_pred.shape and y_true.size != y_pred.size:
        raise ValueError(
            f"{name}: y_true and y_pred must have as many classes in the same places; received {y_true.shape} and "
            f"{y_pred.shape} of them."
        )
    weights = combine(sample_weight, mask, matrix.dtype)
    weights = jnp.ones(y_true.shape, matrix.dtype) if weights is None else weights_like(y_true, weights)
    weights = weights.reshape(-1)
    y_true, y_pred = y_true.reshape(-1), y_pred.reshape(-1)
    counted = (y_true >= 0) & (y_true < classes) & (y_pred >= 0) & (y_pred < classes)
    if ignore_class is not None:
        counted &= y_true != ignore_class
    places = jnp.where(counted, y_true * classes + y_pred, classes**2)  # the last place is out of the matrix
    return matrix + jax.ops.segment_sum(weights, places, classes**2).reshape(matrix.shape)
