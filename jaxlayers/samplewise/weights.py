"""Weights, masks, and the reduction of the losses of samples to a scalar.

Weights of shape [batch] belong to samples, weights of shape [batch, time] to time steps: the axes of the weights are
the leading axes of the values, and any size may be 1. A mask is an array of weights 0 and 1, except that a mean under a
mask divides by the number of unmasked values.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.manual_axes import is_equal_along
from jaxlayers.core.operations import operation
from jaxlayers.numerics.types import wide_dtype
from jaxlayers.samplewise.functions import match_ranks

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


@operation("values", "sample_weight", "mask", "values_mask")
@functools.partial(jax.jit, static_argnames=("reduction", "dtype", "axis"), inline=True)
def reduce_weighted(
    values: Any,
    sample_weight: Any,
    mask: Any,
    values_mask: Any,
    reduction: str | None,
    dtype: str,
    axis: Any = None,
) -> jax.Array:
    """Weight and reduce values, as described in `Loss`; `mask` and `values_mask` are the two masks there.

    If the batch is split over a named `axis` of devices, the mean of the results of all devices is the result for the
    whole batch: sums are multiplied by the number of devices, and divisors are means over the axis. A sum of values
    that JAX knows to be equal on all devices, such as weights of the model, is that of one device.
    """
    # Sum in float32 or wider: float16 overflows at 65504, and bfloat16 represents integers exactly only up to 256.
    wide = wide_dtype(dtype)
    values = jnp.asarray(values, wide)
    mask = combine(values_mask, mask, wide)
    if mask is not None and reduction in ("mean", "sum_over_batch_size"):
        # Scale the mask by size / valid: the division by the size below then amounts to a division by valid.
        mask *= divide_no_nan(jnp.asarray(mask.size, wide), _mean_over(axis, jnp.sum(mask)))
    weights = combine(sample_weight, mask, wide)
    if weights is not None:
        values = weigh(*align(values, weights))
    if reduction in (None, "none") or not values.ndim:
        result = values
    elif reduction == "sum":
        is_whole = axis is None or is_equal_along(axis, values)
        result = jnp.sum(values) * (1 if is_whole else jax.lax.axis_size(axis))
    elif reduction == "mean_with_sample_weight" and weights is not None:
        result = divide_no_nan(jnp.sum(values), _mean_over(axis, jnp.sum(weights)))
    else:
        result = jnp.sum(values) / max(values.size, 1)
    return result.astype(dtype)


def _mean_over(axis: Any, value: jax.Array) -> jax.Array:
    return value if axis is None else jax.lax.pmean(value, axis)


def weigh(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Return `values * weights`, and 0 where the weight is 0 and the value is nan or infinite."""
    return jnp.where((weights == 0) & ~jnp.isfinite(values), 0, values) * weights


@operation("sample_weight", "mask")
@functools.partial(jax.jit, static_argnames="depth", inline=True)
def fill_ignored(arrays: Any, sample_weight: Any, mask: Any, depth: int | None = None) -> Any:
    """Return arrays with 1 in place of nan and infinity in samples of weight 0, so that gradients are finite there.

    The product of a weight 0 and a value nan is set to 0 by `weigh`, but its gradient would still be nan: the weight
    is multiplied by the derivatives of the value.

    Args:
        arrays: labels or predictions, a tree of arrays; their first axes are the axes of the weights.
        sample_weight: weights, or None.
        mask: a mask, or None.
        depth: the number of axes of weights that are axes of the arrays; None (the default) for all. Where the weights
            have more axes, only samples are filled whose weights are all 0.
    """
    ignored = [jnp.asarray(weights) == 0 for weights in (sample_weight, mask) if weights is not None]

    def fill(array: Any) -> Any:
        if not jnp.issubdtype(array.dtype, jnp.inexact):
            return array
        for zeros in ignored:
            axes = min(array.ndim, zeros.ndim if depth is None else depth)
            zeros = zeros.all(tuple(range(axes, zeros.ndim)))
            zeros = zeros.reshape(zeros.shape + (1,) * (array.ndim - zeros.ndim))
            if all(m in (1, n) for m, n in zip(zeros.shape, array.shape, strict=True)):
                array = jnp.where(zeros & ~jnp.isfinite(array), 1, array)
        return array

    return jax.tree.map(fill, arrays)


def combine(sample_weight: Any, mask: Any, dtype: Any) -> Any:
    """Return the product of weights and mask; if one of them is None, the other; if both are, None."""
    arrays = [jnp.asarray(array, dtype) for array in (mask, sample_weight) if array is not None]
    if len(arrays) < 2:
        return arrays[0] if arrays else None
    larger, smaller = sorted(arrays, key=jnp.ndim, reverse=True)
    larger, smaller = align(larger, smaller)
    return larger * smaller


def align(values: jax.Array, weights: jax.Array, grow: bool = True) -> tuple[jax.Array, jax.Array]:
    """Bring values and weights to the same rank; the axes of the weights are the leading axes of the values.

    Args:
        values: the array to weight.
        weights: the weights.
        grow: If True (default), values that are a scalar or have sizes of 1 may be broadcast to the weights.

    Raises:
        ValueError: if a size of the weights is neither 1 nor that of the values.
    """
    shape, weights_shape = values.shape, weights.shape
    values, weights = match_ranks(values, weights)
    if weights.ndim < values.ndim:
        weights = jnp.expand_dims(weights, tuple(range(weights.ndim, values.ndim)))
    elif grow and not values.ndim:
        values = jnp.expand_dims(values, tuple(range(weights.ndim)))
    fits = values.ndim == weights.ndim and all(
        m == n or n == 1 or (grow and m == 1) for m, n in zip(values.shape, weights.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"A sample_weight or mask of shape {weights_shape} does not fit values of shape {shape}: expected the "
            "leading axes of that shape, such as (batch,), where any size may be 1. To weight later axes, put axes of "
            "size 1 in front."
        )
    return values, weights


def divide_no_nan(a: jax.Array, b: jax.Array) -> jax.Array:
    """Return `a / b`, and 0 with gradients of 0 where b is 0."""
    return jnp.where(b == 0, 0, a / jnp.where(b == 0, 1, b))
