"""Cross-entropies that weight badly predicted samples more (focal) or less (generalized)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.losses._base import NamedLoss
from jaxlayers.losses._probabilistic import check_axis, smooth_labels
from jaxlayers.numerics.probabilities import binary_log_probabilities, log_probabilities, times_log
from jaxlayers.samplewise.functions import class_indices, classes_and_scores, same_shape, samplewise


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
    """Binary focal cross-entropy: mean of -(1 - r)^gamma (y log p + (1 - y) log(1 - p)) over an axis.

    r = y p + (1 - y) (1 - p) is the probability of the label. Labels that are predicted well, with r near 1,
    contribute little.

    Args:
        y_true: labels y between 0 and 1, [batch, ..., features].
        y_pred: probabilities p, clipped to [epsilon, 1 - epsilon] in the logarithms; or logits, p = sigmoid(y_pred).
            They have the shape of `y_true`.
        apply_class_balancing: If True, multiply by y alpha + (1 - y) (1 - alpha): by alpha for positive labels, by
            1 - alpha for negative ones. False by default.
        alpha: the weight of positive labels under `apply_class_balancing`, between 0 and 1; 0.25 by default.
        gamma: the focusing exponent, at least 0; 2 by default, 0 for the plain cross-entropy.
        from_logits: If True, `y_pred` holds logits, which is numerically more exact. False by default.
        label_smoothing: s replaces y by (1 - s) y + s / 2; between 0 (default) and 1.
        axis: the axis or tuple of axes of the mean; -1 by default.

    Returns:
        The losses, [batch, ...]: the shape of `y_pred` without `axis`.

    Raises:
        ValueError: if the shapes differ.

    Source: Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.binary_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.25]]).tolist()]
        [0.477]
    """
    y_true = smooth_labels(y_true, label_smoothing, 2)
    p, not_p = (jax.nn.sigmoid(y_pred), jax.nn.sigmoid(-y_pred)) if from_logits else (y_pred, 1 - y_pred)
    log_p, log_not_p = binary_log_probabilities(y_pred, from_logits)
    error = y_true * not_p + (1 - y_true) * p
    values = -_focus(error, gamma) * (times_log(y_true, log_p) + times_log(1 - y_true, log_not_p))
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
    """Categorical focal cross-entropy: -sum(alpha (1 - p)^gamma y log p) over the classes.

    Args:
        y_true: labels y, one-hot or probabilities, [batch, ..., classes].
        y_pred: probabilities p, divided by their sum and clipped to [epsilon, 1 - epsilon]; or logits,
            p = softmax(y_pred). They have the shape of `y_true`.
        alpha: a factor, or a sequence with one for each class; 0.25 by default.
        gamma: the focusing exponent, at least 0; 2 by default, 0 for the plain cross-entropy.
        from_logits: If True, `y_pred` holds logits, which is numerically more exact. False by default.
        label_smoothing: s replaces y by (1 - s) y + s / classes; between 0 (default) and 1.
        axis: the axis of the classes; -1 by default.

    Returns:
        The losses, [batch, ...]: the shape of `y_pred` without `axis`.

    Raises:
        ValueError: if the shapes differ, or `axis` is not an integer.

    Source: Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002.

    Example:
        >>> from jaxlayers import losses
        >>> values = losses.categorical_focal_crossentropy([[0.0, 1.0, 0.0]], [[0.25, 0.5, 0.25]])
        >>> [round(v, 4) for v in values.tolist()]
        [0.0433]
    """
    check_axis("categorical_focal_crossentropy", axis)
    y_true = smooth_labels(y_true, label_smoothing, y_true.shape[axis])
    log_p = log_probabilities(y_pred, from_logits, axis)
    alphas = np.asarray(alpha, "float32")
    if alphas.ndim:
        alphas = np.expand_dims(alphas, [i for i in range(y_pred.ndim) if i != axis % y_pred.ndim])
    return -jnp.sum(_focus(-jnp.expm1(log_p), gamma) * times_log(y_true, log_p) * alphas, axis=axis)


def _focus(error: Any, gamma: Any) -> jax.Array:
    """Return `error ** gamma`, with the derivative 0 where the error is 0: there the cross-entropy is 0 as well."""
    is_zero = error == 0
    power = jnp.power(jnp.where(is_zero, 1, error), gamma)
    return jnp.where(is_zero & (gamma != 0), 0, power)


@samplewise(prepare=classes_and_scores)
def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> jax.Array:
    """Generalized cross-entropy: (1 - p^q) / q, with p the probability of the true class.

    It lies between cross-entropy (the limit q = 0) and mean absolute error (q = 1). The larger q is, the less the
    loss is affected by wrong labels.

    Args:
        y_true: class indices, [batch, ...] or [batch, ..., 1].
        y_pred: probabilities, [batch, ..., classes].
        q: the exponent, between 0 and 1.

    Returns:
        The loss of each sample, [batch, ...].

    Raises:
        ValueError: if the shapes do not fit each other.

    Source: Zhang and Sabuncu, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels,
    arXiv:1805.07836.

    Example:
        >>> from jaxlayers import losses
        >>> losses.categorical_generalized_cross_entropy([1], [[0.5, 0.25, 0.25]], q=0.5).tolist()
        [1.0]
    """
    y_true = class_indices("categorical_generalized_cross_entropy", y_true, y_pred)
    true_class = jax.nn.one_hot(y_true.astype(jnp.int32), y_pred.shape[-1], dtype=y_pred.dtype)
    p = jnp.sum(y_pred * true_class, axis=-1)
    return (1 - jnp.power(jnp.maximum(p, jnp.finfo(p.dtype).tiny), q)) / q  # at p = 0 the gradient would be infinite


class BinaryFocalCrossentropy(NamedLoss):
    """Binary focal cross-entropy: mean of -(1 - r)^gamma (y log p + (1 - y) log(1 - p)) over an axis.

    r = y p + (1 - y) (1 - p) is the probability of the label. Labels y and predictions are [batch, ..., features];
    see `binary_focal_crossentropy`.

    Args:
        apply_class_balancing: If True, multiply by alpha for positive labels and by 1 - alpha for negative ones.
            False by default.
        alpha: the weight of positive labels under `apply_class_balancing`, between 0 and 1; 0.25 by default.
        gamma: the focusing exponent, at least 0; 2 by default.
        from_logits: If True, predictions are logits; if False (default), probabilities.
        label_smoothing: s replaces y by (1 - s) y + s / 2; between 0 (default) and 1.
        axis: the axis of the mean; -1 by default.
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes differ.

    Source: Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002.

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
        super().__init__(binary_focal_crossentropy, reduction, name, dtype)
        self.apply_class_balancing, self.alpha, self.gamma = apply_class_balancing, alpha, gamma
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class CategoricalFocalCrossentropy(NamedLoss):
    """Categorical focal cross-entropy: -sum(alpha (1 - p)^gamma y log p) over the classes.

    Labels y (one-hot or probabilities) and predictions are [batch, ..., classes]; see
    `categorical_focal_crossentropy`.

    Args:
        alpha: a factor, or a sequence with one for each class; 0.25 by default.
        gamma: the focusing exponent, at least 0; 2 by default.
        from_logits: If True, predictions are logits; if False (default), probabilities.
        label_smoothing: s replaces y by (1 - s) y + s / classes; between 0 (default) and 1.
        axis: the axis of the classes; -1 by default.
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes differ.

    Source: Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002.

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
        super().__init__(categorical_focal_crossentropy, reduction, name, dtype)
        self.alpha, self.gamma = alpha, gamma
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class CategoricalGeneralizedCrossEntropy(NamedLoss):
    """Generalized cross-entropy: (1 - p^q) / q, with p the probability of the true class.

    Wrong labels affect it less than cross-entropy. Labels are class indices [batch, ...], predictions probabilities
    [batch, ..., classes]; see `categorical_generalized_cross_entropy`.

    Args:
        q: the exponent, between 0 (cross-entropy) and 1 (mean absolute error), both excluded; 0.5 by default.
        reduction, name, dtype: see `Loss`. Labels are not cast: large indices are not exact in half precision.

    Raises:
        ValueError: if `q` is out of range or `reduction` is unknown; when the loss is called, if the shapes do not fit
            each other.

    Source: Zhang and Sabuncu, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels,
    arXiv:1805.07836.

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
        super().__init__(categorical_generalized_cross_entropy, reduction, name, dtype)
        self.q = q
