"""Sums and means over all batches, of values or of a function of labels and predictions.

A mean is stored as a weighted sum and the sum of the weights, so it does not depend on how the values are split into
batches. Both are at least float32: a count in bfloat16 would stop at 256.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common import registry
from jaxlayers.common.masks import follow, get_mask
from jaxlayers.common.settings import is_float
from jaxlayers.core.operations import as_array
from jaxlayers.core.scope import read
from jaxlayers.losses import Loss
from jaxlayers.metrics._metric import Metric
from jaxlayers.samplewise.configs import FunctionWrapper, NamedFunction
from jaxlayers.samplewise.weights import align, combine, divide_no_nan


class Sum(Metric):
    """Weighted sum of all values: sum(w v).

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> total = metrics.Sum()
        >>> total.update_state([1.0, 3.0])
        >>> float(total([5.0, 7.0], sample_weight=[1.0, 0.0]))
        9.0
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), None, dtype=_sum_dtype(self.dtype), name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add the weighted values of a batch.

        Args:
            values: an array [batch, ...], or a scalar.
            sample_weight: weights whose axes are the leading axes of the values, such as [batch]; None, the default,
                weights all by 1.

        Raises:
            ValueError: if the shapes do not fit each other.
        """
        values, sample_weight = as_array(values), as_array(sample_weight)
        self.total.assign(_add_sum(read(self.total), values, sample_weight, get_mask(values), self._dtype))

    def result(self) -> jax.Array:
        """Return the sum."""
        return self.total.value.astype(self._dtype)


class Mean(Metric):
    """Weighted mean of all samples: sum(w v) / sum(w), with v the mean of the values of a sample.

    Without weights, every sample has the weight 1. With a scalar weight, a batch counts as one value: its mean.

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> mean = metrics.Mean()
        >>> mean.update_state([1.0, 3.0, 8.0])
        >>> float(mean([6.0]))
        4.5
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), None, dtype=_sum_dtype(self.dtype), name="total")
        self.count = self.add_variable((), None, dtype=_sum_dtype(self.dtype), name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add the weighted values of a batch.

        Args:
            values: an array [batch, ...], or a scalar.
            sample_weight: weights whose axes are the leading axes of the values, such as [batch]; None, the default,
                weights all by 1.

        Raises:
            ValueError: if the shapes do not fit each other.
        """
        self._add_values(values, sample_weight, None)

    def _add_values(self, values: Any, sample_weight: Any, mask: Any) -> None:
        values, sample_weight = as_array(values), as_array(sample_weight)
        sums = self.total, self.count
        self._accumulate_batch(sums, _add_mean, values, sample_weight, mask, get_mask(values), self._dtype)

    def result(self) -> jax.Array:
        """Return the mean; 0 if the sum of the weights is 0."""
        return _quotient(self.total.value, self.count.value, self._dtype)


class MeanMetricWrapper(FunctionWrapper, Mean):
    """Weighted mean of a function `fn(y_true, y_pred, **kwargs)` of the samples.

    The weights are multiplied by the mask of `y_pred`, if it has one and the function does not use it itself. The
    function receives half-precision predictions in float32, unless the metric counts in integers.

    Args:
        fn: the function; it returns values [batch, ...].
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.
        **kwargs: further arguments, passed to the function at every call.

    Example:
        >>> from jaxlayers import losses, metrics
        >>> metric = metrics.MeanMetricWrapper(losses.huber, name="huber", delta=2.0)
        >>> float(metric([[0.0], [0.0]], [[1.0], [3.0]]))
        2.25
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any):
        super().__init__(name=name, dtype=dtype)
        self.fn = self._fn = fn  # subclasses written for Keras read `_fn`
        self._fn_kwargs = kwargs
        if isinstance(fn, Loss) or fn in registry.names("loss").values():
            self._direction = "down"
        elif fn in registry.names("metric_function").values():
            self._direction = "up"

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add the values of the function for a batch.

        Args:
            y_true: labels in the form that the function expects.
            y_pred: predictions in the form that the function expects.
            sample_weight: weights whose axes are the leading axes of the function's values, such as [batch]; None, the
                default, weights all by 1.

        Raises:
            ValueError: if the shapes do not fit each other.
        """
        y_pred = jax.tree.map(self._widen, y_pred)
        mask = None if getattr(self.fn, "uses_mask", False) else get_mask(y_pred)
        values = self.fn(y_true, y_pred, **self._options())
        shapes = [np.shape(weights) for weights in (sample_weight, mask) if weights is not None]
        if shapes and not np.ndim(values):  # one value of all samples, which have weights
            values = jnp.broadcast_to(values, max(shapes, key=len))
        self._add_values(values, sample_weight, mask)

    def _widen(self, y_pred: Any) -> Any:
        """Return an array of floats in the dtype of the sums, if that is wider, with its mask; others unchanged."""
        dtype = jnp.dtype(_sum_dtype(self._dtype))
        is_narrow = isinstance(y_pred, jax.Array | np.ndarray) and y_pred.dtype.itemsize < dtype.itemsize
        if not is_narrow or not is_float(y_pred.dtype) or not is_float(dtype):
            return y_pred
        return follow(y_pred.astype(dtype), y_pred)


class NamedMean(NamedFunction, MeanMetricWrapper):
    """The base class of the library's means of a function."""


