"""How far predictions are from numbers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core.masks import get_mask
from jaxlayers.losses import mean_absolute_error, mean_squared_error
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
