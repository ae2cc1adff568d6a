"""True and false positives and negatives, at one threshold or many, in one pass over the scores.

At few thresholds every score is compared with each. At many, each score goes into the bin between the two thresholds
around it, and a cumulative sum over the bins counts what lies above each threshold: the work does not grow with their
number.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import epsilon, is_float
from jaxlayers.core.masks import get_mask
from jaxlayers.core.scope import read
from jaxlayers.core.symbolic import as_array
from jaxlayers.core.variable import Variable
from jaxlayers.metrics._metric import Metric
from jaxlayers.samplewise.functions import match_ranks, mismatch
from jaxlayers.samplewise.weights import align, combine

_FEW = 16  # up to so many thresholds comparing is faster than sorting into bins
_NOT_AMONG_THE_BEST = -1e10


class Rule(NamedTuple):
    """How scores become yes or no.

    Attributes:
        thresholds: a score above one is a yes there.
        even: whether they are evenly spaced from 0 to 1, so that a multiplication finds the bin of a score.
        top_k: only the k highest scores along the last axis can be a yes.
        class_id: the only index of the last axis that counts.
        by_label: whether each index of the last axis is counted by itself.
        from_logits: whether scores are logits, and a sigmoid makes probabilities of them.
    """

    thresholds: tuple[float, ...]
    even: bool
    top_k: int | None = None
    class_id: int | None = None
    by_label: bool = False
    from_logits: bool = False


class OutcomeMetric(Metric):
    """A metric that counts some of the four outcomes; a subclass says which, and makes a figure of them."""

    _outcomes: tuple[str, ...] = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    _label_weights: Any = None
    _rule: Rule

    def _count(self, shape: tuple[int, ...]) -> None:
        """Make the variables; their names are those of the outcomes, as are those of the attributes."""
        dtype = outcome_dtype(self._dtype)
        for outcome in self._outcomes:
            setattr(self, outcome, self.add_variable(shape, None, dtype=dtype, name=outcome))

    def _sums(self) -> list[Variable]:
        return [getattr(self, outcome) for outcome in self._outcomes]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in labels and scores.

        Args:
            y_true: labels: what is not 0 is a yes; [batch, ...].
            y_pred: scores of the same shape.
            sample_weight: the leading axes of that shape, e.g. [batch], where a size may be 1. A mask that travels
                with `y_pred` is part of the weights.

        Raises:
            ValueError: when the shapes do not fit each other.
        """
        sums = self._sums()
        new = _plus_outcomes(
            [read(variable) for variable in sums],
            as_array(y_true),
            as_array(y_pred),
            as_array(sample_weight),
            get_mask(y_pred),
            self._label_weights,
            rule=self._rule,
            outcomes=self._outcomes,
            name=type(self).__name__,
        )
        for variable, value in zip(sums, new, strict=True):
            variable.assign(value)


def make_thresholds(given: Any, default: float = 0.5) -> tuple[float, ...]:
    """One threshold or several, as numbers between 0 and 1."""
    if given is None:
        return (default,)
    thresholds = given if isinstance(given, list | tuple | np.ndarray) else [given]
    wrong = [threshold for threshold in thresholds if threshold is None or not 0 <= threshold <= 1]
    if wrong or not len(thresholds):
        raise ValueError(f"thresholds must be numbers between 0 and 1, at least one; received {wrong or thresholds}.")
    return tuple(float(threshold) for threshold in thresholds)


def evenly_spaced(thresholds: Sequence[float]) -> bool:
    """Whether thresholds are spaced evenly from 0 to 1."""
    return len(thresholds) > 2 and np.allclose(
        np.clip(thresholds, 0, 1), np.linspace(0, 1, len(thresholds), dtype="float32"), atol=epsilon()
    )


def outcome_dtype(dtype: str) -> str:
    """What counts of samples are kept in: a float of at least 32 bits."""
    return str(jnp.promote_types(dtype if is_float(dtype) else "float32", "float32"))


def weights_like(values: jax.Array, weights: jax.Array) -> jax.Array:
    """A weight for each value, from weights for its leading axes."""
    aligned, weights = align(values, weights, grow=False)
    return jnp.broadcast_to(weights, aligned.shape).reshape(values.shape)


