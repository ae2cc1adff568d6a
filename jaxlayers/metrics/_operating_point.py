"""The best value of one rate among the thresholds at which another rate reaches a minimum."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core.scope import read
from jaxlayers.metrics._outcomes import OutcomeMetric, Rule
from jaxlayers.samplewise.weights import divide_no_nan


class _BestAt(OutcomeMetric):
    """The highest value of one rate among the thresholds at which another rate is at least a given minimum."""

    _direction = "up"
    _limited = ""  # the rate that must reach the minimum; also the name of the argument that holds the minimum
    _wanted = ""  # the rate to maximize

    def __init__(self, limit: float, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any):
        super().__init__(name=name, dtype=dtype)
        if not 0 <= limit <= 1:
            raise ValueError(f"{self._limited} must be between 0 and 1; received {limit}.")
        if num_thresholds < 1:
            raise ValueError(f"num_thresholds must be at least 1; received {num_thresholds}.")
        setattr(self, self._limited, limit)
        self.num_thresholds = num_thresholds
        self.class_id = class_id
        thresholds = tuple(i / (num_thresholds - 1) for i in range(num_thresholds)) if num_thresholds > 1 else (0.5,)
        self._rule = Rule(thresholds, class_id=class_id)
        self._count((num_thresholds,))

    def result(self) -> jax.Array:
        """Return the best rate; 0 if no threshold reaches the minimum of the other rate."""
        tp, fp, tn, fn = (read(variable) for variable in self._sums())
        recall = divide_no_nan(tp, tp + fn)
        rates = {
            "sensitivity": recall,
            "recall": recall,
            "specificity": divide_no_nan(tn, tn + fp),
            "precision": divide_no_nan(tp, tp + fp),
        }
        good_enough = rates[self._limited] >= getattr(self, self._limited)
        return jnp.max(jnp.where(good_enough, rates[self._wanted], 0))


class SensitivityAtSpecificity(_BestAt):
    """The highest sensitivity TP / (TP + FN) among thresholds with at least a given specificity TN / (TN + FP).

    Labels and scores are [batch, ...]. A label that is not 0 is positive.

    Args:
        specificity: the minimum of the specificity, between 0 and 1.
        num_thresholds: the number of thresholds, evenly spaced from 0 to 1; 200 by default.
        class_id: the index along the last axis to count; None, the default, counts all.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Raises:
        ValueError: if `specificity` is not between 0 and 1, or `num_thresholds` is below 1.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.SensitivityAtSpecificity(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8]))
        0.5
    """

    _limited, _wanted = "specificity", "sensitivity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(specificity, num_thresholds, class_id, name, dtype)


class SpecificityAtSensitivity(_BestAt):
    """The highest specificity TN / (TN + FP) among thresholds with at least a given sensitivity TP / (TP + FN).

    Labels and scores are [batch, ...]. A label that is not 0 is positive.

    Args:
        sensitivity: the minimum of the sensitivity, between 0 and 1.
        num_thresholds: the number of thresholds, evenly spaced from 0 to 1; 200 by default.
        class_id: the index along the last axis to count; None, the default, counts all.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Raises:
        ValueError: if `sensitivity` is not between 0 and 1, or `num_thresholds` is below 1.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.SpecificityAtSensitivity(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])), 3)
        0.667
    """

    _limited, _wanted = "sensitivity", "specificity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)


class PrecisionAtRecall(_BestAt):
    """The highest precision TP / (TP + FP) among thresholds with at least a given recall TP / (TP + FN).

    Labels and scores are [batch, ...]. A label that is not 0 is positive.

    Args:
        recall: the minimum of the recall, between 0 and 1.
        num_thresholds: the number of thresholds, evenly spaced from 0 to 1; 200 by default.
        class_id: the index along the last axis to count; None, the default, counts all.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Raises:
        ValueError: if `recall` is not between 0 and 1, or `num_thresholds` is below 1.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.PrecisionAtRecall(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8]))
        0.5
    """

    _limited, _wanted = "recall", "precision"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(recall, num_thresholds, class_id, name, dtype)


class RecallAtPrecision(_BestAt):
    """The highest recall TP / (TP + FN) among thresholds with at least a given precision TP / (TP + FP).

    Labels and scores are [batch, ...]. A label that is not 0 is positive.

    Args:
        precision: the minimum of the precision, between 0 and 1.
        num_thresholds: the number of thresholds, evenly spaced from 0 to 1; 200 by default.
        class_id: the index along the last axis to count; None, the default, counts all.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Raises:
        ValueError: if `precision` is not between 0 and 1, or `num_thresholds` is below 1.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.RecallAtPrecision(0.8)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9]))
        0.5
    """

    _limited, _wanted = "precision", "recall"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(precision, num_thresholds, class_id, name, dtype)
