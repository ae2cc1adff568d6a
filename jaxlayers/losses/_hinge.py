"""Hinge losses: the loss of a prediction is 0 if it is right by a margin of at least 1."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.losses._base import NamedLoss
from jaxlayers.samplewise.functions import samplewise


@samplewise()
def hinge(y_true: Any, y_pred: Any) -> jax.Array:
    """Hinge loss: mean of max(1 - y_true y_pred, 0) over the last axis.

    Args:
        y_true: labels -1 and 1, [batch, ..., features]. If all labels are 0 or 1, each 0 is replaced by -1.
        y_pred: scores, of a shape that broadcasts with that of `y_true`.

    Returns:
        The loss of each sample, [batch, ...].

    Raises:
        ValueError: if the shapes cannot be broadcast to each other.

    Example:
        >>> from jaxlayers import losses
        >>> losses.hinge([[-1.0, 1.0]], [[0.5, 0.5]]).tolist()
        [1.0]
    """
    return jnp.mean(_margin_errors(y_true, y_pred), axis=-1)


@samplewise()
def squared_hinge(y_true: Any, y_pred: Any) -> jax.Array:
    """Squared hinge loss: mean of max(1 - y_true y_pred, 0)² over the last axis.

    Args:
        y_true: labels -1 and 1, [batch, ..., features]. If all labels are 0 or 1, each 0 is replaced by -1.
        y_pred: scores, of a shape that broadcasts with that of `y_true`.

    Returns:
        The loss of each sample, [batch, ...].

    Raises:
        ValueError: if the shapes cannot be broadcast to each other.

    Example:
        >>> from jaxlayers import losses
        >>> losses.squared_hinge([[-1.0, 1.0]], [[0.5, 0.5]]).tolist()
        [1.25]
    """
    return jnp.mean(jnp.square(_margin_errors(y_true, y_pred)), axis=-1)


@samplewise()
def categorical_hinge(y_true: Any, y_pred: Any) -> jax.Array:
    """Categorical hinge loss: max(1 + highest score of a wrong class - score of the true class, 0).

    max(max((1 - y_true) y_pred) - sum(y_true y_pred) + 1, 0), where the inner max and the sum are over the last axis.

    Args:
        y_true: one-hot labels, [batch, ..., classes].
        y_pred: scores, of a shape that broadcasts with that of `y_true`.

    Returns:
        The loss of each sample, [batch, ...].

    Raises:
        ValueError: if the shapes cannot be broadcast to each other.

    Example:
        >>> from jaxlayers import losses
        >>> losses.categorical_hinge([[0.0, 1.0, 0.0]], [[0.5, 1.0, 0.25]]).tolist()
        [0.5]
    """
    right = jnp.sum(y_true * y_pred, axis=-1)
    wrong = jnp.max((1 - y_true) * y_pred, axis=-1)
    return jnp.maximum(wrong - right + 1, 0)


def _margin_errors(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """max(1 - y_true y_pred, 0), with labels 0 and 1 converted to -1 and 1."""
    binary = jnp.all((y_true == 0) | (y_true == 1))
    return jnp.maximum(1 - jnp.where(binary, 2 * y_true - 1, y_true) * y_pred, 0)


class Hinge(NamedLoss):
    """Hinge loss: mean of max(1 - y_true y_pred, 0) over the last axis; see `hinge`.

    Labels (-1 and 1, or 0 and 1) and scores are [batch, ..., features].

    Args:
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes cannot be broadcast.

    Example:
        >>> from jaxlayers import losses
        >>> float(losses.Hinge()([[-1.0], [1.0]], [[0.5], [0.5]]))
        1.0
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "hinge", dtype: Any = None):
        super().__init__(hinge, reduction, name, dtype)


class SquaredHinge(NamedLoss):
    """Squared hinge loss: mean of max(1 - y_true y_pred, 0)² over the last axis; see `squared_hinge`.

    Labels (-1 and 1, or 0 and 1) and scores are [batch, ..., features].

    Args:
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes cannot be broadcast.

    Example:
        >>> from jaxlayers import losses
        >>> float(losses.SquaredHinge()([[-1.0], [1.0]], [[0.5], [0.5]]))
        1.25
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "squared_hinge", dtype: Any = None):
        super().__init__(squared_hinge, reduction, name, dtype)


class CategoricalHinge(NamedLoss):
    """Categorical hinge loss: max(1 + highest score of a wrong class - score of the true class, 0).

    One-hot labels and scores are [batch, ..., classes]; see `categorical_hinge`.

    Args:
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes cannot be broadcast.

    Example:
        >>> from jaxlayers import losses
        >>> float(losses.CategoricalHinge()([[0.0, 1.0, 0.0]], [[0.5, 1.0, 0.25]]))
        0.5
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "categorical_hinge", dtype: Any = None
    ):
        super().__init__(categorical_hinge, reduction, name, dtype)
