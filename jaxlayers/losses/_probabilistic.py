"""Losses of probabilities: how surprising the labels are to what was predicted."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import epsilon
from jaxlayers.core.masks import set_mask
from jaxlayers.core.symbolic import operation
from jaxlayers.losses._base import NamedLoss
from jaxlayers.losses._samplewise import classes_and_scores, mismatch, same_shape, samplewise


@samplewise("from_logits", "label_smoothing", "axis", prepare=same_shape)
def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> jax.Array:
    """Mean of -(y log p + (1 - y) log(1 - p)) over an axis.

    Args:
        y_true: labels y between 0 and 1, [batch, ..., features].
        y_pred: probabilities p of the same shape, clipped to [epsilon, 1 - epsilon]; or logits, p = sigmoid(y_pred).
        from_logits: whether they are logits, which is more exact.
        label_smoothing: s replaces y by (1 - s) y + s / 2.
        axis: the axis (or a tuple of them) of the mean.

    Returns:
        Values [batch, ...], without that axis.

    Raises:
        ValueError: when the shapes differ.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.binary_crossentropy([[0.0, 1.0]], [[0.5, 0.25]]).tolist()]
        [1.04]
    """
    if label_smoothing:
        y_true = (1 - label_smoothing) * y_true + label_smoothing / 2
    if from_logits:
        log_p, log_not_p = jax.nn.log_sigmoid(y_pred), jax.nn.log_sigmoid(-y_pred)
    else:
        p = jnp.clip(y_pred, epsilon(), 1 - epsilon())
        log_p, log_not_p = jnp.log(p), jnp.log1p(-p)
    return -jnp.mean(y_true * log_p + (1 - y_true) * log_not_p, axis=axis)


@samplewise("from_logits", "label_smoothing", "axis", prepare=same_shape)
def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> jax.Array:
    """-sum(y log p) over the classes.

    Args:
        y_true: labels y, one-hot or probabilities, [batch, ..., classes].
        y_pred: probabilities p of the same shape, divided by their sum and clipped to [epsilon, 1 - epsilon]; or
            logits, p = softmax(y_pred).
        from_logits: whether they are logits, which is more exact.
        label_smoothing: s replaces y by (1 - s) y + s / classes (arXiv:1512.00567).
        axis: the axis of the classes.

    Returns:
        Values [batch, ...], without that axis.

    Raises:
        ValueError: when the shapes differ, or the axis is no number.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.categorical_crossentropy([[0.0, 1.0, 0.0]], [[0.25, 0.5, 0.25]]).tolist()]
        [0.693]
    """
    check_axis("categorical_crossentropy", axis)
    if y_pred.shape[axis] == 1:
        warnings.warn(
            "categorical_crossentropy of a single class is always the same; for yes or no use binary_crossentropy.",
            SyntaxWarning,
            stacklevel=2,
        )
    if label_smoothing:
        y_true = (1 - label_smoothing) * y_true + label_smoothing / y_true.shape[axis]
    return -jnp.sum(y_true * log_probabilities(y_pred, from_logits, axis), axis=axis)


@operation("y_true", "y_pred")
def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> jax.Array:
    """-log p of the right class.

    Args:
        y_true: the number of the right class, [batch, ...] or [batch, ..., 1]; one that does not exist costs nothing.
        y_pred: probabilities p [batch, ..., classes], divided by their sum and clipped to [epsilon, 1 - epsilon]; or
            logits, p = softmax(y_pred).
        from_logits: whether they are logits, which is more exact.
        ignore_class: a number that says that nothing is to be predicted. The values are 0 there, and carry a mask
            that leaves them out of means.
        axis: the axis of the classes in `y_pred`.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other, or the axis is no number.

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
    if y_true.ndim == y_pred.ndim and y_true.shape[axis] == 1:
        y_true = jnp.squeeze(y_true, axis)
    if y_true.shape != tuple(np.delete(y_pred.shape, axis)):
        raise mismatch(name, y_true, y_pred, f"the same shape but for axis {axis}, the classes in y_pred")
    y_true = jnp.expand_dims(y_true, axis)
    right = y_true.astype(jnp.int32) == jax.lax.broadcasted_iota(jnp.int32, y_pred.shape, axis % y_pred.ndim)
    if ignore_class is not None:
        valid = y_true != ignore_class
        right, y_pred = right & valid, jnp.where(valid, y_pred, 1)
    # Comparing with every class needs no memory; gathering one would need a scatter in the gradient.
    return -jnp.sum(log_probabilities(y_pred, from_logits, axis), axis=axis, where=right)


