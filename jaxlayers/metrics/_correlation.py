"""Correlations between labels and predictions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.settings import epsilon
from jaxlayers.metrics._reduction import NamedMean
from jaxlayers.samplewise.functions import samplewise


@samplewise("axis")
def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> jax.Array:
    """Pearson correlation over an axis: cov(y_true, y_pred) / (std(y_true) std(y_pred)).

    Args:
        y_true: target values, [batch, ..., features].
        y_pred: predictions, of the shape of `y_true`.
        axis: the axis of the values to correlate; -1 by default.

    Returns:
        Values between -1 and 1: the shape of `y_pred` without `axis`. They are NaN where one of the two is constant.

    Raises:
        ValueError: if the shapes do not fit each other.

    Example:
        >>> from jaxlayers import metrics
        >>> [round(v, 3) for v in metrics.pearson_correlation([[0, 1, 0.5], [1, 1, 0.2]],
        ...                                                   [[0.1, 0.9, 0.5], [1, 0.9, 0.2]]).tolist()]
        [1.0, 0.993]
    """
    a, b = (differences - mean for _, differences, mean in (_differences(y, axis) for y in (y_true, y_pred)))
    a, b = (y / jnp.sqrt(jnp.mean(y * y, axis=axis, keepdims=True)) for y in (a, b))
    return jnp.mean(a * b, axis=axis)


@samplewise("axis")
def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> jax.Array:
    """Lin's concordance correlation over an axis: unlike Pearson's, it is lowered by a wrong offset or scale.

    2 cov(y_true, y_pred) / (var(y_true) + var(y_pred) + (mean(y_true) - mean(y_pred))² + epsilon).

    Args:
        y_true: target values, [batch, ..., features].
        y_pred: predictions, of the shape of `y_true`.
        axis: the axis of the values to correlate; -1 by default.

    Returns:
        Values between -1 and 1: the shape of `y_pred` without `axis`.

    Raises:
        ValueError: if the shapes do not fit each other.

    Source: Lin, A concordance correlation coefficient to evaluate reproducibility, Biometrics 45, 1989.

    Example:
        >>> from jaxlayers import metrics
        >>> [round(v, 3) for v in metrics.concordance_correlation([[0, 1, 0.5], [1, 1, 0.2]],
        ...                                                       [[0.1, 0.9, 0.5], [1, 0.9, 0.2]]).tolist()]
        [0.976, 0.988]
    """
    (first_a, a, mean_a), (first_b, b, mean_b) = (_differences(y, axis) for y in (y_true, y_pred))
    a, b, shift = a - mean_a, b - mean_b, first_a - first_b + (mean_a - mean_b)
    spread = jnp.mean(a * a + b * b, axis=axis) + jnp.squeeze(jnp.square(shift), axis)
    return 2 * jnp.mean(a * b, axis=axis) / (spread + epsilon())


def _differences(y: jax.Array, axis: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the first values along an axis, the differences of all values from them, and the mean differences.

    The differences of equal values are exactly 0, and those of values far from 0 have small means.
    """
    first = jax.lax.slice_in_dim(y, 0, 1, axis=axis)
    differences = y - first
    return first, differences, jnp.mean(differences, axis=axis, keepdims=True)


class PearsonCorrelation(NamedMean):
    """Mean Pearson correlation of the samples: cov(y_true, y_pred) / (std(y_true) std(y_pred)) over an axis.

    Labels and predictions are [batch, ..., features]; see `pearson_correlation`.

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.
        axis: the axis of the values to correlate; -1 by default.

    Example:
        >>> from jaxlayers import metrics
        >>> metric = metrics.PearsonCorrelation()
        >>> round(float(metric([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]])), 3)
        0.997
    """

    _direction = "up"

    def __init__(self, name: str = "pearson_correlation", dtype: Any = None, axis: int = -1):
        super().__init__(pearson_correlation, name, dtype)
        self.axis = axis


class ConcordanceCorrelation(NamedMean):
    """Mean concordance correlation of the samples; see `concordance_correlation` for the formula.

    Labels and predictions are [batch, ..., features].

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.
        axis: the axis of the values to correlate; -1 by default.

    Example:
        >>> from jaxlayers import metrics
        >>> metric = metrics.ConcordanceCorrelation()
        >>> round(float(metric([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]])), 3)
        0.982
    """

    _direction = "up"

    def __init__(self, name: str = "concordance_correlation", dtype: Any = None, axis: int = -1):
        super().__init__(concordance_correlation, name, dtype)
        self.axis = axis