@functools.partial(jax.jit, static_argnames=("rule", "outcomes", "name"), inline=True)
def _plus_outcomes(
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
    """The counts so far, and those of a batch: [thresholds], or [thresholds, labels] by label."""
    dtype = sums[0].dtype
    y_true, y_pred = match_ranks(jnp.asarray(y_true), jnp.asarray(y_pred, dtype))
    if y_true.shape != y_pred.shape:
        raise mismatch(name, y_true, y_pred)
    if rule.by_label and (y_pred.ndim != 2 or y_pred.shape[1:] != sums[0].shape[1:]):
        raise ValueError(f"{name}: expected y_pred of shape [batch, {sums[0].shape[1]}]; received {y_pred.shape}.")
    weights = _weights(y_pred, combine(sample_weight, mask, dtype), label_weights)
    if rule.from_logits:
        y_pred = jax.nn.sigmoid(y_pred)
    if rule.top_k is not None:
        _, best = jax.lax.top_k(y_pred, rule.top_k)
        among = jnp.any(jax.nn.one_hot(best, y_pred.shape[-1], dtype=bool), axis=-2)
        y_pred = jnp.where(among, y_pred, _NOT_AMONG_THE_BEST)
    positive = y_true.astype(bool)
    if rule.class_id is not None:
        if y_pred.ndim < 2 or not -y_pred.shape[-1] <= rule.class_id < y_pred.shape[-1]:
            raise ValueError(
                f"{name}: class_id={rule.class_id} needs a last axis of classes that has it; received y_pred of shape "
                f"{y_pred.shape}."
            )
        positive, y_pred, weights = (
            None if array is None else array[..., rule.class_id] for array in (positive, y_pred, weights)
        )
    labels = y_pred.shape[-1] if rule.by_label else 1
    positive, y_pred = positive.reshape(-1, labels), y_pred.reshape(-1, labels)
    if weights is None:  # numbers of samples, of which differences are exact: one comparison less for each sample
        of_yes = positive.astype(dtype)  # [samples, labels]
        (true, said), (all_true, every) = _above(y_pred, of_yes, jnp.ones_like(of_yes), rule)
        false, all_false = said - true, every - all_true
    else:
        one = weights.reshape(-1, labels)
        (true, false), (all_true, all_false) = _above(
            y_pred, jnp.where(positive, one, 0), jnp.where(positive, 0, one), rule
        )
    counts = {
        "true_positives": true,
        "false_positives": false,
        "true_negatives": all_false - false,
        "false_negatives": all_true - true,
    }
    return [held + counts[outcome].reshape(held.shape) for held, outcome in zip(sums, outcomes, strict=True)]


def _weights(y_pred: jax.Array, weights: Any, label_weights: Any) -> Any:
    if weights is not None:
        weights = weights_like(y_pred, weights)
    if label_weights is not None and y_pred.ndim:
        of_labels = jnp.asarray(label_weights, y_pred.dtype)
        if of_labels.shape != y_pred.shape[-1:]:
            raise ValueError(f"label_weights of shape {of_labels.shape} do not fit scores of shape {y_pred.shape}.")
        of_labels = jnp.broadcast_to(of_labels, y_pred.shape)
        weights = of_labels if weights is None else weights * of_labels
    return weights


def _above(scores: jax.Array, one: jax.Array, other: jax.Array, rule: Rule) -> tuple[list[jax.Array], list[jax.Array]]:
    """How much of two amounts lies above each threshold, and altogether.

    Args:
        scores: [samples, labels].
        one: what each sample counts, [samples, labels].
        other: likewise.
        rule: has the thresholds.

    Returns:
        [thresholds, labels] for both, and [1, labels] for both.
    """
    given = np.asarray(rule.thresholds)
    number, (_, labels) = len(given), scores.shape
    if number <= _FEW and not rule.even:
        yes = scores[None] > jnp.asarray(given, scores.dtype).reshape(-1, 1, 1)  # [thresholds, samples, labels]
        above = [jnp.sum(jnp.where(yes, amount[None], 0), axis=1) for amount in (one, other)]
        return above, [jnp.sum(amount, axis=0, keepdims=True) for amount in (one, other)]
    order = np.argsort(given)
    if rule.even:  # bin b: above the first b thresholds
        bins = jnp.ceil(jnp.clip(scores, 0, 1) * (number - 1)).astype(jnp.int32)
        if given[0] < 0:
            bins = jnp.maximum(bins, 1)
    else:
        bins = jnp.searchsorted(jnp.asarray(given[order], scores.dtype), scores)
    places = (bins * labels + jnp.arange(labels).reshape(1, -1)).reshape(-1)
    amounts = jnp.stack([one, other], axis=-1).reshape(-1, 2)  # one pass over the samples fills both
    filled = jax.ops.segment_sum(amounts, places, (number + 1) * labels)
    from_bin_on = jax.lax.cumsum(filled.reshape(number + 1, labels, 2), reverse=True)
    at_thresholds, altogether = from_bin_on[1:][np.argsort(order)], from_bin_on[:1]
    return [at_thresholds[..., 0], at_thresholds[..., 1]], [altogether[..., 0], altogether[..., 1]]
