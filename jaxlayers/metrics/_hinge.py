"""Means of hinge losses."""

from __future__ import annotations

from typing import Any

from jaxlayers.losses import categorical_hinge, hinge, squared_hinge
from jaxlayers.metrics._reduction import NamedMean


class Hinge(NamedMean):
    """Mean hinge loss: max(1 - y_true y_pred, 0); see `jaxlayers.losses.hinge`.

    Labels (-1 and 1, or 0 and 1) and scores are [batch, ..., features].

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.Hinge()([[-1.0], [1.0]], [[0.5], [0.5]]))
        1.0
    """

    def __init__(self, name: str = "hinge", dtype: Any = None):
        super().__init__(hinge, name, dtype)


class SquaredHinge(NamedMean):
    """Mean squared hinge loss: max(1 - y_true y_pred, 0)²; see `jaxlayers.losses.squared_hinge`.

    Labels (-1 and 1, or 0 and 1) and scores are [batch, ..., features].

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.SquaredHinge()([[-1.0], [1.0]], [[0.5], [0.5]]))
        1.25
    """

    def __init__(self, name: str = "squared_hinge", dtype: Any = None):
        super().__init__(squared_hinge, name, dtype)


class CategoricalHinge(NamedMean):
    """Mean categorical hinge loss: max(1 + highest score of a wrong class - score of the true class, 0).

    One-hot labels and scores are [batch, ..., classes]; see `jaxlayers.losses.categorical_hinge`.

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.CategoricalHinge()([[0.0, 1.0, 0.0]], [[0.5, 1.0, 0.25]]))
        0.5
    """

    def __init__(self, name: str = "categorical_hinge", dtype: Any = None):
        super().__init__(categorical_hinge, name, dtype)
