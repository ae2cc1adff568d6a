"""Losses of regression: distances between predictions and target values."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.settings import epsilon
from jaxlayers.losses._base import NamedLoss
from jaxlayers.samplewise.functions import samplewise


@samplewise()
def mean_squared_error(y_true: Any, y_pred: Any) -> jax.Array:
    """Mean squared error: mean((y_true - y_pred)²) over the last axis.

    Args:
        y_true: target values, [batch, ..., features].
        y_pred: predictions, of a shape that broadcasts with that of `y_true`.

    Returns:
        The loss of each sample, [batch, ...].

    Raises:
        ValueError: if the shapes cannot be broadcast to each other.

    Example:
        >>> from jaxlayers import losses
        >>> losses.mean_squared_error([[0.0, 2.0]], [[1.0, 0.0]]).tolist()
        [2.5]
    """
    return jnp.mean(jnp.square(y_true - y_pred), axis=-1)


@samplewise()
def mean_absolute_error(y_true: Any, y_pred: Any) -> jax.Array:
    """Mean absolute error: mean(|y_true - y_pred|) over the last axis.

    Args:
        y_true: target values, [batch, ..., features].
        y_pred: predictions, of a shape that broadcasts with that of `y_true`.

    Returns:
        The loss of each sample, [batch, ...].

    Raises:
        ValueError: if the shapes cannot be broadcast to each other.

    Example:
        >>> from jaxlayers import losses
        >>> losses.mean_absolute_error([[0.0, 2.0]], [[1.0, 0.0]]).tolist()
        [1.5]
    """
    return jnp.mean(jnp.abs(y_true - y_pred), axis=-1)


@samplewise()
def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> jax.Array:
    """Mean absolute percentage error: 100 mean(|y_true - y_pred| / max(|y_true|, epsilon)) over the last axis.

    Args:
        y_true: target values, [batch, ..., features].
        y_pred: predictions, of a shape that broadcasts with that of `y_true`.

    Returns:
        The loss of each sample, [batch, ...].

    Raises:
        ValueError: if the shapes cannot be broadcast to each other.

    Example:
        >>> from jaxlayers import losses
        >>> losses.mean_absolute_percentage_error([[1.0, 2.0]], [[1.5, 2.0]]).tolist()
        [25.0]
    """
    return 100 * jnp.mean(jnp.abs(y_true - y_pred) / jnp.maximum(jnp.abs(y_true), epsilon()), axis=-1)


@samplewise()
def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> jax.Array:
    """Mean squared logarithmic error: mean((log(1 + y_true) - log(1 + y_pred))²) over the last axis.

    Values below epsilon are replaced by epsilon.

    Args:
        y_true: target values, [batch, ..., features].
        y_pred: predictions, of a shape that broadcasts with that of `y_true`.

    Returns:
        The loss of each sample, [batch, ...].

    Raises:
        ValueError: if the shapes cannot be broadcast to each other.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.mean_squared_logarithmic_error([[0.0, 1.0]], [[0.0, 3.0]]).tolist()]
        [0.24]
    """
    logs = [jnp.log1p(jnp.maximum(y, epsilon())) for y in (y_true, y_pred)]
    return jnp.mean(jnp.square(logs[0] - logs[1]), axis=-1)


@samplewise()
def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> jax.Array:
    """Huber loss: quadratic in small differences and linear in large ones, averaged over the last axis.

    With e = |y_true - y_pred|, the mean of e² / 2 where e ≤ delta and of delta e - delta² / 2 elsewhere.

    Args:
        y_true: target values, [batch, ..., features].
        y_pred: predictions, of a shape that broadcasts with that of `y_true`.
        delta: the difference at which the loss changes from quadratic to linear; 1.0 by default.

    Returns:
        The loss of each sample, [batch, ...].

    Raises:
        ValueError: if the shapes cannot be broadcast to each other.

    Source: Huber, Robust Estimation of a Location Parameter, Annals of Mathematical Statistics 35, 1964.

    Example:
        >>> from jaxlayers import losses
        >>> losses.huber([[0.0, 0.0]], [[1.0, 3.0]]).tolist()
        [1.5]
    """
    error = jnp.abs(y_true - y_pred)
    return jnp.mean(jnp.where(error <= delta, jnp.square(error) / 2, delta * error - delta**2 / 2), axis=-1)


@samplewise()
def log_cosh(y_true: Any, y_pred: Any) -> jax.Array:
    """Log-cosh loss: mean of log(cosh(y_pred - y_true)) over the last axis.

    It is close to e² / 2 for small differences e and to |e| - log(2) for large ones.

    Args:
        y_true: target values, [batch, ..., features].
        y_pred: predictions, of a shape that broadcasts with that of `y_true`.

    Returns:
        The loss of each sample, [batch, ...].

    Raises:
        ValueError: if the shapes cannot be broadcast to each other.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.log_cosh([[0.0, 0.0]], [[0.0, 2.0]]).tolist()]
        [0.663]
    """
    # log(cosh(e)) = log1p((cosh(e) - 1)) = log1p(2 sinh(e / 2)²) for small e: nothing cancels there.
    size = jnp.abs(y_pred - y_true)
    near = jnp.minimum(size, 1)
    of_small = jnp.log1p(2 * jnp.square(jnp.sinh(near / 2)))
    of_large = size + jnp.log1p(jnp.exp(-2 * size)) - jnp.log(2.0).astype(size.dtype)
    return jnp.mean(jnp.where(size < 1, of_small, of_large), axis=-1)


@samplewise("axis")
def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> jax.Array:
    """Cosine similarity as a loss: -sum(y_true y_pred) / (‖y_true‖ ‖y_pred‖) over an axis.

    It is -1 for vectors of the same direction and 1 for opposite ones. Norms below epsilon are replaced by epsilon.

    Args:
        y_true: target values, [batch, ..., features].
        y_pred: predictions, of a shape that broadcasts with that of `y_true`.
        axis: the axis of the features; -1 by default.

    Returns:
        Values between -1 and 1: the shape of `y_pred` without `axis`.

    Raises:
        ValueError: if the shapes cannot be broadcast to each other.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.cosine_similarity([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [2.0, 2.0]]).tolist()]
        [-0.0, -1.0]
    """
    return -jnp.sum(_normalized(y_true, axis) * _normalized(y_pred, axis), axis=axis)


def _normalized(x: jax.Array, axis: int) -> jax.Array:
    square = jnp.sum(jnp.square(x), axis=axis, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, epsilon() ** 2))  # at x = 0 the gradient would be infinite


class MeanSquaredError(NamedLoss):
    """Mean squared error: mean((y_true - y_pred)²) over the last axis; see `mean_squared_error`.

    Targets and predictions are [batch, ..., features].

    Args:
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes cannot be broadcast.

    Example:
        >>> from jaxlayers import losses
        >>> float(losses.MeanSquaredError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]]))
        0.5
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_squared_error", dtype: Any = None
    ):
        super().__init__(mean_squared_error, reduction, name, dtype)