@samplewise()
def kl_divergence(y_true: Any, y_pred: Any) -> jax.Array:
    """Kullback-Leibler divergence: sum(y_true log(y_true / y_pred)) over the last axis.

    Args:
        y_true: probabilities [batch, ..., classes], clipped to [epsilon, 1].
        y_pred: probabilities of the same shape, clipped likewise.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.kl_divergence([[0.5, 0.5]], [[0.25, 0.75]]).tolist()]
        [0.144]
    """
    y_true, y_pred = (jnp.clip(y, epsilon(), 1) for y in (y_true, y_pred))
    return jnp.sum(y_true * jnp.log(y_true / y_pred), axis=-1)


@samplewise()
def poisson(y_true: Any, y_pred: Any) -> jax.Array:
    """Mean of y_pred - y_true log(y_pred + epsilon) over the last axis.

    Args:
        y_true: counts [batch, ..., features].
        y_pred: expected counts of the same shape, not negative.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.poisson([[0.0, 2.0]], [[1.0, 2.0]]).tolist()]
        [0.807]
    """
    return jnp.mean(y_pred - y_true * jnp.log(y_pred + epsilon()), axis=-1)


def log_probabilities(y_pred: jax.Array, from_logits: bool, axis: int) -> jax.Array:
    """Logarithms of the probabilities of classes."""
    if from_logits:
        return jax.nn.log_softmax(y_pred, axis=axis)
    p = y_pred / jnp.sum(y_pred, axis=axis, keepdims=True)
    return jnp.log(jnp.clip(p, epsilon(), 1 - epsilon()))


def check_axis(name: str, axis: Any) -> None:
    """Refuse what is no number of an axis."""
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise ValueError(f"{name}: axis must be an integer; received {axis!r}.")


class BinaryCrossentropy(NamedLoss):
    """Cross-entropy of yes-or-no labels; see `binary_crossentropy`.

    Args:
        from_logits: whether predictions are logits instead of probabilities.
        label_smoothing: how far labels are moved towards 1/2, between 0 and 1.
        axis: the axis that the mean is taken over.
        reduction, name, dtype: see `Loss`.

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
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(binary_crossentropy, reduction=reduction, name=name, dtype=dtype, **options)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class CategoricalCrossentropy(NamedLoss):
    """Cross-entropy of one-hot labels; see `categorical_crossentropy`.

    Args:
        from_logits: whether predictions are logits instead of probabilities.
        label_smoothing: how far labels are moved towards all classes alike, between 0 and 1.
        axis: the axis of the classes.
        reduction, name, dtype: see `Loss`.

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
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(categorical_crossentropy, reduction=reduction, name=name, dtype=dtype, **options)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class SparseCategoricalCrossentropy(NamedLoss):
    """Cross-entropy of labels that are numbers of classes; see `sparse_categorical_crossentropy`.

    Args:
        from_logits: whether predictions are logits instead of probabilities.
        ignore_class: the label of what does not count, neither in the values nor in their mean.
        reduction: see `Loss`.
        axis: the axis of the classes.
        name, dtype: see `Loss`; labels are not cast, since large numbers do not fit half-precision floats.

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
        options = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(sparse_categorical_crossentropy, reduction=reduction, name=name, dtype=dtype, **options)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis


class KLDivergence(NamedLoss):
    """Kullback-Leibler divergence; see `kl_divergence`.

    Args:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]])), 3)
        0.144
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "kl_divergence", dtype: Any = None):
        super().__init__(kl_divergence, reduction=reduction, name=name, dtype=dtype)


class Poisson(NamedLoss):
    """How surprising counts are to expected counts, up to a constant; see `poisson`.

    Args:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.Poisson()([[0.0], [2.0]], [[1.0], [2.0]])), 3)
        0.807
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "poisson", dtype: Any = None):
        super().__init__(poisson, reduction=reduction, name=name, dtype=dtype)
