"""Losses of regression: how far predictions are from numbers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.settings import epsilon
from jaxlayers.losses._base import NamedLoss
from jaxlayers.losses._samplewise import samplewise


@samplewise()
def mean_squared_error(y_true: Any, y_pred: Any) -> jax.Array:
    """Mean of squared differences: mean((y_true - y_pred)²) over the last axis.

    Args:
        y_true: numbers [batch, ..., features].
        y_pred: predictions of the same shape, up to axes of size 1.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import losses
        >>> losses.mean_squared_error([[0.0, 2.0]], [[1.0, 0.0]]).tolist()
        [2.5]
    """
    return jnp.mean(jnp.square(y_true - y_pred), axis=-1)


@samplewise()
def mean_absolute_error(y_true: Any, y_pred: Any) -> jax.Array:
    """Mean of absolute differences: mean(|y_true - y_pred|) over the last axis.

    Args:
        y_true: numbers [batch, ..., features].
        y_pred: predictions of the same shape, up to axes of size 1.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import losses
        >>> losses.mean_absolute_error([[0.0, 2.0]], [[1.0, 0.0]]).tolist()
        [1.5]
    """
    return jnp.mean(jnp.abs(y_true - y_pred), axis=-1)


@samplewise()
def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> jax.Array:
    """Mean of differences in percent: 100 mean(|y_true - y_pred| / max(|y_true|, epsilon)) over the last axis.

    Args:
        y_true: numbers [batch, ..., features].
        y_pred: predictions of the same shape, up to axes of size 1.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import losses
        >>> losses.mean_absolute_percentage_error([[1.0, 2.0]], [[1.5, 2.0]]).tolist()
        [25.0]
    """
    return 100 * jnp.mean(jnp.abs(y_true - y_pred) / jnp.maximum(jnp.abs(y_true), epsilon()), axis=-1)


@samplewise()
def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> jax.Array:
    """Mean of squared differences of logarithms: mean((log(1 + y_true) - log(1 + y_pred))²) over the last axis.

    Numbers below epsilon count as epsilon.

    Args:
        y_true: numbers [batch, ..., features].
        y_pred: predictions of the same shape, up to axes of size 1.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.mean_squared_logarithmic_error([[0.0, 1.0]], [[0.0, 3.0]]).tolist()]
        [0.24]
    """
    logs = [jnp.log1p(jnp.maximum(y, epsilon())) for y in (y_true, y_pred)]
    return jnp.mean(jnp.square(logs[0] - logs[1]), axis=-1)


@samplewise()
def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> jax.Array:
    """Squared for small differences, linear for large ones, over the last axis.

    With e = |y_true - y_pred|: the mean of e² / 2 where e ≤ delta, and of delta e - delta² / 2 elsewhere.

    Args:
        y_true: numbers [batch, ..., features].
        y_pred: predictions of the same shape, up to axes of size 1.
        delta: where the one goes over into the other.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Source: Huber, "Robust Estimation of a Location Parameter", 1964.

    Example:
        >>> from jaxlayers import losses
        >>> losses.huber([[0.0, 0.0]], [[1.0, 3.0]]).tolist()
        [1.5]
    """
    error = jnp.abs(y_true - y_pred)
    return jnp.mean(jnp.where(error <= delta, jnp.square(error) / 2, delta * error - delta**2 / 2), axis=-1)


@samplewise()
def log_cosh(y_true: Any, y_pred: Any) -> jax.Array:
    """Mean of log(cosh(y_pred - y_true)) over the last axis: half the square of small differences, linear far out.

    Args:
        y_true: numbers [batch, ..., features].
        y_pred: predictions of the same shape, up to axes of size 1.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.log_cosh([[0.0, 0.0]], [[0.0, 2.0]]).tolist()]
        [0.663]
    """
    error = y_pred - y_true
    return jnp.mean(error + jax.nn.softplus(-2 * error) - jnp.log(2.0).astype(error.dtype), axis=-1)


@samplewise("axis")
def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> jax.Array:
    """Minus the cosine of the angle between labels and predictions: -1 where they point the same way.

    - sum(y_true y_pred) / (‖y_true‖ ‖y_pred‖), where a norm below epsilon counts as epsilon.

    Args:
        y_true: numbers [batch, ..., features].
        y_pred: predictions of the same shape, up to axes of size 1.
        axis: the axis of the features.

    Returns:
        Values between -1 and 1, without that axis.

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.cosine_similarity([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [2.0, 2.0]]).tolist()]
        [-0.0, -1.0]
    """
    return -jnp.sum(_normalized(y_true, axis) * _normalized(y_pred, axis), axis=axis)


def _normalized(x: jax.Array, axis: int) -> jax.Array:
    square = jnp.sum(jnp.square(x), axis=axis, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, epsilon() ** 2))  # no infinite gradient at zero


class MeanSquaredError(NamedLoss):
    """Mean of squared differences; see `mean_squared_error`.

    Args:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> from jaxlayers import losses
        >>> float(losses.MeanSquaredError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]]))
        0.5
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_squared_error", dtype: Any = None
    ):
        super().__init__(mean_squared_error, reduction=reduction, name=name, dtype=dtype)


class MeanAbsoluteError(NamedLoss):
    """Mean of absolute differences; see `mean_absolute_error`.

    Args:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> from jaxlayers import losses
        >>> float(losses.MeanAbsoluteError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]]))
        0.5
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_absolute_error", dtype: Any = None
    ):
        super().__init__(mean_absolute_error, reduction=reduction, name=name, dtype=dtype)


class MeanAbsolutePercentageError(NamedLoss):
    """Mean of differences in percent; see `mean_absolute_percentage_error`.

    Args:
        reduction, name, dtype: see `Loss`.

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
        super().__init__(mean_absolute_percentage_error, reduction=reduction, name=name, dtype=dtype)


class MeanSquaredLogarithmicError(NamedLoss):
    """Mean of squared differences of logarithms; see `mean_squared_logarithmic_error`.

    Args:
        reduction, name, dtype: see `Loss`.

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
        super().__init__(mean_squared_logarithmic_error, reduction=reduction, name=name, dtype=dtype)


class Huber(NamedLoss):
    """Squared for small differences, linear for large ones; see `huber`.

    Args:
        delta: where the one goes over into the other.
        reduction, name, dtype: see `Loss`.

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
        super().__init__(huber, reduction=reduction, name=name, dtype=dtype, delta=delta)
        self.delta = delta


class LogCosh(NamedLoss):
    """Logarithm of the hyperbolic cosine of differences; see `log_cosh`.

    Args:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> from jaxlayers import losses
        >>> round(float(losses.LogCosh()([[0.0], [0.0]], [[0.0], [2.0]])), 3)
        0.663
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "log_cosh", dtype: Any = None):
        super().__init__(log_cosh, reduction=reduction, name=name, dtype=dtype)


class CosineSimilarity(NamedLoss):
    """Minus the cosine of the angle between labels and predictions; see `cosine_similarity`.

    Args:
        axis: the axis of the features.
        reduction, name, dtype: see `Loss`.

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
        super().__init__(cosine_similarity, reduction=reduction, name=name, dtype=dtype, axis=axis)
        self.axis = axis
