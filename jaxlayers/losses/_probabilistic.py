"""Losses of predicted probabilities: cross-entropies, Kullback-Leibler divergence, Poisson loss."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.masks import set_mask
from jaxlayers.common.settings import epsilon
from jaxlayers.core.operations import operation
from jaxlayers.losses._base import NamedLoss
from jaxlayers.numerics.probabilities import binary_log_probabilities, log_probabilities, times_log
from jaxlayers.samplewise.functions import class_indices, classes_and_scores, same_shape, samplewise


@samplewise("from_logits", "label_smoothing", "axis", prepare=same_shape)
def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> jax.Array:
    """Binary cross-entropy: mean of -(y log p + (1 - y) log(1 - p)) over an axis.

    Args:
        y_true: labels y between 0 and 1, [batch, ..., features].
        y_pred: probabilities p, clipped to [epsilon, 1 - epsilon]; or logits, p = sigmoid(y_pred). They have the shape
            of `y_true`.
        from_logits: If True, `y_pred` holds logits, which is numerically more exact. False by default.
        label_smoothing: s replaces y by (1 - s) y + s / 2; between 0 (default) and 1.
        axis: the axis or tuple of axes of the mean; -1 by default.

    Returns:
        The losses, [batch, ...]: the shape of `y_pred` without `axis`.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.binary_crossentropy([[0.0, 1.0]], [[0.5, 0.25]]).tolist()]
        [1.04]
    """
    y_true = smooth_labels(y_true, label_smoothing, 2)
    log_p, log_not_p = binary_log_probabilities(y_pred, from_logits)
    return -jnp.mean(times_log(y_true, log_p) + times_log(1 - y_true, log_not_p), axis=axis)


@samplewise("from_logits", "label_smoothing", "axis", prepare=same_shape)
def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> jax.Array:
    """Categorical cross-entropy: -sum(y log p) over the classes.

    Args:
        y_true: labels y, one-hot or probabilities, [batch, ..., classes].
        y_pred: probabilities p, divided by their sum and clipped to [epsilon, 1 - epsilon]; or logits,
            p = softmax(y_pred). They have the shape of `y_true`.
        from_logits: If True, `y_pred` holds logits, which is numerically more exact. False by default.
        label_smoothing: s replaces y by (1 - s) y + s / classes (arXiv:1512.00567); between 0 (default) and 1.
        axis: the axis of the classes; -1 by default.

    Returns:
        The losses, [batch, ...]: the shape of `y_pred` without `axis`.

    Raises:
        ValueError: if the shapes differ, or `axis` is not an integer.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.categorical_crossentropy([[0.0, 1.0, 0.0]], [[0.25, 0.5, 0.25]]).tolist()]
        [0.693]
    """
    check_axis("categorical_crossentropy", axis)
    if y_pred.shape[axis] == 1:
        warnings.warn(
            "categorical_crossentropy of a single class is constant; for labels 0 and 1 use binary_crossentropy.",
            SyntaxWarning,
            stacklevel=2,
        )
    y_true = smooth_labels(y_true, label_smoothing, y_true.shape[axis])
    return -jnp.sum(times_log(y_true, log_probabilities(y_pred, from_logits, axis)), axis=axis)


@operation("y_true", "y_pred")
def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> jax.Array:
    """Categorical cross-entropy of class indices: -log p of the true class.

    Args:
        y_true: class indices, [batch, ...] or [batch, ..., 1]. An index that is out of range has the loss 0.
        y_pred: probabilities p, divided by their sum and clipped to [epsilon, 1 - epsilon]; or logits,
            p = softmax(y_pred); [batch, ..., classes].
        from_logits: If True, `y_pred` holds logits, which is numerically more exact. False by default.
        ignore_class: a label to ignore, or None (default). The losses of samples with this label are 0 and masked:
            means leave them out.
        axis: the axis of the classes in `y_pred`; -1 by default.

    Returns:
        The loss of each sample, [batch, ...].

    Raises:
        ValueError: if the shapes do not fit each other, or `axis` is not an integer.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.sparse_categorical_crossentropy([1], [[0.25, 0.5, 0.25]]).tolist()]
        [0.693]
    """
    values = _sparse_categorical_crossentropy(
        y_true, y_pred, from_logits=from_logits, ignore_class=ignore_class, axis=axis
    )
    if ignore_class is not None:
        set_mask(values, jnp.reshape(jnp.not_equal(y_true, ignore_class), values.shape))
    return values


@samplewise("from_logits", "ignore_class", "axis", prepare=classes_and_scores)
def _sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool, ignore_class: int | None, axis: int
) -> jax.Array:
    name = "sparse_categorical_crossentropy"
    check_axis(name, axis)
    y_true = jnp.expand_dims(class_indices(name, y_true, y_pred, axis), axis)
    true_class = y_true.astype(jnp.int32) == jax.lax.broadcasted_iota(jnp.int32, y_pred.shape, axis % y_pred.ndim)
    if ignore_class is not None:
        valid = y_true != ignore_class
        true_class, y_pred = true_class & valid, jnp.where(valid, y_pred, 1)
    # The comparison is fused into the sum and allocates nothing; a gather would need a scatter in the gradient.
    return -jnp.sum(log_probabilities(y_pred, from_logits, axis), axis=axis, where=true_class)


@samplewise()
def kl_divergence(y_true: Any, y_pred: Any) -> jax.Array:
    """Kullback-Leibler divergence: sum(y_true log(y_true / y_pred)) over the last axis.

    Args:
        y_true: probabilities, [batch, ..., classes], clipped to [epsilon, 1].
        y_pred: probabilities, of a shape that broadcasts with that of `y_true`, clipped to [epsilon, 1].

    Returns:
        The loss of each sample, [batch, ...].

    Raises:
        ValueError: if the shapes cannot be broadcast to each other.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.kl_divergence([[0.5, 0.5]], [[0.25, 0.75]]).tolist()]
        [0.144]
    """
    y_true, y_pred = (jnp.clip(y, epsilon(), 1) for y in (y_true, y_pred))
    return jnp.sum(y_true * jnp.log(y_true / y_pred), axis=-1)


@samplewise()
def poisson(y_true: Any, y_pred: Any) -> jax.Array:
    """Poisson loss: mean of y_pred - y_true log(y_pred + epsilon) over the last axis.

    Args:
        y_true: counts, [batch, ..., features].
        y_pred: expected counts, not negative, of a shape that broadcasts with that of `y_true`.

    Returns:
        The loss of each sample, [batch, ...].

    Raises:
        ValueError: if the shapes cannot be broadcast to each other.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.poisson([[0.0, 2.0]], [[1.0, 2.0]]).tolist()]
        [0.807]
    """
    return jnp.mean(y_pred - y_true * jnp.log(y_pred + epsilon()), axis=-1)


def smooth_labels(y_true: jax.Array, label_smoothing: float, classes: int) -> jax.Array:
    """Return labels whose part `label_smoothing` is distributed evenly among the classes."""
    return (1 - label_smoothing) * y_true + label_smoothing / classes if label_smoothing else y_true


def check_axis(name: str, axis: Any) -> None:
    """Raise a ValueError if `axis` is not an integer."""
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise ValueError(f"{name}: axis must be an integer; received {axis!r}.")


class BinaryCrossentropy(NamedLoss):
    """Binary cross-entropy: mean of -(y log p + (1 - y) log(1 - p)) over an axis; see `binary_crossentropy`.

    Labels y between 0 and 1 and predictions are [batch, ..., features].

    Args:
        from_logits: If True, predictions are logits; if False (default), probabilities.
        label_smoothing: s replaces y by (1 - s) y + s / 2; between 0 (default) and 1.
        axis: the axis of the mean; -1 by default.
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes differ.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.BinaryCrossentropy()([[0.0], [1.0]], [[0.5], [0.25]])), 3)
        1.04
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(binary_crossentropy, reduction, name, dtype)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class CategoricalCrossentropy(NamedLoss):
    """Categorical cross-entropy: -sum(y log p) over the classes; see `categorical_crossentropy`.

    Labels y (one-hot or probabilities) and predictions are [batch, ..., classes].

    Args:
        from_logits: If True, predictions are logits; if False (default), probabilities.
        label_smoothing: s replaces y by (1 - s) y + s / classes; between 0 (default) and 1.
        axis: the axis of the classes; -1 by default.
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes differ.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.CategoricalCrossentropy()([[0.0, 1.0, 0.0]], [[0.25, 0.5, 0.25]])), 3)
        0.693
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(categorical_crossentropy, reduction, name, dtype)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class SparseCategoricalCrossentropy(NamedLoss):
    """Categorical cross-entropy of class indices: -log p of the true class; see `sparse_categorical_crossentropy`.

    Labels are class indices [batch, ...], predictions are [batch, ..., classes].

    Args:
        from_logits: If True, predictions are logits; if False (default), probabilities.
        ignore_class: a label to ignore, or None (default). Samples with this label have the loss 0 and are left out
            of means.
        reduction: see `Loss`.
        axis: the axis of the classes; -1 by default.
        name, dtype: see `Loss`. Labels are not cast: large indices are not exact in half precision.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes do not fit each other.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.SparseCategoricalCrossentropy()([1], [[0.25, 0.5, 0.25]])), 3)
        0.693
    """

    _config_if_changed = ("axis",)
    _casts_targets = False

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(sparse_categorical_crossentropy, reduction, name, dtype)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis


class KLDivergence(NamedLoss):
    """Kullback-Leibler divergence: sum(y_true log(y_true / y_pred)) over the last axis; see `kl_divergence`.

    Labels and predictions are probabilities, [batch, ..., classes].

    Args:
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes cannot be broadcast.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]])), 3)
        0.144
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "kl_divergence", dtype: Any = None):
        super().__init__(kl_divergence, reduction, name, dtype)


class Poisson(NamedLoss):
    """Poisson loss: mean of y_pred - y_true log(y_pred + epsilon) over the last axis; see `poisson`.

    It is the negative log-likelihood of counts, up to a constant. Counts and expected counts are
    [batch, ..., features].

    Args:
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes cannot be broadcast.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.Poisson()([[0.0], [2.0]], [[1.0], [2.0]])), 3)
        0.807
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "poisson", dtype: Any = None):
        super().__init__(poisson, reduction, name, dtype)
