"""How far predictions are from numbers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core.masks import get_mask
from jaxlayers.losses import (
    cosine_similarity,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from jaxlayers.losses._samplewise import samplewise
from jaxlayers.metrics._reduction import Mean, NamedMean


class MeanSquaredError(NamedMean):
    """Mean of (y_true - y_pred)².

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.MeanSquaredError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]))
        0.25
    """

    _direction = "down"

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None):
        super().__init__(mean_squared_error, name=name, dtype=dtype)


class MeanAbsoluteError(NamedMean):
    """Mean of |y_true - y_pred|.

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.MeanAbsoluteError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]))
        0.25
    """

    _direction = "down"

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None):
        super().__init__(mean_absolute_error, name=name, dtype=dtype)


class MeanAbsolutePercentageError(NamedMean):
    """Mean of 100 |y_true - y_pred| / |y_true|; see `jaxlayers.losses.mean_absolute_percentage_error`.

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.MeanAbsolutePercentageError()([[1.0, 2.0]], [[1.5, 2.0]]))
        25.0
    """

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: Any = None):
        super().__init__(mean_absolute_percentage_error, name=name, dtype=dtype)


class MeanSquaredLogarithmicError(NamedMean):
    """Mean of (log(1 + y_true) - log(1 + y_pred))²; see `jaxlayers.losses.mean_squared_logarithmic_error`.

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.MeanSquaredLogarithmicError()([[0.0, 1.0]], [[0.0, 3.0]])), 3)
        0.24
    """

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: Any = None):
        super().__init__(mean_squared_logarithmic_error, name=name, dtype=dtype)


class LogCoshError(NamedMean):
    """Mean of log(cosh(y_pred - y_true)); see `jaxlayers.losses.log_cosh`.

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.LogCoshError()([[0.0], [0.0]], [[0.0], [2.0]])), 3)
        0.663
    """

    def __init__(self, name: str = "logcosh", dtype: Any = None):
        super().__init__(log_cosh, name=name, dtype=dtype)


class CosineSimilarity(NamedMean):
    """Mean cosine of the angle between labels and predictions: 1 where they point the same way.

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.
        axis: the axis of the features.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.CosineSimilarity()([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]])), 3)
        0.5
    """

    _direction = "up"
    _config_if_changed = ("axis",)

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1):
        super().__init__(_cosine, name=name, dtype=dtype, axis=axis)
        self.axis = axis


def _cosine(y_true: Any, y_pred: Any, axis: int = -1) -> jax.Array:
    return -cosine_similarity(y_true, y_pred, axis=axis)


class RootMeanSquaredError(Mean):
    """Square root of the mean of (y_true - y_pred)² over everything seen so far.

    Args:
        name: its name.
        dtype: what it computes in; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.RootMeanSquaredError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]))
        0.5
    """

    _direction = "down"

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Take in labels and predictions.

        Args:
            y_true: labels [batch, ...].
            y_pred: predictions of the same shape, up to axes of size 1.
            sample_weight: the leading axes of that shape, e.g. [batch].

        Raises:
            ValueError: when the shapes do not fit each other.
        """
        self._take_in(_squared_error(y_true, y_pred), sample_weight, get_mask(y_pred))

    def result(self) -> jax.Array:
        """The square root of the mean; 0 when there is nothing to take it of."""
        return jnp.sqrt(super().result())


@samplewise()
def _squared_error(y_true: Any, y_pred: Any) -> jax.Array:
    return jnp.square(y_true - y_pred)