class MeanAbsoluteError(NamedLoss):
    """Mean absolute error: mean(|y_true - y_pred|) over the last axis; see `mean_absolute_error`.

    Targets and predictions are [batch, ..., features].

    Args:
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes cannot be broadcast.

    Example:
        >>> from jaxlayers import losses
        >>> float(losses.MeanAbsoluteError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]]))
        0.5
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_absolute_error", dtype: Any = None
    ):
        super().__init__(mean_absolute_error, reduction, name, dtype)


class MeanAbsolutePercentageError(NamedLoss):
    """Mean absolute percentage error: 100 mean(|y_true - y_pred| / max(|y_true|, epsilon)) over the last axis.

    Targets and predictions are [batch, ..., features]; see `mean_absolute_percentage_error`.

    Args:
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes cannot be broadcast.

    Example:
        >>> from jaxlayers import losses
        >>> float(losses.MeanAbsolutePercentageError()([[1.0], [2.0]], [[1.5], [2.0]]))
        25.0
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_absolute_percentage_error",
        dtype: Any = None,
    ):
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


class MeanSquaredLogarithmicError(NamedLoss):
    """Mean squared logarithmic error: mean((log(1 + y_true) - log(1 + y_pred))²) over the last axis.

    Targets and predictions are [batch, ..., features]; see `mean_squared_logarithmic_error`.

    Args:
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes cannot be broadcast.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.MeanSquaredLogarithmicError()([[0.0], [1.0]], [[0.0], [3.0]])), 3)
        0.24
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ):
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


class Huber(NamedLoss):
    """Huber loss: e² / 2 where e = |y_true - y_pred| is at most delta, and delta e - delta² / 2 elsewhere.

    The mean is taken over the last axis. Targets and predictions are [batch, ..., features]; see `huber`.

    Args:
        delta: the difference at which the loss changes from quadratic to linear; 1.0 by default.
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes cannot be broadcast.

    Example:
        >>> from jaxlayers import losses
        >>> float(losses.Huber(delta=2.0)([[0.0], [0.0]], [[1.0], [3.0]]))
        2.25
    """

    _config_if_changed = ("delta",)

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "huber_loss",
        dtype: Any = None,
    ):
        super().__init__(huber, reduction, name, dtype)
        self.delta = delta


class LogCosh(NamedLoss):
    """Log-cosh loss: mean of log(cosh(y_pred - y_true)) over the last axis; see `log_cosh`.

    Targets and predictions are [batch, ..., features].

    Args:
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes cannot be broadcast.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.LogCosh()([[0.0], [0.0]], [[0.0], [2.0]])), 3)
        0.663
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "log_cosh", dtype: Any = None):
        super().__init__(log_cosh, reduction, name, dtype)


class CosineSimilarity(NamedLoss):
    """Cosine similarity as a loss: -sum(y_true y_pred) / (‖y_true‖ ‖y_pred‖) over an axis.

    It is -1 for vectors of the same direction. Targets and predictions are [batch, ..., features]; see
    `cosine_similarity`.

    Args:
        axis: the axis of the features; -1 by default.
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes cannot be broadcast.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.CosineSimilarity()([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [2.0, 2.0]])), 3)
        -0.5
    """

    _config_if_changed = ("axis",)

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cosine_similarity",
        dtype: Any = None,
    ):
        super().__init__(cosine_similarity, reduction, name, dtype)
        self.axis = axis
