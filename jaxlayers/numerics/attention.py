"""Attention: sums of values with weights from the products of queries and keys. Callers check all arguments.

Masked scores have the weight zero, and a query whose keys are all masked gets zeros, with finite gradients. The weights
are `exp(score - highest)` until the end: dividing the result by their sum, instead of each weight, saves a pass over
the largest array, forward and backward.

Each public function is compiled: one dispatch when it is called eagerly, and one cached trace otherwise.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.numerics.types import Array, wide, wide_dtype


@functools.partial(jax.jit, static_argnums=(5, 6, 7))
def attend(
    query: Array,
    key: Array,
    value: Array,
    bias: Any,
    mask: Any,
    scale: float,
    is_causal: bool = False,
    soft_cap: float | None = None,
) -> Array:
    """Return `softmax(query key^T scale + bias) value` under a mask, [batch, targets, heads, size]."""
    scores, factor = _scores(query, key, bias, scale, soft_cap)
    powers, total = _exponentials(scores, mask, is_causal, bias is not None, factor)
    sums = _mix(powers, value)  # [batch, targets, heads, size]
    return (sums / jnp.swapaxes(total, 1, 2)[..., None]).astype(query.dtype)


@functools.partial(jax.jit, static_argnums=(3, 4))
def attention_weights(query: Array, key: Array, mask: Any, scale: float, is_causal: bool = False) -> Array:
    """Return the weights that values are summed with, [batch, heads, targets, sources]."""
    scores, factor = _scores(query, key, None, scale, None)
    powers, total = _exponentials(scores, mask, is_causal, False, factor)
    return (powers / total[..., None]).astype(query.dtype)


@jax.jit
def weighted_values(weights: Array, value: Array) -> Array:
    """Return values, [batch, sources, shared heads, size], summed with weights, [batch, heads, targets, sources]."""
    return _mix(weights, value).astype(value.dtype)


@functools.partial(jax.jit, static_argnums=(2,))
def masked_softmax(scores: Array, mask: Any = None, is_causal: bool = False) -> Array:
    """Return the softmax over the last axis under a mask; zeros where all of it is masked."""
    powers, total = _exponentials(wide(scores), mask, is_causal, False)
    return (powers / total[..., None]).astype(scores.dtype)


def _scores(query: Array, key: Array, bias: Any, scale: float, soft_cap: float | None) -> tuple[Array, float]:
    """Return scores, [batch, heads, targets, sources], in float32 at least, and the factor that is left to apply.

    The scale is applied to the queries, which are fewer than the scores. XLA computes the scores twice, for their
    maximum and for their differences from it, and would fuse a product with the scale into one of the two alone. For
    large scores, the two roundings differ so much that the exponential of the difference overflows. In half precision,
    the queries are multiplied by a power of two, which is exact. The remaining factor multiplies the differences.
    """
    batch, targets, heads, _ = query.shape
    dtype = wide_dtype(query.dtype)
    multiplier, factor = (float(scale), 1.0) if query.dtype == dtype else _split_scale(scale)
    grouped = multiplier * _split_groups(query, key.shape[2])
    scores = jnp.einsum("btkh,bskh->bkts", grouped, key, preferred_element_type=dtype)
    scores = scores.reshape(batch, heads, targets, key.shape[1])
    if soft_cap is not None:
        scores, factor = soft_cap * jnp.tanh(factor * scores / soft_cap), 1.0
    scores = scores if bias is None else scores + bias.astype(dtype) / factor
    return scores, factor


def _split_scale(scale: float) -> tuple[float, float]:
    """Return a power of two, with the sign of the scale, and the factor in [1, 2) that completes the scale."""
    if scale == 0:
        return 0.0, 1.0
    mantissa, exponent = math.frexp(scale)
    return math.copysign(2.0 ** (exponent - 1), scale), 2 * abs(mantissa)


def _mix(weights: Array, value: Array) -> Array:
    """Return values summed with weights, [batch, targets, heads, size]."""
    batch, heads, targets, sources = weights.shape
    shared, size = value.shape[2:]
    grouped = weights.reshape(batch, shared, heads // shared * targets, sources).astype(value.dtype)
    sums = jnp.einsum("bkts,bskh->btkh", grouped, value, preferred_element_type=weights.dtype)
    if heads == shared:
        return sums
    return (
        sums.reshape(batch, heads // shared, targets, shared, size)
        .transpose(0, 2, 3, 1, 4)
        .reshape(batch, targets, heads, size)
    )


def _split_groups(query: Array, shared: int) -> Array:
    """Return queries with the heads that share keys along the axis of targets: [batch, groups * targets, shared, size].

    So no key is repeated, and the product has no further axis, with which XLA on CPU would take twice as long.
    """
    batch, targets, heads, size = query.shape
    if heads == shared:
        return query
    split = query.reshape(batch, targets, shared, heads // shared, size)
    return split.transpose(0, 3, 1, 2, 4).reshape(batch, heads // shared * targets, shared, size)


def _exponentials(scores: Array, mask: Any, is_causal: bool, biased: bool, factor: float = 1) -> tuple[Array, Array]:
    """Return `exp(factor (score - highest))`, zero where masked, and their sums; infinity if all keys are masked."""
    lowest = jnp.finfo(scores.dtype).min / 2
    if is_causal:
        targets, sources = scores.shape[-2:]
        causal = jnp.tri(targets, sources, dtype=bool).reshape((1,) * (scores.ndim - 2) + (targets, sources))
        allowed = causal if mask is None else mask & causal
    else:
        allowed = mask
    scores = scores if allowed is None else jnp.where(allowed, scores, lowest)
    highest = jnp.maximum(jax.lax.stop_gradient(jnp.max(scores, -1, keepdims=True, initial=-jnp.inf)), lowest)
    powers = jnp.exp(factor * (scores - highest) if factor != 1 else scores - highest)
    total = jnp.sum(powers, -1)
    if mask is not None or biased or not scores.shape[-1]:  # otherwise every query has an unmasked key
        total = jnp.where(highest[..., 0] <= lowest, jnp.inf, total)
    return powers, total
