"""Weights, masks, and the reduction of many losses to one number.

A weight of shape [batch] belongs to whole samples, one of shape [batch, time] to their steps: a weight has the leading
axes of what it weighs, where a size may be 1. A mask is a weight of zeros and ones, but a mean over what it lets
through divides by the number of those alone.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core.symbolic import operation
from jaxlayers.samplewise.functions import match_ranks

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


def check_reduction(reduction: Any) -> Any:
    """The reduction itself, when there is one of that name."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {REDUCTIONS}; received {reduction!r}.")
    return reduction


@operation("values", "sample_weight", "mask")
def reduce_weighted(
    values: Any, sample_weight: Any = None, mask: Any = None, reduction: str | None = None, dtype: str = "float32"
) -> jax.Array:
    """The losses of samples, weighted and reduced as `Loss` says."""
    return _reduce(values, sample_weight, mask, reduction, dtype)


@functools.partial(jax.jit, static_argnames=("reduction", "dtype"), inline=True)
def _reduce(values: Any, sample_weight: Any, mask: Any, reduction: str | None, dtype: str) -> jax.Array:
    # Summed in float32 at least: float16 ends at 65504, and bfloat16 counts to 256.
    wide = jnp.promote_types(dtype, jnp.float32)
    values = jnp.asarray(values, wide)
    if mask is not None and reduction in ("mean", "sum_over_batch_size"):
        # What comes through counts size / valid, so that the division by the size below leaves one by the valid.
        mask = jnp.asarray(mask, wide)
        mask *= divide_no_nan(jnp.asarray(mask.size, wide), jnp.sum(mask))
    weights = combine(sample_weight, mask, wide)
    if weights is not None:
        values, weights = align(values, weights)
        values = values * weights
    if reduction in (None, "none") or not values.ndim:
        result = values
    elif reduction == "sum":
        result = jnp.sum(values)
    elif reduction == "mean_with_sample_weight" and weights is not None:
        result = divide_no_nan(jnp.sum(values), jnp.sum(weights))
    else:
        result = jnp.sum(values) / max(values.size, 1)
    return result.astype(dtype)


def combine(sample_weight: Any, mask: Any, dtype: Any) -> Any:
    """One array of weights from weights, a mask, both or neither."""
    if sample_weight is None or mask is None:
        given = mask if sample_weight is None else sample_weight
        return None if given is None else jnp.asarray(given, dtype)
    mask, weights = jnp.asarray(mask, dtype), jnp.asarray(sample_weight, dtype)
    if mask.ndim < weights.ndim:
        weights, mask = align(weights, mask)
    else:
        mask, weights = align(mask, weights)
    return weights * mask


def align(values: jax.Array, weights: jax.Array, grow: bool = True) -> tuple[jax.Array, jax.Array]:
    """Values and weights of the same rank: a weight has the leading axes of the values.

    Args:
        values: what is weighted.
        weights: its weights.
        grow: whether values may be repeated to the shape of the weights, where theirs is scalar or 1.

    Raises:
        ValueError: when a size is neither 1 nor that of the other.
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
            "leading axes of that shape, as in (batch,), where a size may be 1. To weigh later axes, put axes of size "
            "1 in front."
        )
    return values, weights


def divide_no_nan(a: jax.Array, b: jax.Array) -> jax.Array:
    """`a / b`, and 0 where b is 0; so are the gradients there."""
    return jnp.where(b == 0, 0, a / jnp.where(b == 0, 1, b))
