"""Losses of segmentation: 1 minus the overlap of predicted and true regions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.settings import epsilon
from jaxlayers.losses._base import NamedLoss
from jaxlayers.samplewise.functions import same_shape, samplewise


@samplewise("axis", prepare=same_shape)
def dice(y_true: Any, y_pred: Any, axis: Any = None) -> jax.Array:
    """Dice loss: 1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred) + epsilon).

    Args:
        y_true: labels between 0 and 1, [batch, ...].
        y_pred: probabilities, of the shape of `y_true`.
        axis: the axis or tuple of axes to sum over; None, the default, for all. `(1, 2, 3)` gives a loss per image
            [batch, height, width, channels].

    Returns:
        The losses: the shape of `y_pred` without `axis`.

    Raises:
        ValueError: if the shapes differ.

    Source: Milletari et al., V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation,
    arXiv:1606.04797.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.dice([[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.8], [0.8, 0.0]])), 3)
        0.556
    """
    intersection = jnp.sum(y_true * y_pred, axis=axis)
    return 1 - 2 * intersection / (jnp.sum(y_true, axis=axis) + jnp.sum(y_pred, axis=axis) + epsilon())


@samplewise("axis", prepare=same_shape)
def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> jax.Array:
    """Tversky loss: 1 - TP / (TP + alpha FN + beta FP + epsilon).

    TP = sum(y_true y_pred), FN = sum(y_true (1 - y_pred)) and FP = sum(y_pred (1 - y_true)). As in Keras, alpha
    weights the false negatives and beta the false positives.

    Args:
        y_true: labels between 0 and 1, [batch, ...].
        y_pred: probabilities, of the shape of `y_true`.
        alpha: the weight of false negatives; 0.5 by default.
        beta: the weight of false positives; 0.5 by default.
        axis: the axis or tuple of axes to sum over; None, the default, for all. `(1, 2, 3)` gives a loss per image
            [batch, height, width, channels].

    Returns:
        The losses: the shape of `y_pred` without `axis`.

    Raises:
        ValueError: if the shapes differ.

    Source: Salehi et al., Tversky loss function for image segmentation using 3D fully convolutional deep networks,
    arXiv:1706.05721.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.tversky([[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.8], [0.8, 0.0]], alpha=0.25)), 3)
        0.467
    """
    true_positives = jnp.sum(y_true * y_pred, axis=axis)
    false_negatives = jnp.sum(y_true * (1 - y_pred), axis=axis)
    false_positives = jnp.sum(y_pred * (1 - y_true), axis=axis)
    return 1 - true_positives / (true_positives + alpha * false_negatives + beta * false_positives + epsilon())


class Dice(NamedLoss):
    """Dice loss: 1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred) + epsilon); see `dice`.

    Labels between 0 and 1 and probabilities are [batch, ...].

    Args:
        reduction, name: see `Loss`.
        axis: the axis or tuple of axes to sum over; None, the default, for all.
        dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes differ.

    Example:
        >>> from jaxlayers import losses
        >>> y_true, y_pred = [[1.0, 1.0], [0.0, 1.0]], [[0.0, 0.8], [0.0, 1.0]]
        >>> [round(v, 3) for v in losses.Dice(axis=-1, reduction=None)(y_true, y_pred).tolist()]
        [0.429, 0.0]
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "dice",
        axis: Any = None,
        dtype: Any = None,
    ):
        super().__init__(dice, reduction, name, dtype)
        self.axis = axis


class Tversky(NamedLoss):
    """Tversky loss: 1 - TP / (TP + alpha FN + beta FP + epsilon); see `tversky`.

    Labels between 0 and 1 and probabilities are [batch, ...].

    Args:
        alpha: the weight of false negatives; 0.5 by default.
        beta: the weight of false positives; 0.5 by default.
        reduction, name: see `Loss`.
        axis: the axis or tuple of axes to sum over; None, the default, for all.
        dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes differ.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.Tversky(alpha=0.25)([[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.8], [0.8, 0.0]])), 3)
        0.467
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "tversky",
        axis: Any = None,
        dtype: Any = None,
    ):
        super().__init__(tversky, reduction, name, dtype)
        self.alpha, self.beta, self.axis = alpha, beta, axis
