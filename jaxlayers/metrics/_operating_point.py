"""The best one rate can be where another is good enough, over many thresholds."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core.scope import read
from jaxlayers.losses._weights import divide_no_nan
from jaxlayers.metrics._outcomes import OutcomeMetric, Rule


class _BestAt(OutcomeMetric):
    """The best of one rate at those thresholds where another one is at least some value."""

    _direction = "up"
    _limited = ""  # the argument with the limit, and the rate it is for
    _wanted = ""

    def __init__(self, limit: float, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any):
        super().__init__(name=name, dtype=dtype)
        if not 0 <= limit <= 1:
            raise ValueError(f"{self._limited} must be between 0 and 1; received {limit}.")
        if num_thresholds < 1:
            raise ValueError(f"num_thresholds must be at least 1; received {num_thresholds}.")
        setattr(self, self._limited, limit)
        self.num_thresholds = num_thresholds
        self.class_id = class_id
        even = num_thresholds > 1
        numbers = tuple(i / (num_thresholds - 1) for i in range(num_thresholds)) if even else (0.5,)
        self.thresholds = list(numbers)
        self._rule = Rule(numbers, even, class_id=class_id)
        self._count((num_thresholds,))

    def result(self) -> jax.Array:
        """The best rate; 0 when no threshold is good enough."""
        tp, fp, tn, fn = (read(variable) for variable in self._sums())
        of_truth, of_predictions = divide_no_nan(tp, tp + fn), divide_no_nan(tp, tp + fp)
        rates = {
            "sensitivity": of_truth,
            "recall": of_truth,
            "specificity": divide_no_nan(tn, tn + fp),
            "precision": of_predictions,
        }
        good_enough = rates[self._limited] >= getattr(self, self._limited)
        return jnp.max(jnp.where(good_enough, rates[self._wanted], 0))


class SensitivityAtSpecificity(_BestAt):
    """The highest sensitivity TP / (TP + FN) at a threshold with at least this specificity TN / (TN + FP).

    Args:
        specificity: the least specificity, between 0 and 1.
        num_thresholds: how many thresholds, evenly spaced from 0 to 1.
        class_id: count only this index of the last axis.
        name: its name.
        dtype: what it computes in; `floatx()` by default.

    Raises:
        ValueError: when `specificity` is not between 0 and 1, or there is no threshold.

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
    """The highest specificity TN / (TN + FP) at a threshold with at least this sensitivity TP / (TP + FN).

    Args:
        sensitivity: the least sensitivity, between 0 and 1.
        num_thresholds: how many thresholds, evenly spaced from 0 to 1.
        class_id: count only this index of the last axis.
        name: its name.
        dtype: what it computes in; `floatx()` by default.

    Raises:
        ValueError: when `sensitivity` is not between 0 and 1, or there is no threshold.

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
    """The highest precision TP / (TP + FP) at a threshold with at least this recall TP / (TP + FN).

    Args:
        recall: the least recall, between 0 and 1.
        num_thresholds: how many thresholds, evenly spaced from 0 to 1.
        class_id: count only this index of the last axis.
        name: its name.
        dtype: what it computes in; `floatx()` by default.

    Raises:
        ValueError: when `recall` is not between 0 and 1, or there is no threshold.

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
    """The highest recall TP / (TP + FN) at a threshold with at least this precision TP / (TP + FP).

    Args:
        precision: the least precision, between 0 and 1.
        num_thresholds: how many thresholds, evenly spaced from 0 to 1.
        class_id: count only this index of the last axis.
        name: its name.
        dtype: what it computes in; `floatx()` by default.

    Raises:
        ValueError: when `precision` is not between 0 and 1, or there is no threshold.

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
