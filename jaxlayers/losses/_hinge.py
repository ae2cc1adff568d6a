"""Losses of margins: predictions have to be right by some distance, and cost nothing from there on."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.losses._base import NamedLoss
from jaxlayers.samplewise.functions import samplewise


@samplewise()
def hinge(y_true: Any, y_pred: Any) -> jax.Array:
    """Mean of max(1 - y_true y_pred, 0) over the last axis.

    Args:
        y_true: labels -1 and 1, [batch, ..., features]; when all are 0 or 1, zeros count as -1.
        y_pred: scores of the same shape.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import losses
        >>> losses.hinge([[-1.0, 1.0]], [[0.5, 0.5]]).tolist()
        [1.0]
    """
    return jnp.mean(_shortfall(y_true, y_pred), axis=-1)


@samplewise()
def squared_hinge(y_true: Any, y_pred: Any) -> jax.Array:
    """Mean of max(1 - y_true y_pred, 0)² over the last axis.

    Args:
        y_true: labels -1 and 1, [batch, ..., features]; when all are 0 or 1, zeros count as -1.
        y_pred: scores of the same shape.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import losses
        >>> losses.squared_hinge([[-1.0, 1.0]], [[0.5, 0.5]]).tolist()
        [1.25]
    """
    return jnp.mean(jnp.square(_shortfall(y_true, y_pred)), axis=-1)


@samplewise()
def categorical_hinge(y_true: Any, y_pred: Any) -> jax.Array:
    """max(1 + the best wrong class's score - the right class's, 0).

    max(max((1 - y_true) y_pred) - sum(y_true y_pred) + 1, 0) over the last axis.

    Args:
        y_true: one-hot labels [batch, ..., classes].
        y_pred: scores of the same shape.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import losses
        >>> losses.categorical_hinge([[0.0, 1.0, 0.0]], [[0.5, 1.0, 0.25]]).tolist()
        [0.5]
    """
    right = jnp.sum(y_true * y_pred, axis=-1)
    wrong = jnp.max((1 - y_true) * y_pred, axis=-1)
    return jnp.maximum(wrong - right + 1, 0)


def _shortfall(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    binary = jnp.all((y_true == 0) | (y_true == 1))
    return jnp.maximum(1 - jnp.where(binary, 2 * y_true - 1, y_true) * y_pred, 0)


class Hinge(NamedLoss):
    """How much of the margin is missing; see `hinge`.

    Args:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> from jaxlayers import losses
        >>> float(losses.Hinge()([[-1.0], [1.0]], [[0.5], [0.5]]))
        1.0
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "hinge", dtype: Any = None):
        super().__init__(hinge, reduction=reduction, name=name, dtype=dtype)


class SquaredHinge(NamedLoss):
    """The square of how much of the margin is missing; see `squared_hinge`.

    Args:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> from jaxlayers import losses
        >>> float(losses.SquaredHinge()([[-1.0], [1.0]], [[0.5], [0.5]]))
        1.25
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "squared_hinge", dtype: Any = None):
        super().__init__(squared_hinge, reduction=reduction, name=name, dtype=dtype)


class CategoricalHinge(NamedLoss):
    """How much the right class's score falls short of the best wrong one's and a margin; see `categorical_hinge`.

    Args:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> from jaxlayers import losses
        >>> float(losses.CategoricalHinge()([[0.0, 1.0, 0.0]], [[0.5, 1.0, 0.25]]))
        0.5
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "categorical_hinge", dtype: Any = None
    ):
        super().__init__(categorical_hinge, reduction=reduction, name=name, dtype=dtype)
