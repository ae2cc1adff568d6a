"""Means of regression losses."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.settings import is_float
from jaxlayers.losses import (
    cosine_similarity,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from jaxlayers.metrics._reduction import NamedMean
from jaxlayers.samplewise.functions import samplewise
from jaxlayers.samplewise.weights import divide_no_nan


class MeanSquaredError(NamedMean):
    """Mean squared error: mean of (y_true - y_pred)².

    Labels and predictions are [batch, ..., features].

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.MeanSquaredError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]))
        0.25
    """

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None):
        super().__init__(mean_squared_error, name, dtype)


class MeanAbsoluteError(NamedMean):
    """Mean absolute error: mean of |y_true - y_pred|.

    Labels and predictions are [batch, ..., features].

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.MeanAbsoluteError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]))
        0.25
    """

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None):
        super().__init__(mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(NamedMean):
    """Mean absolute percentage error: mean of 100 |y_true - y_pred| / max(|y_true|, epsilon).

    Labels and predictions are [batch, ..., features]; see
    `jaxlayers.losses.mean_absolute_percentage_error`.

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.MeanAbsolutePercentageError()([[1.0, 2.0]], [[1.5, 2.0]]))
        25.0
    """

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: Any = None):
        super().__init__(mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(NamedMean):
    """Mean squared logarithmic error: mean of (log(1 + y_true) - log(1 + y_pred))².

    Labels and predictions are [batch, ..., features]; see
    `jaxlayers.losses.mean_squared_logarithmic_error`.

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.MeanSquaredLogarithmicError()([[0.0, 1.0]], [[0.0, 3.0]])), 3)
        0.24
    """

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: Any = None):
        super().__init__(mean_squared_logarithmic_error, name, dtype)


class LogCoshError(NamedMean):
    """Mean log-cosh error: mean of log(cosh(y_pred - y_true)); see `jaxlayers.losses.log_cosh`.

    Labels and predictions are [batch, ..., features].

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.LogCoshError()([[0.0], [0.0]], [[0.0], [2.0]])), 3)
        0.663
    """

    def __init__(self, name: str = "logcosh", dtype: Any = None):
        super().__init__(log_cosh, name, dtype)


class CosineSimilarity(NamedMean):
    """Mean cosine similarity: sum(y_true y_pred) / (‖y_true‖ ‖y_pred‖), 1 for vectors of the same direction.

    Labels and predictions are [batch, ..., features].

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.
        axis: the axis of the features; -1 by default.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.CosineSimilarity()([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]])), 3)
        0.5
    """

    _direction = "up"
    _config_if_changed = ("axis",)

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1):
        super().__init__(_cosine, name, dtype)
        self.axis = axis


def _cosine(y_true: Any, y_pred: Any, axis: int = -1) -> jax.Array:
    return -cosine_similarity(y_true, y_pred, axis=axis)


class RootMeanSquaredError(NamedMean):
    """Root mean squared error: sqrt(mean of (y_true - y_pred)²) over all batches.

    Labels and predictions are [batch, ..., features].

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.RootMeanSquaredError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]))
        0.5
    """

    _direction = "down"

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None):
        super().__init__(_squared_error, name, dtype)

    def result(self) -> jax.Array:
        """Return the square root of the mean; 0 if the sum of the weights is 0."""
        mean = divide_no_nan(self.total.value, self.count.value)
        return jnp.sqrt(mean).astype(self._dtype if is_float(self._dtype) else mean.dtype)


@samplewise()
def _squared_error(y_true: Any, y_pred: Any) -> jax.Array:
    return jnp.square(y_true - y_pred)
