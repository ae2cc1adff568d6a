"""Cross-entropies that pay more, or less, attention to samples that are predicted badly."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import epsilon
from jaxlayers.losses._base import NamedLoss
from jaxlayers.losses._probabilistic import check_axis, log_probabilities
from jaxlayers.samplewise.functions import classes_and_scores, mismatch, same_shape, samplewise


@samplewise("apply_class_balancing", "from_logits", "label_smoothing", "axis", prepare=same_shape)
def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """Mean of -(1 - r)^gamma (y log p + (1 - y) log(1 - p)) over an axis, with r = y p + (1 - y) (1 - p).

    What is predicted well already, r near 1, counts little.

    Args:
        y_true: labels y between 0 and 1, [batch, ..., features].
        y_pred: probabilities p of the same shape, clipped to [epsilon, 1 - epsilon] in logarithms; or logits,
            p = sigmoid(y_pred).
        apply_class_balancing: whether to multiply by alpha where y is 1, and by 1 - alpha where it is 0.
        alpha: what the 1 counts.
        gamma: how strongly to turn to what is predicted badly; 0 for the plain cross-entropy.
        from_logits: whether they are logits, which is more exact.
        label_smoothing: s replaces y by (1 - s) y + s / 2.
        axis: the axis (or a tuple of them) of the mean.

    Returns:
        Values [batch, ...], without that axis.

    Raises:
        ValueError: when the shapes differ.

    Source: Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.binary_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.25]]).tolist()]
        [0.477]
    """
    if label_smoothing:
        y_true = (1 - label_smoothing) * y_true + label_smoothing / 2
    if from_logits:
        p, log_p, log_not_p = jax.nn.sigmoid(y_pred), jax.nn.log_sigmoid(y_pred), jax.nn.log_sigmoid(-y_pred)
    else:
        p, clipped = y_pred, jnp.clip(y_pred, epsilon(), 1 - epsilon())
        log_p, log_not_p = jnp.log(clipped), jnp.log1p(-clipped)
    missed = 1 - (y_true * p + (1 - y_true) * (1 - p))
    values = -jnp.power(missed, gamma) * (y_true * log_p + (1 - y_true) * log_not_p)
    if apply_class_balancing:
        values = values * (y_true * alpha + (1 - y_true) * (1 - alpha))
    return jnp.mean(values, axis=axis)


@samplewise("alpha", "from_logits", "label_smoothing", "axis", prepare=same_shape)
def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """-sum(alpha (1 - p)^gamma y log p) over the classes.

    Args:
        y_true: labels y, one-hot or probabilities, [batch, ..., classes].
        y_pred: probabilities p of the same shape, divided by their sum and clipped to [epsilon, 1 - epsilon]; or
            logits, p = softmax(y_pred).
        alpha: a number, or one for each class.
        gamma: how strongly to turn to what is predicted badly; 0 for the plain cross-entropy.
        from_logits: whether they are logits, which is more exact.
        label_smoothing: s replaces y by (1 - s) y + s / classes.
        axis: the axis of the classes.

    Returns:
        Values [batch, ...], without that axis.

    Raises:
        ValueError: when the shapes differ, or the axis is no number.

    Source: Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002.

    Example:
        >>> from jaxlayers import losses
        >>> values = losses.categorical_focal_crossentropy([[0.0, 1.0, 0.0]], [[0.25, 0.5, 0.25]])
        >>> [round(v, 4) for v in values.tolist()]
        [0.0433]
    """
    check_axis("categorical_focal_crossentropy", axis)
    if label_smoothing:
        y_true = (1 - label_smoothing) * y_true + label_smoothing / y_true.shape[axis]
    log_p = log_probabilities(y_pred, from_logits, axis)
    alphas = np.asarray(alpha, "float32")
    if alphas.ndim:
        shape = [1] * y_pred.ndim
        shape[axis] = y_pred.shape[axis]
        alphas = alphas.reshape(shape)
    return -jnp.sum(jnp.power(1 - jnp.exp(log_p), gamma) * y_true * log_p * alphas, axis=axis)


@samplewise(prepare=classes_and_scores)
def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> jax.Array:
    """(1 - p^q) / q, with p the probability of the right class: between cross-entropy and mean absolute error.

    Wrong labels do less harm, the more so the larger q is.

    Args:
        y_true: the number of the right class, [batch, ...] or [batch, ..., 1].
        y_pred: probabilities [batch, ..., classes].
        q: between 0 (cross-entropy) and 1 (absolute error).

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Source: Zhang and Sabuncu, arXiv:1805.07836.

    Example:
        >>> from jaxlayers import losses
        >>> losses.categorical_generalized_cross_entropy([1], [[0.5, 0.25, 0.25]], q=0.5).tolist()
        [1.0]
    """
    if y_true.shape == (*y_pred.shape[:-1], 1):
        y_true = y_true[..., 0]
    if y_true.shape != y_pred.shape[:-1]:
        name = "categorical_generalized_cross_entropy"
        raise mismatch(name, y_true, y_pred, "the same shape but for the last axis, the classes in y_pred")
    right = jax.nn.one_hot(y_true.astype(jnp.int32), y_pred.shape[-1], dtype=y_pred.dtype)
    p = jnp.sum(y_pred * right, axis=-1)
    return (1 - jnp.power(jnp.maximum(p, jnp.finfo(p.dtype).tiny), q)) / q  # no infinite gradient at 0


class BinaryFocalCrossentropy(NamedLoss):
    """Cross-entropy of yes-or-no labels that turns to what is predicted badly; see `binary_focal_crossentropy`.

    Args:
        apply_class_balancing: whether to multiply by alpha where labels are 1, and by 1 - alpha where they are 0.
        alpha: what the 1 counts.
        gamma: how strongly to turn to what is predicted badly.
        from_logits: whether predictions are logits instead of probabilities.
        label_smoothing: how far labels are moved towards 1/2, between 0 and 1.
        axis: the axis that the mean is taken over.
        reduction, name, dtype: see `Loss`.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.BinaryFocalCrossentropy(gamma=2)([[0.0], [1.0]], [[0.5], [0.25]])), 3)
        0.477
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_focal_crossentropy",
        dtype: Any = None,
    ):
        options = {
            "apply_class_balancing": apply_class_balancing,
            "alpha": alpha,
            "gamma": gamma,
            "from_logits": from_logits,
            "label_smoothing": label_smoothing,
            "axis": axis,
        }
        super().__init__(binary_focal_crossentropy, reduction=reduction, name=name, dtype=dtype, **options)
        self.apply_class_balancing, self.alpha, self.gamma = apply_class_balancing, alpha, gamma
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class CategoricalFocalCrossentropy(NamedLoss):
    """Cross-entropy of one-hot labels that turns to what is predicted badly; see `categorical_focal_crossentropy`.

    Args:
        alpha: a factor, or one for each class.
        gamma: how strongly to turn to what is predicted badly.
        from_logits: whether predictions are logits instead of probabilities.
        label_smoothing: how far labels are moved towards all classes alike, between 0 and 1.
        axis: the axis of the classes.
        reduction, name, dtype: see `Loss`.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.CategoricalFocalCrossentropy()([[0.0, 1.0, 0.0]], [[0.25, 0.5, 0.25]])), 4)
        0.0433
    """

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_focal_crossentropy",
        dtype: Any = None,
    ):
        options = {
            "alpha": alpha,
            "gamma": gamma,
            "from_logits": from_logits,
            "label_smoothing": label_smoothing,
            "axis": axis,
        }
        super().__init__(categorical_focal_crossentropy, reduction=reduction, name=name, dtype=dtype, **options)
        self.alpha, self.gamma = alpha, gamma
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class CategoricalGeneralizedCrossEntropy(NamedLoss):
    """Cross-entropy that wrong labels do less harm to; see `categorical_generalized_cross_entropy`.

    Args:
        q: between 0 (cross-entropy) and 1 (absolute error), both excluded.
        reduction, name, dtype: see `Loss`; labels are not cast, since large numbers do not fit half-precision floats.

    Raises:
        ValueError: when q is out of range.

    Example:
        >>> from jaxlayers import losses
        >>> float(losses.CategoricalGeneralizedCrossEntropy()([1], [[0.5, 0.25, 0.25]]))
        1.0
    """

    _casts_targets = False

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ):
        if not 0 < q < 1:
            raise ValueError(f"q must be between 0 and 1, both excluded; received {q}.")
        super().__init__(categorical_generalized_cross_entropy, reduction=reduction, name=name, dtype=dtype, q=q)
        self.q = q
