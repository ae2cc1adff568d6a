"""Losses of segmentation: how little predicted regions and true ones cover each other."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.settings import epsilon
from jaxlayers.losses._base import NamedLoss
from jaxlayers.samplewise.functions import same_shape, samplewise


@samplewise("axis", prepare=same_shape)
def dice(y_true: Any, y_pred: Any, axis: Any = None) -> jax.Array:
    """1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred) + epsilon).

    Args:
        y_true: labels between 0 and 1, [batch, ...].
        y_pred: probabilities of the same shape.
        axis: the axes that are summed over, all of them by default; `(1, 2, 3)` for a value per image.

    Returns:
        Values, without those axes.

    Raises:
        ValueError: when the shapes differ.

    Source: Milletari et al., V-Net, arXiv:1606.04797.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.dice([[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.8], [0.8, 0.0]])), 3)
        0.556
    """
    both = jnp.sum(y_true * y_pred, axis=axis)
    return 1 - 2 * both / (jnp.sum(y_true, axis=axis) + jnp.sum(y_pred, axis=axis) + epsilon())


@samplewise("axis", prepare=same_shape)
def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> jax.Array:
    """1 - c / (c + alpha sum(y_true (1 - y_pred)) + beta sum(y_pred (1 - y_true)) + epsilon).

    c = sum(y_true y_pred) is what both cover. As in Keras, alpha is for what the prediction lacks, beta for what it
    has too much.

    Args:
        y_true: labels between 0 and 1, [batch, ...].
        y_pred: probabilities of the same shape.
        alpha: what a part of the label counts that is not predicted.
        beta: what a part of the prediction counts that is no label.
        axis: the axes that are summed over, all of them by default; `(1, 2, 3)` for a value per image.

    Returns:
        Values, without those axes.

    Raises:
        ValueError: when the shapes differ.

    Source: Salehi et al., arXiv:1706.05721.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.tversky([[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.8], [0.8, 0.0]], alpha=0.25)), 3)
        0.467
    """
    both = jnp.sum(y_true * y_pred, axis=axis)
    lacking = jnp.sum(y_true * (1 - y_pred), axis=axis)
    surplus = jnp.sum(y_pred * (1 - y_true), axis=axis)
    return 1 - both / (both + alpha * lacking + beta * surplus + epsilon())


class Dice(NamedLoss):
    """How little predicted regions and true ones cover each other; see `dice`.

    Args:
        reduction, name: see `Loss`.
        axis: the axes that are summed over, all of them by default.
        dtype: see `Loss`.

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
        super().__init__(dice, reduction=reduction, name=name, dtype=dtype, axis=axis)
        self.axis = axis


class Tversky(NamedLoss):
    """How little regions cover each other, with a weight for either mistake; see `tversky`.

    Args:
        alpha: what a part of the label counts that is not predicted.
        beta: what a part of the prediction counts that is no label.
        reduction, name: see `Loss`.
        axis: the axes that are summed over, all of them by default.
        dtype: see `Loss`.

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
        super().__init__(tversky, reduction=reduction, name=name, dtype=dtype, alpha=alpha, beta=beta, axis=axis)
        self.alpha, self.beta, self.axis = alpha, beta, axis
