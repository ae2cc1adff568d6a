"""True and false positives and negatives, precision and recall."""

from __future__ import annotations

from typing import Any, ClassVar

import jax

from jaxlayers.core.scope import read
from jaxlayers.core.variable import Variable
from jaxlayers.metrics._outcomes import BELOW_TOP_K, OutcomeMetric, Rule, make_thresholds, outcome_dtype
from jaxlayers.samplewise.weights import divide_no_nan


class _Count(OutcomeMetric):
    """The base class of metrics that count one outcome."""

    _config_attributes: ClassVar[dict[str, str | None]] = {"thresholds": "init_thresholds"}

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self._rule = Rule(make_thresholds(thresholds))
        shape = (len(self.thresholds),)
        self.accumulator = self.add_variable(shape, None, outcome_dtype(self._dtype), name="accumulator")

    def _sums(self) -> list[Variable]:
        return [self.accumulator]

    def result(self) -> jax.Array:
        """Return the count: a scalar, or one value per threshold if there are several."""
        return _scalar_if_single(read(self.accumulator))


class TruePositives(_Count):
    """True positives: the number of positive labels whose score is above the threshold.

    Labels and scores are [batch, ...]. A label that is not 0 is positive.

    Args:
        thresholds: a threshold between 0 and 1, or a sequence of thresholds; 0.5 by default.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Raises:
        ValueError: if a threshold is not between 0 and 1.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.TruePositives()([0, 1, 1, 1], [1, 0, 1, 1]))
        2.0
    """

    _outcomes = ("true_positives",)


class FalsePositives(_Count):
    """False positives: the number of negative labels whose score is above the threshold.

    Labels and scores are [batch, ...]. A label that is not 0 is positive.

    Args:
        thresholds: a threshold between 0 and 1, or a sequence of thresholds; 0.5 by default.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Raises:
        ValueError: if a threshold is not between 0 and 1.

    Example:
        >>> from jaxlayers import metrics
        >>> metrics.FalsePositives(thresholds=[0.5, 0.9])([0, 1, 0, 0], [0.7, 0, 1, 1]).tolist()
        [3.0, 2.0]
    """

    _outcomes = ("false_positives",)


class TrueNegatives(_Count):
    """True negatives: the number of negative labels whose score is not above the threshold.

    Labels and scores are [batch, ...]. A label that is not 0 is positive.

    Args:
        thresholds: a threshold between 0 and 1, or a sequence of thresholds; 0.5 by default.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Raises:
        ValueError: if a threshold is not between 0 and 1.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.TrueNegatives()([0, 1, 0, 0], [1, 1, 0, 0], sample_weight=[0, 0, 1, 0.5]))
        1.5
    """

    _outcomes = ("true_negatives",)


class FalseNegatives(_Count):
    """False negatives: the number of positive labels whose score is not above the threshold.

    Labels and scores are [batch, ...]. A label that is not 0 is positive.

    Args:
        thresholds: a threshold between 0 and 1, or a sequence of thresholds; 0.5 by default.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Raises:
        ValueError: if a threshold is not between 0 and 1.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.FalseNegatives()([0, 1, 1, 1], [0, 1, 0, 0]))
        2.0
    """

    _outcomes = ("false_negatives",)


class _Ratio(OutcomeMetric):
    """The base class of precision and recall: the first of two outcomes over the sum of both."""

    _config_attributes: ClassVar[dict[str, str | None]] = {"thresholds": "init_thresholds"}
    _direction = "up"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        self._rule = Rule(make_thresholds(thresholds, 0.5 if top_k is None else BELOW_TOP_K), top_k, class_id)
        self._count((len(self.thresholds),))

    def result(self) -> jax.Array:
        """Return the ratio, 0 before the first batch: a scalar, or one value per threshold if there are several."""
        first, second = (read(variable) for variable in self._sums())
        return _scalar_if_single(divide_no_nan(first, first + second))


class Precision(_Ratio):
    """Precision: the share of scores above the threshold whose label is positive, TP / (TP + FP).

    Labels and scores are [batch, ...]. A label that is not 0 is positive.

    Args:
        thresholds: a threshold between 0 and 1, or a sequence of thresholds. None, the default, means 0.5, or no
            threshold if `top_k` is given.
        top_k: only the k highest scores along the last axis may predict positive; None, the default, for all scores.
        class_id: the index along the last axis to count; None, the default, counts all.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Raises:
        ValueError: if a threshold is not between 0 and 1.

    Example:
        >>> from jaxlayers import metrics
        >>> precision = metrics.Precision()
        >>> precision.update_state([0, 1, 1, 1], [0, 0, 1, 1])
        >>> float(precision([1, 0, 0, 0], [0, 1, 1, 0]))
        0.5
        >>> float(metrics.Precision(top_k=2)([[0, 0, 1, 1]], [[0.3, 0.1, 0.2, 0.4]]))
        0.5
    """

    _outcomes = ("true_positives", "false_positives")


class Recall(_Ratio):
    """Recall: the share of positive labels whose score is above the threshold, TP / (TP + FN).

    Labels and scores are [batch, ...]. A label that is not 0 is positive.

    Args:
        thresholds: a threshold between 0 and 1, or a sequence of thresholds. None, the default, means 0.5, or no
            threshold if `top_k` is given.
        top_k: only the k highest scores along the last axis may predict positive; None, the default, for all scores.
        class_id: the index along the last axis to count; None, the default, counts all.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Raises:
        ValueError: if a threshold is not between 0 and 1.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.Recall()([0, 1, 1, 1, 1], [1, 0, 1, 1, 1]))
        0.75
    """

    _outcomes = ("true_positives", "false_negatives")


def _scalar_if_single(values: jax.Array) -> jax.Array:
    return values[0] if values.shape == (1,) else values
