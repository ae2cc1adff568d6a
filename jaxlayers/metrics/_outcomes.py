"""True and false positives and negatives, at one threshold or many, in one pass over the scores.

With few thresholds, every score is compared with every threshold. With many, each score is sorted into the bin between
the two thresholds around it, and a cumulative sum over the bins counts the scores above each threshold: the work per
score does not grow with the number of thresholds.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.masks import get_mask
from jaxlayers.common.settings import epsilon
from jaxlayers.core.operations import as_array
from jaxlayers.core.variable import Variable
from jaxlayers.metrics._metric import Metric
from jaxlayers.numerics.types import wide_dtype
from jaxlayers.samplewise.functions import equal_shapes
from jaxlayers.samplewise.weights import align, combine

_FEW = 16  # up to this number of thresholds, comparing is faster than sorting into bins
BELOW_TOP_K = -1e10  # the score of everything that is not among the top k


class Rule(NamedTuple):
    """The rule by which scores become positive and negative predictions.

    Attributes:
        thresholds: a score above a threshold predicts positive at that threshold.
        top_k: only the k highest scores along the last axis may predict positive; None for all.
        class_id: the only index along the last axis to count; None for all.
        by_label: If True, each index along the last axis is counted separately.
        from_logits: If True, scores are logits, and a sigmoid converts them to probabilities.
    """

    thresholds: tuple[float, ...]
    top_k: int | None = None
    class_id: int | None = None
    by_label: bool = False
    from_logits: bool = False


class OutcomeMetric(Metric):
    """The base class of metrics that count some of the four outcomes, named by `_outcomes`, and compute a result."""

    _outcomes: tuple[str, ...] = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    _label_weights: Any = None
    _rule: Rule

    @property
    def thresholds(self) -> list[float]:
        """The thresholds; a score above a threshold predicts positive at that threshold."""
        return list(self._rule.thresholds)

    @thresholds.setter
    def thresholds(self, value: Any) -> None:
        self._rule = self._rule._replace(thresholds=make_thresholds(value))

    def _count(self, shape: tuple[int, ...]) -> None:
        """Make a variable for each outcome, as an attribute of the outcome's name."""
        dtype = outcome_dtype(self._dtype)
        for outcome in self._outcomes:
            setattr(self, outcome, self.add_variable(shape, None, dtype=dtype, name=outcome))

    def _sums(self) -> list[Variable]:
        return [getattr(self, outcome) for outcome in self._outcomes]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add the outcomes of a batch.

        Args:
            y_true: labels, positive where they are not 0: [batch, ...], or [batch, labels] if `AUC` has `multi_label`.
            y_pred: scores, of the shape of `y_true`.
            sample_weight: weights whose axes are the leading axes of that shape, such as [batch]; any size may be 1.
                They are multiplied by the mask of `y_pred`, if it has one.

        Raises:
            ValueError: if the shapes do not fit each other.
        """
        batch = as_array(y_true), as_array(y_pred), as_array(sample_weight), get_mask(y_pred), self._label_weights
        if self._built_for is None:
            self._build_for_shape(np.shape(batch[1]))
        self._accumulate_batch(self._sums(), _add_outcomes, *batch, self._rule, self._outcomes, type(self).__name__)


def make_thresholds(thresholds: Any, default: float = 0.5) -> tuple[float, ...]:
    """Return the thresholds in an argument: None, a number, or a sequence of numbers between 0 and 1."""
    if thresholds is None:
        return (default,)
    thresholds = thresholds if isinstance(thresholds, list | tuple | np.ndarray) else [thresholds]
    wrong = [threshold for threshold in thresholds if threshold is None or not 0 <= threshold <= 1]
    if wrong or not len(thresholds):
        raise ValueError(f"thresholds must be at least one number between 0 and 1; received {wrong or thresholds}.")
    return tuple(float(threshold) for threshold in thresholds)


def _evenly_spaced(thresholds: np.ndarray) -> bool:
    """True if the thresholds are evenly spaced from 0 to 1: then a multiplication finds the bin of a score."""
    return len(thresholds) > 2 and np.allclose(
        np.clip(thresholds, 0, 1), np.linspace(0, 1, len(thresholds), dtype="float32"), atol=epsilon()
    )


def outcome_dtype(dtype: str) -> str:
    """Return the dtype of counts: a float dtype of at least 32 bits."""
    return str(wide_dtype(dtype))


def weights_like(values: jax.Array, sample_weight: Any, mask: Any, dtype: Any) -> Any:
    """Return the product of weights and mask in the shape of the values: ones if both are None."""
    weights = combine(sample_weight, mask, dtype)
    if weights is None:
        return jnp.ones_like(values, dtype)
    aligned, weights = align(values, weights, grow=False)
    return jnp.broadcast_to(weights, aligned.shape).reshape(values.shape)


def weighted_sum(values: jax.Array, weights: jax.Array, axis: Any = 0) -> jax.Array:
    """Return the sum of values times weights; a value without weight may be NaN."""
    return jnp.sum(jnp.where(weights == 0, 0, values) * weights, axis=axis)


@functools.partial(jax.jit, static_argnames=("rule", "outcomes", "name"), inline=True)
def _add_outcomes(
    sums: list[jax.Array],
    y_true: Any,
    y_pred: Any,
    sample_weight: Any,
    mask: Any,
    label_weights: Any,
    rule: Rule,
    outcomes: tuple[str, ...],
    name: str,
) -> list[jax.Array]:
    """Return the sums plus the counts of a batch: [thresholds], or [thresholds, labels] under `rule.by_label`."""
    dtype = sums[0].dtype
    y_true, y_pred = equal_shapes(name, jnp.asarray(y_true), jnp.asarray(y_pred, dtype))
    if rule.by_label and (y_pred.ndim != 2 or y_pred.shape[1:] != sums[0].shape[1:]):
        raise ValueError(f"{name}: expected y_pred of shape [batch, {sums[0].shape[1]}]; received {y_pred.shape}.")
    unweighted = sample_weight is None and mask is None
    weights = None if unweighted else weights_like(y_pred, sample_weight, mask, dtype)
    if label_weights is not None and y_pred.ndim:
        label_weights = _label_weights_like(y_pred, label_weights)
        weights = label_weights if weights is None else weights * label_weights
    if rule.from_logits:
        y_pred = jax.nn.sigmoid(y_pred)
    if rule.top_k is not None:
        _, top = jax.lax.top_k(jnp.where(jnp.isnan(y_pred), -jnp.inf, y_pred), rule.top_k)
        in_top = jnp.any(jax.nn.one_hot(top, y_pred.shape[-1], dtype=bool), axis=-2)
        y_pred = jnp.where(in_top, y_pred, BELOW_TOP_K)
    positive = y_true.astype(bool)
    if rule.class_id is not None:
        if y_pred.ndim < 2 or not -y_pred.shape[-1] <= rule.class_id < y_pred.shape[-1]:
            raise ValueError(
                f"{name}: class_id={rule.class_id} is not an index of the last axis of y_pred; received y_pred of "
                f"shape {y_pred.shape}."
            )
        positive, y_pred, weights = (
            None if array is None else array[..., rule.class_id] for array in (positive, y_pred, weights)
        )
    labels = y_pred.shape[-1] if rule.by_label else 1
    positive, y_pred = positive.reshape(-1, labels), y_pred.reshape(-1, labels)
    if weights is None:  # counts of samples: their differences are exact, and cost less than a second masked amount
        positives = positive.astype(dtype)  # [samples, labels]
        (tp, predicted), (all_positives, samples) = _sum_above(y_pred, positives, jnp.ones_like(positives), rule)
        fp, all_negatives = predicted - tp, samples - all_positives
    else:
        weights = weights.reshape(-1, labels)
        (tp, fp), (all_positives, all_negatives) = _sum_above(
            y_pred, jnp.where(positive, weights, 0), jnp.where(positive, 0, weights), rule
        )
    counts = {
        "true_positives": tp,
        "false_positives": fp,
        "true_negatives": all_negatives - fp,
        "false_negatives": all_positives - tp,
    }
    return [total + counts[outcome].reshape(total.shape) for total, outcome in zip(sums, outcomes, strict=True)]


def _label_weights_like(y_pred: jax.Array, label_weights: Any) -> jax.Array:
    """Broadcast label weights to the shape of the scores."""
    label_weights = jnp.asarray(label_weights, y_pred.dtype)
    if label_weights.shape != y_pred.shape[-1:]:
        raise ValueError(
            f"label_weights must have a weight for each index of the last axis of y_pred; received label_weights "
            f"of shape {label_weights.shape} and y_pred of shape {y_pred.shape}."
        )
    return jnp.broadcast_to(label_weights, y_pred.shape)


def _sum_above(
    scores: jax.Array, first: jax.Array, second: jax.Array, rule: Rule
) -> tuple[list[jax.Array], list[jax.Array]]:
    """Sum two arrays over the samples whose score is above each threshold, and over all samples.

    Args:
        scores: [samples, labels].
        first: the first array to sum, [samples, labels].
        second: the second array to sum, [samples, labels].
        rule: the rule that holds the thresholds.

    Returns:
        The sums above each threshold, [thresholds, labels] for both arrays, and the sums over all samples, [1, labels]
        for both arrays.
    """
    thresholds = np.asarray(rule.thresholds)
    number, (_, labels) = len(thresholds), scores.shape
    even = _evenly_spaced(thresholds)
    if number <= _FEW and not even:
        above = scores[None] > jnp.asarray(thresholds, scores.dtype).reshape(-1, 1, 1)  # [thresholds, samples, labels]
        sums = [jnp.sum(jnp.where(above, amount[None], 0), axis=1) for amount in (first, second)]
        return sums, [jnp.sum(amount, axis=0, keepdims=True) for amount in (first, second)]
    order = np.argsort(thresholds)
    if even:  # a score in bin b is above the first b thresholds
        bins = jnp.ceil(jnp.clip(scores, 0, 1) * (number - 1)).astype(jnp.int32)
        if thresholds[0] < 0:
            bins = jnp.maximum(bins, 1)
    else:
        bins = jnp.searchsorted(jnp.asarray(thresholds[order], scores.dtype), scores)
    segments = (bins * labels + jnp.arange(labels).reshape(1, -1)).reshape(-1)
    amounts = jnp.stack([first, second], axis=-1).reshape(-1, 2)  # one pass over the samples sums both
    bin_sums = jax.ops.segment_sum(amounts, segments, (number + 1) * labels)
    sums_from_bin = jax.lax.cumsum(bin_sums.reshape(number + 1, labels, 2), reverse=True)
    at_thresholds, total = sums_from_bin[1:][np.argsort(order)], sums_from_bin[:1]
    return [at_thresholds[..., 0], at_thresholds[..., 1]], [total[..., 0], total[..., 1]]
