"""F-scores: weighted harmonic means of precision and recall."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.masks import get_mask
from jaxlayers.core.operations import as_array
from jaxlayers.core.scope import read
from jaxlayers.metrics._metric import Metric
from jaxlayers.metrics._outcomes import outcome_dtype, weighted_sum, weights_like
from jaxlayers.numerics.spatial import one_of
from jaxlayers.samplewise.functions import equal_shapes
from jaxlayers.samplewise.weights import divide_no_nan

_NAMES = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")
_AVERAGES = (None, "micro", "macro", "weighted")


class FBetaScore(Metric):
    """F-beta score: the harmonic mean of precision and recall, in which recall has beta times the weight.

    (1 + beta²) TP / ((1 + beta²) TP + beta² FN + FP) for each class. Labels and scores are [batch, classes].

    Args:
        average: None (default) for a score per class; `"macro"` for their mean; `"weighted"` for their mean weighted by
            the number of positive labels of each class; `"micro"` for one score from the counts of all classes.
        beta: the weight of recall, a float above 0; 1.0 by default.
        threshold: a score above it predicts positive; a float above 0 and at most 1. If None (default), only the
            highest score of each sample predicts positive.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Raises:
        ValueError: if `average` is unknown, or `beta` or `threshold` is not a float or out of range.

    Example:
        >>> from jaxlayers import metrics
        >>> score = metrics.FBetaScore(beta=2.0, threshold=0.5)
        >>> scores = score([[1, 1, 1], [1, 0, 0], [1, 1, 0]], [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]])
        >>> [round(v, 3) for v in scores.tolist()]
        [0.385, 0.909, 0.833]
    """

    _direction = "up"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        if not isinstance(beta, float) or beta <= 0:
            raise ValueError(f"beta must be a float above 0; received {beta!r}.")
        if threshold is not None and (not isinstance(threshold, float) or not 0 < threshold <= 1):
            raise ValueError(f"threshold must be a float above 0 and at most 1, or None; received {threshold!r}.")
        self.average = one_of(type(self).__name__, "average", average, _AVERAGES)
        self.beta = beta
        self.threshold = threshold
        self._built_for = None

    def _add_outputs(self, outputs: int) -> None:
        shape = () if self.average == "micro" else (outputs,)
        for name in _NAMES:
            setattr(self, name, self.add_variable(shape, None, outcome_dtype(self._dtype), name=name))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add the counts of a batch.

        Args:
            y_true: labels 0 and 1, [batch, classes].
            y_pred: scores, of the shape of `y_true`.
            sample_weight: weights, [batch] or [batch, 1]. They are multiplied by the mask of `y_pred`, if it has one.

        Raises:
            ValueError: if the shapes do not fit each other.
        """
        mask, y_true, y_pred = get_mask(y_pred), as_array(y_true), as_array(y_pred)
        y_true, y_pred = equal_shapes(type(self).__name__, y_true, y_pred)
        self._build_for_shape(y_pred.shape)
        sums = [getattr(self, name) for name in _NAMES]
        self._accumulate_batch(sums, _add_counts, y_true, y_pred, as_array(sample_weight), mask, self.threshold)

    def result(self) -> jax.Array:
        """Return the score, or one score per class; 0 before the first batch."""
        if self._built_for is None:
            return jnp.zeros(())
        tp, fp, fn, frequency = (read(getattr(self, name)) for name in _NAMES)
        square = self.beta**2
        score = divide_no_nan((1 + square) * tp, (1 + square) * tp + square * fn + fp)
        if self.average == "weighted":
            return jnp.sum(score * divide_no_nan(frequency, jnp.sum(frequency)))
        return score if self.average is None else jnp.mean(score)


class F1Score(FBetaScore):
    """F1 score: the harmonic mean of precision and recall, 2 TP / (2 TP + FN + FP) for each class.

    Labels and scores are [batch, classes].

    Args:
        average: None (default) for a score per class; `"macro"` for their mean; `"weighted"` for their mean weighted by
            the number of positive labels of each class; `"micro"` for one score from the counts of all classes.
        threshold: a score above it predicts positive; a float above 0 and at most 1. If None (default), only the
            highest score of each sample predicts positive.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Raises:
        ValueError: if `average` is unknown, or `threshold` is not a float or out of range.

    Example:
        >>> from jaxlayers import metrics
        >>> score = metrics.F1Score(threshold=0.5)
        >>> scores = score([[1, 1, 1], [1, 0, 0], [1, 1, 0]], [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]])
        >>> [round(v, 3) for v in scores.tolist()]
        [0.5, 0.8, 0.667]
    """

    def __init__(
        self, average: str | None = None, threshold: float | None = None, name: str = "f1_score", dtype: Any = None
    ):
        super().__init__(average=average, threshold=threshold, name=name, dtype=dtype)


@functools.partial(jax.jit, static_argnames=("threshold",), inline=True)
def _add_counts(
    sums: list[jax.Array], y_true: Any, y_pred: Any, sample_weight: Any, mask: Any, threshold: float | None
) -> list[jax.Array]:
    """Return the sums plus the counts of a batch."""
    dtype = sums[0].dtype
    y_true, y_pred = jnp.asarray(y_true, dtype), jnp.asarray(y_pred, dtype)
    if threshold is None:  # a sample whose scores are all 0 predicts no class
        y_pred = jnp.where(jnp.isnan(y_pred), -jnp.inf, y_pred)
        predicted = (y_pred >= jnp.max(y_pred, axis=-1, keepdims=True)) & (jnp.abs(y_pred) > 1e-9)
    else:
        predicted = y_pred > threshold
    predicted = predicted.astype(dtype)
    weights = weights_like(y_pred, sample_weight, mask, dtype)
    counts = (y_true * predicted, (1 - y_true) * predicted, y_true * (1 - predicted), y_true)
    axes = tuple(range(2 - sums[0].ndim))
    return [total + weighted_sum(count, weights, axes) for total, count in zip(sums, counts, strict=True)]
