"""R²: the share of the variance of the labels that predictions explain."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.masks import get_mask
from jaxlayers.core.operations import as_array
from jaxlayers.core.scope import read
from jaxlayers.metrics._metric import Metric
from jaxlayers.metrics._outcomes import outcome_dtype, weights_like
from jaxlayers.numerics.spatial import one_of
from jaxlayers.samplewise.functions import equal_shapes
from jaxlayers.samplewise.weights import divide_no_nan

_AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")


class R2Score(Metric):
    """Coefficient of determination: R² = 1 - sum((y_true - y_pred)²) / sum((y_true - mean(y_true))²).

    Labels and predictions are [batch, outputs]. The score 1 is perfect; predicting the mean of the labels scores 0.
    With p = `num_regressors` > 0 and n label values seen, the score is adjusted to
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
        self.num_samples = self.add_variable((), None, outcome_dtype(self._dtype), name="num_samples")
        self._built_for = None

    def _add_outputs(self, outputs: int) -> None:
        names = ("squared_sum", "sum", "residual", "count")
        dtype = outcome_dtype(self._dtype)
        self.squared_sum, self.sum, self.total_mse, self.count = (
            self.add_variable((outputs,), None, dtype, name=name) for name in names
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add the sums of a batch.

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
        sums = [self.num_samples, self.squared_sum, self.sum, self.total_mse, self.count]
        self._accumulate_batch(sums, _add_sums, y_true, y_pred, as_array(sample_weight), mask)

    def result(self) -> jax.Array:
        """Return the score, or one score per output; 0 before the first batch."""
        if self._built_for is None:
            return jnp.zeros(())
        residual, count, sums = read(self.total_mse), read(self.count), read(self.sum)
        variation = read(self.squared_sum) - sums * divide_no_nan(sums, count)
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


@functools.partial(jax.jit, inline=True)
def _add_sums(sums: list[jax.Array], y_true: Any, y_pred: Any, sample_weight: Any, mask: Any) -> list[jax.Array]:
    """Return the sums plus those of a batch."""
    dtype = sums[0].dtype
    y_true, y_pred = jnp.asarray(y_true, dtype), jnp.asarray(y_pred, dtype)
    weights = weights_like(y_pred, sample_weight, mask, dtype)
    values = (y_true * y_true * weights, y_true * weights, jnp.square(y_true - y_pred) * weights, weights)
    weighted_sums = [total + jnp.sum(value, axis=0) for total, value in zip(sums[1:], values, strict=True)]
    return [sums[0] + y_true.size, *weighted_sums]
