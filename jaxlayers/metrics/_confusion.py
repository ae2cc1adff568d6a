"""Precision, recall, and the four counts they are made of."""

from __future__ import annotations

from typing import Any, ClassVar

import jax

from jaxlayers.core.scope import read
from jaxlayers.core.variable import Variable
from jaxlayers.losses._weights import divide_no_nan
from jaxlayers.metrics._outcomes import OutcomeMetric, Rule, evenly_spaced, make_thresholds, outcome_dtype

_LOWEST = -1e10  # the threshold under which no score lies that `top_k` lets through


class _Count(OutcomeMetric):
    """The number of one outcome."""

    _config_attributes: ClassVar[dict[str, str | None]] = {"thresholds": "init_thresholds"}

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        numbers = make_thresholds(thresholds)
        self.thresholds = list(numbers)
        self._rule = Rule(numbers, evenly_spaced(numbers))
        self.accumulator = self.add_variable((len(numbers),), None, outcome_dtype(self._dtype), name="accumulator")

    def _sums(self) -> list[Variable]:
        return [self.accumulator]

    def result(self) -> jax.Array:
        """The number so far; with several thresholds, one for each."""
        return _one_or_all(read(self.accumulator))


class TruePositives(_Count):
    """How many labels that are a yes have a score above the threshold.

    Args:
        thresholds: a number between 0 and 1, or several; 0.5 by default.
        name: its name.
        dtype: what it computes in; `floatx()` by default.

    Raises:
        ValueError: for thresholds that are not between 0 and 1.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.TruePositives()([0, 1, 1, 1], [1, 0, 1, 1]))
        2.0
    """

    _outcomes = ("true_positives",)


class FalsePositives(_Count):
    """How many labels that are a no have a score above the threshold.

    Args:
        thresholds: a number between 0 and 1, or several; 0.5 by default.
        name: its name.
        dtype: what it computes in; `floatx()` by default.

    Raises:
        ValueError: for thresholds that are not between 0 and 1.

    Example:
        >>> from jaxlayers import metrics
        >>> metrics.FalsePositives(thresholds=[0.5, 0.9])([0, 1, 0, 0], [0.7, 0, 1, 1]).tolist()
        [3.0, 2.0]
    """

    _outcomes = ("false_positives",)


class TrueNegatives(_Count):
    """How many labels that are a no have a score that is not above the threshold.

    Args:
        thresholds: a number between 0 and 1, or several; 0.5 by default.
        name: its name.
        dtype: what it computes in; `floatx()` by default.

    Raises:
        ValueError: for thresholds that are not between 0 and 1.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.TrueNegatives()([0, 1, 0, 0], [1, 1, 0, 0], sample_weight=[0, 0, 1, 0.5]))
        1.5
    """

    _outcomes = ("true_negatives",)


class FalseNegatives(_Count):
    """How many labels that are a yes have a score that is not above the threshold.

    Args:
        thresholds: a number between 0 and 1, or several; 0.5 by default.
        name: its name.
        dtype: what it computes in; `floatx()` by default.

    Raises:
        ValueError: for thresholds that are not between 0 and 1.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.FalseNegatives()([0, 1, 1, 1], [0, 1, 0, 0]))
        2.0
    """

    _outcomes = ("false_negatives",)


class _Share(OutcomeMetric):
    """The share of the first of two outcomes."""

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
        numbers = make_thresholds(thresholds, 0.5 if top_k is None else _LOWEST)
        self.thresholds = list(numbers)
        self._rule = Rule(numbers, evenly_spaced(numbers), top_k, class_id)
        self._count((len(numbers),))

    def result(self) -> jax.Array:
        """The share so far, 0 when there is nothing yet; with several thresholds, one for each."""
        right, wrong = (read(variable) for variable in self._sums())
        return _one_or_all(divide_no_nan(right, right + wrong))


class Precision(_Share):
    """Which share of the scores above the threshold belongs to labels that are a yes: TP / (TP + FP).

    Args:
        thresholds: a number between 0 and 1, or several; 0.5 by default, and none with `top_k`.
        top_k: count only the k highest scores along the last axis.
        class_id: count only this index of the last axis.
        name: its name.
        dtype: what it computes in; `floatx()` by default.

    Raises:
        ValueError: for thresholds that are not between 0 and 1.

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


class Recall(_Share):
    """Which share of the labels that are a yes has a score above the threshold: TP / (TP + FN).

    Args:
        thresholds: a number between 0 and 1, or several; 0.5 by default, and none with `top_k`.
        top_k: count only the k highest scores along the last axis as a yes.
        class_id: count only this index of the last axis.
        name: its name.
        dtype: what it computes in; `floatx()` by default.

    Raises:
        ValueError: for thresholds that are not between 0 and 1.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.Recall()([0, 1, 1, 1, 1], [1, 0, 1, 1, 1]))
        0.75
    """

    _outcomes = ("true_positives", "false_negatives")


def _one_or_all(values: jax.Array) -> jax.Array:
    return values[0] if values.shape == (1,) else values
