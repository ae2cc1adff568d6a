"""R²: the share of the variance of the labels that predictions explain.

The state holds the mean of the labels, as a difference from one of them (the origin), and the sum of their squared
deviations from the mean. A difference of sums of squares would lose the variance of labels that are far from 0. Moments
of two parts are combined as by Chan, Golub and LeVeque, Algorithms for computing the sample variance, The American
Statistician 37, 1983.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.masks import get_mask
from jaxlayers.core.operations import as_array
from jaxlayers.core.scope import current, read
from jaxlayers.core.variable import Variable
from jaxlayers.metrics._metric import Metric
from jaxlayers.metrics._outcomes import outcome_dtype, weighted_sum, weights_like
from jaxlayers.numerics.spatial import one_of
from jaxlayers.samplewise.functions import equal_shapes
from jaxlayers.samplewise.weights import divide_no_nan

_AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")


class R2Score(Metric):
    """Coefficient of determination: R² = 1 - sum((y_true - y_pred)²) / sum((y_true - mean(y_true))²).

    Labels and predictions are [batch, outputs]. The score 1 is perfect; predicting the mean of the labels scores 0.
    With p = `num_regressors` > 0 and n label values seen whose weight is not 0, the score is adjusted to
    1 - (1 - R²) (n - 1) / (n - p - 1), provided that n > p + 1. Labels without variance score 1 if all predictions are
    exact and 0 otherwise, as in scikit-learn.

    Args:
        class_aggregation: `"uniform_average"` (default) for the mean over the outputs, `"variance_weighted_average"`
            for their mean weighted by the variance of the labels, None for a score per output.
        num_regressors: the number p of independent regressors; 0, the default, for no adjustment.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Raises:
        ValueError: if `class_aggregation` is unknown or `num_regressors` is negative.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.R2Score()([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]])), 3)
        0.571
    """

    _direction = "up"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        if num_regressors < 0:
            raise ValueError(f"num_regressors must not be negative; received {num_regressors}.")
        self.class_aggregation = one_of("R2Score", "class_aggregation", class_aggregation, _AGGREGATIONS)
        self.num_regressors = num_regressors
        self.num_samples = self._add_state((), "num_samples")
        self._built_for = None

    def _add_outputs(self, outputs: int) -> None:
        names = ("squared_deviations", "origin", "mean_from_origin", "residual", "count")
        self.squared_deviations, self.origin, self.mean_from_origin, self.total_mse, self.count = (
            self._add_state((outputs,), name) for name in names
        )

    def _add_state(self, shape: tuple[int, ...], name: str) -> Variable:
        # Each update combines the batches of all devices, so the replicas of a variable are equal.
        return self.add_variable(shape, None, outcome_dtype(self._dtype), "only_first_replica", name)

    def _state(self) -> list[Variable]:
        moments = [self.squared_deviations, self.origin, self.mean_from_origin]
        return [self.num_samples, *moments, self.total_mse, self.count]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch; in a training step over a named axis of devices, the batches of all of them.

        Args:
            y_true: labels, [batch, outputs].
            y_pred: predictions, of the shape of `y_true`.
            sample_weight: weights, [batch] or [batch, 1]. They are multiplied by the mask of `y_pred`, if it has one.

        Raises:
            ValueError: if the shapes do not fit each other.
        """
        mask, y_true, y_pred = get_mask(y_pred), as_array(y_true), as_array(y_pred)
        y_true, y_pred = equal_shapes(type(self).__name__, y_true, y_pred)
        self._build_for_shape(y_pred.shape)
        scope = current()
        axis = None if scope is None else scope.mean_axis
        self._accumulate_batch(self._state(), _add_batch, y_true, y_pred, as_array(sample_weight), mask, axis)

    def stateless_merge_state(self, *states: Sequence[Any]) -> list[jax.Array]:
        """Return the arrays of the variables after the updates that led to each of several states.

        Args:
            *states: lists of arrays, one for each of `variables`.

        Raises:
            ValueError: when number or shapes are not those of `variables`.
        """
        checked = [list(self._by_variable(state).values()) for state in states]
        if self._built_for is None:
            return [sum(samples) for samples in zip(*checked, strict=True)]  # no state has more than the number
        return functools.reduce(_combine, checked)

    def result(self) -> jax.Array:
        """Return the score, or one score per output; 0 before the first batch."""
        if self._built_for is None:
            return jnp.zeros(())
        residual, count, variation = read(self.total_mse), read(self.count), read(self.squared_deviations)
        exact = jnp.where((residual == 0) & (count > 0), 1.0, 0.0)
        scores = jnp.where(variation == 0, exact, 1 - divide_no_nan(residual, variation))
        if self.class_aggregation == "uniform_average":
            scores = jnp.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = divide_no_nan(jnp.sum(variation * scores), jnp.sum(variation))
        if not self.num_regressors:
            return scores
        freedom = read(self.num_samples) - self.num_regressors - 1
        adjusted = 1 - (1 - scores) * divide_no_nan(freedom + self.num_regressors, freedom)
        return jnp.where(freedom > 0, adjusted, scores)


@functools.partial(jax.jit, static_argnums=(5,), inline=True)
def _add_batch(
    state: list[jax.Array], y_true: Any, y_pred: Any, sample_weight: Any, mask: Any, axis: Any
) -> list[jax.Array]:
    """Return the state combined with that of a batch, or of the batches of all devices along a named axis."""
    dtype = state[0].dtype
    y_true, y_pred = jnp.asarray(y_true, dtype), jnp.asarray(y_pred, dtype)
    weights = weights_like(y_pred, sample_weight, mask, dtype)
    _, _, origin, _, _, count = state
    # The origin is a label, so that equal labels differ from it by exactly 0.
    label = jnp.max(jnp.where(weights == 0, -jnp.inf, y_true), axis=0, initial=-jnp.inf)
    label = label if axis is None else jax.lax.pmax(label, axis)
    origin = jnp.where(count > 0, origin, jnp.where(jnp.isneginf(label), 0, label))
    differences = y_true - origin[None]
    sums = [
        jnp.sum(weights != 0, dtype=dtype),
        jnp.sum(weights, axis=0),
        weighted_sum(differences, weights),
        weighted_sum(jnp.square(y_true - y_pred), weights),
    ]
    samples, count, total, residual = sums if axis is None else jax.lax.psum(sums, axis)
    mean = divide_no_nan(total, count)
    squares = weighted_sum(jnp.square(differences - mean[None]), weights)
    squares = squares if axis is None else jax.lax.psum(squares, axis)
    return _combine(state, [samples, squares, origin, mean, residual, count])


def _combine(first: list[jax.Array], second: list[jax.Array]) -> list[jax.Array]:
    """Return the state of all labels of two states: the mean and the squared deviations from it, and sums."""
    samples, squares, origins, means, residual, count = zip(first, second, strict=True)
    total = count[0] + count[1]
    share = divide_no_nan(count[1], total)
    origin, mean = (jnp.where(count[0] > 0, *pair) for pair in (origins, means))
    step = means[1] + (origins[1] - origin) - mean
    between = step * (step * (count[0] * share))  # in this order, 0 if one of the two is empty
    return [
        samples[0] + samples[1],
        squares[0] + squares[1] + between,
        origin,
        mean + step * share,
        residual[0] + residual[1],
        total,
    ]
