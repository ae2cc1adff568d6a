"""Sums and means over everything seen so far, of values or of what a function makes of labels and predictions.

A mean is kept as a weighted sum and the sum of the weights, so that it does not depend on how the values fall into
batches. Both are at least float32: a count in bfloat16 would stop at 256.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Self

import jax
import jax.numpy as jnp

from jaxlayers.common import registry
from jaxlayers.common.settings import is_float
from jaxlayers.core.masks import get_mask
from jaxlayers.core.scope import read
from jaxlayers.core.symbolic import as_array
from jaxlayers.losses._base import Loss
from jaxlayers.losses._configs import read_fn, write
from jaxlayers.losses._weights import align, combine, divide_no_nan
from jaxlayers.metrics._metric import Metric


class Sum(Metric):
    """Weighted sum of all values.

    Args:
        name: its name.
        dtype: what it computes in; `floatx()` by default.

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
        """Add values, each times the weight of what it belongs to.

        Args:
            values: [batch, ...], or a scalar.
            sample_weight: the leading axes of the values, e.g. [batch].

        Raises:
            ValueError: when the shapes do not fit each other.
        """
        values, sample_weight = as_array(values), as_array(sample_weight)
        self.total.assign(_plus_sum(read(self.total), values, sample_weight, get_mask(values), self._dtype))

    def result(self) -> jax.Array:
        """The sum."""
        return self.total.value.astype(self._dtype)


class Mean(Metric):
    """Weighted mean of all values: sum(w v) / sum(w), with v the mean of the values of a sample.

    With a single weight for all, a batch counts as one value, its mean. Without weights every sample counts 1.

    Args:
        name: its name.
        dtype: what it computes in; `floatx()` by default.

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
        """Take in values, each with the weight of what it belongs to.

        Args:
            values: [batch, ...], or a scalar.
            sample_weight: the leading axes of the values, e.g. [batch].

        Raises:
            ValueError: when the shapes do not fit each other.
        """
        self._take_in(values, sample_weight, None)

    def _take_in(self, values: Any, sample_weight: Any, mask: Any) -> None:
        values, sample_weight = as_array(values), as_array(sample_weight)
        sums = read(self.total), read(self.count)
        total, count = _plus_mean(sums, values, sample_weight, mask, get_mask(values), self._dtype)
        self.total.assign(total)
        self.count.assign(count)

    def result(self) -> jax.Array:
        """The mean; 0 when there is nothing to take it of."""
        return _quotient(self.total.value, self.count.value, self._dtype)


class MeanMetricWrapper(Mean):
    """Weighted mean of what a function `(y_true, y_pred, **kwargs)` makes of each sample.

    A mask that travels with `y_pred` is part of the weights.

    Args:
        fn: the function; it gives values [batch, ...].
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.
        **kwargs: handed to the function at each call.

    Example:
        >>> from jaxlayers import losses, metrics
        >>> metric = metrics.MeanMetricWrapper(losses.huber, name="huber", delta=2.0)
        >>> float(metric([[0.0], [0.0]], [[1.0], [3.0]]))
        2.25
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any):
        super().__init__(name=name, dtype=dtype)
        self._fn = fn
        self._fn_kwargs = kwargs
        if isinstance(fn, Loss) or fn in registry.names("loss").values():
            self._direction = "down"

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Take in labels and predictions.

        Args:
            y_true: labels, as the function takes them.
            y_pred: predictions, as the function takes them.
            sample_weight: the leading axes of the function's values, e.g. [batch].

        Raises:
            ValueError: when the shapes do not fit each other.
        """
        self._take_in(self._fn(y_true, y_pred, **self._options()), sample_weight, get_mask(y_pred))

    def _options(self) -> dict[str, Any]:
        return self._fn_kwargs

    def get_config(self) -> dict[str, Any]:
        """What makes it again: the function by its name, which must be known to `get` when it is read."""
        return {**super().get_config(), "fn": write(self._fn), **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The metric that `get_config()` describes."""
        return cls(**read_fn(config, "loss", "metric_function"))


class NamedMean(MeanMetricWrapper):
    """A mean of the library: its class stands for the function, so that a config holds the options alone."""

    get_config = Metric.get_config

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._fn_kwargs}  # they may have been changed


# Each is one dispatch, and inlined where something is being traced.


@functools.partial(jax.jit, static_argnames=("dtype",), inline=True)
def _plus_sum(total: jax.Array, values: Any, sample_weight: Any, mask: Any, dtype: str) -> jax.Array:
    values, _ = _samplewise(values, sample_weight, mask, dtype, jnp.sum)
    return total + jnp.sum(values)


@functools.partial(jax.jit, static_argnames=("dtype",), inline=True)
def _plus_mean(
    sums: tuple[jax.Array, jax.Array], values: Any, sample_weight: Any, mask: Any, mask_of_values: Any, dtype: str
) -> tuple[jax.Array, jax.Array]:
    total, count = sums
    weights = combine(sample_weight, mask, _sum_dtype(dtype))
    values, weights = _samplewise(values, weights, mask_of_values, dtype, jnp.mean)
    return total + jnp.sum(values), count + (values.size if weights is None else jnp.sum(weights))


@functools.partial(jax.jit, static_argnames=("dtype",), inline=True)
def _quotient(total: jax.Array, count: jax.Array, dtype: str) -> jax.Array:
    result = divide_no_nan(total, count)
    return result.astype(dtype) if is_float(dtype) else result


def _samplewise(values: Any, weights: Any, mask: Any, dtype: str, reduce: Callable[..., Any]) -> tuple[Any, Any]:
    """A weighted value for each sample, with its weight: later axes are reduced, after those that weights have."""
    values = jnp.asarray(values, dtype).astype(_sum_dtype(dtype))
    if weights is not None:
        weights = combine(weights, mask, _sum_dtype(dtype))
        if weights.ndim < values.ndim:
            values = reduce(values, axis=tuple(range(weights.ndim, values.ndim)))
        values, weights = align(values, weights, grow=False)
        weights = jnp.broadcast_to(weights, values.shape)
        values = values * weights
        weights = reduce(weights, axis=tuple(range(1, weights.ndim)))
    return reduce(values, axis=tuple(range(1, values.ndim))), weights


def _sum_dtype(dtype: str) -> str:
    return "float32" if dtype in ("bfloat16", "float16") else dtype
