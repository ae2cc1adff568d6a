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
    a, b = (_standardize(y, axis) for y in (y_true, y_pred))
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
    means = [jnp.mean(y, axis=axis, keepdims=True) for y in (y_true, y_pred)]
    a, b = y_true - means[0], y_pred - means[1]
    spread = jnp.mean(a * a + b * b, axis=axis) + jnp.squeeze(jnp.square(means[0] - means[1]), axis)
    return 2 * jnp.mean(a * b, axis=axis) / (spread + epsilon())


def _standardize(y: jax.Array, axis: int) -> jax.Array:
    y = y - jnp.mean(y, axis=axis, keepdims=True)
    return y / jnp.std(y, axis=axis, keepdims=True)


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