# Compiled functions: each is one dispatch when called eagerly, and is inlined inside a trace.


@functools.partial(jax.jit, static_argnames=("dtype",), inline=True)
def _add_sum(total: jax.Array, values: Any, sample_weight: Any, mask: Any, dtype: str) -> jax.Array:
    """Return the total plus the weighted values of a batch."""
    values, _ = _reduce_samples(values, sample_weight, mask, dtype, jnp.sum)
    return total + jnp.sum(values)


@functools.partial(jax.jit, static_argnames=("dtype",), inline=True)
def _add_mean(
    sums: list[jax.Array], values: Any, sample_weight: Any, mask: Any, values_mask: Any, dtype: str
) -> tuple[jax.Array, jax.Array]:
    """Return the total and the count plus those of a batch."""
    total, count = sums
    weights = combine(sample_weight, mask, _sum_dtype(dtype))
    values, weights = _reduce_samples(values, weights, values_mask, dtype, jnp.mean)
    return total + jnp.sum(values), count + (values.size if weights is None else jnp.sum(weights))


@functools.partial(jax.jit, static_argnames=("dtype",), inline=True)
def _quotient(total: jax.Array, count: jax.Array, dtype: str) -> jax.Array:
    result = divide_no_nan(total, count)
    return result.astype(dtype) if is_float(dtype) else result


def _reduce_samples(values: Any, weights: Any, mask: Any, dtype: str, reduce: Callable[..., Any]) -> tuple[Any, Any]:
    """Return a weighted value and a weight per sample: axes after the first are reduced by `reduce`.

    Axes that the weights do not have are reduced before weighting, the others after it.
    """
    values = jnp.asarray(values, _sum_dtype(dtype))
    if weights is not None:
        weights = combine(weights, mask, _sum_dtype(dtype))
        if weights.ndim < values.ndim:
            values = reduce(values, axis=tuple(range(weights.ndim, values.ndim)))
        values, weights = align(values, weights, grow=False)
        weights = jnp.broadcast_to(weights, values.shape)
        values = jnp.where(weights == 0, 0, values) * weights  # a value without weight may be NaN
        weights = reduce(weights, axis=tuple(range(1, weights.ndim)))
    return reduce(values, axis=tuple(range(1, values.ndim))), weights


def _sum_dtype(dtype: str) -> str:
    """Return the dtype of sums: float32 for half-precision floats, `dtype` itself otherwise."""
    return "float32" if dtype in ("bfloat16", "float16") else dtype
