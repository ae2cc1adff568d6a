"""Norms, distances and standard deviations: roots of sums of squares or of other powers.

The derivative of a root at 0 is infinite, and times the derivative of the sum, which is 0, it would be nan. Here the
derivative is 0 where all elements are 0: one of the subgradients of a norm. Callers convert half precision to float32,
in which the squares do not overflow.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.numerics.types import Array, wide

_NOT_ROOTS = (0, 1, float("inf"), -float("inf"))  # orders of norms of vectors without a root


def root(sums: Array, order: float = 2) -> Array:
    """Return `sums ** (1 / order)`, with the derivative 0 at 0."""
    is_zero = sums == 0
    positive = jnp.where(is_zero, 1, sums)
    return jnp.where(is_zero, 0, jnp.sqrt(positive) if order == 2 else jnp.power(positive, 1 / order))


@functools.partial(jax.jit, static_argnames=("order", "axis", "keepdims"), inline=True)
def norm(x: Array, order: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """Return `jax.numpy.linalg.norm(x, order, axis, keepdims)`."""
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if order is None or (order == 2 and len(axes) == 1) or (order == "fro" and len(axes) == 2):
        return root(jnp.sum(jnp.real(x * jnp.conj(x)), axes, keepdims=keepdims))
    if len(axes) == 1 and not isinstance(order, str) and order > 0 and order not in _NOT_ROOTS:
        return root(jnp.sum(jnp.power(jnp.abs(x), order), axes, keepdims=keepdims), order)
    return jnp.linalg.norm(x, order, axis, keepdims)


@functools.partial(jax.jit, inline=True)
def distances(x: Array, y: Array) -> Array:
    """Return the distances `[..., n, m]` of n points `[..., n, size]` and m points `[..., m, size]`."""
    differences = x[..., :, None, :] - y[..., None, :, :]
    return root(jnp.sum(jnp.real(differences * jnp.conj(differences)), axis=-1))


@functools.partial(jax.jit, static_argnames=("axis", "keepdims"), inline=True)
def standard_deviation(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """Return the root of the variance over axes."""
    return root(jnp.var(x, axis, keepdims=keepdims))


@functools.partial(jax.jit, static_argnames=("axis", "keepdims"), inline=True)
def standard_deviation_without_nan(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """Return the root of the variance over axes of the elements that are not nan."""
    return root(jnp.nanvar(x, axis, keepdims=keepdims))


@functools.partial(jax.jit, inline=True)
def hypotenuse(x: Array, y: Array) -> Array:
    """Return `jax.numpy.hypot(x, y)`, with the derivative 0 where both are 0."""
    is_zero = (x == 0) & (y == 0)
    return jnp.where(is_zero, 0, jnp.hypot(jnp.where(is_zero, 1, x), y))


@functools.partial(jax.jit, static_argnums=(1, 2, 3), inline=True)
def divide_by_norm(x: Array, axis: Any, order: int, epsilon: float) -> Array:
    """Return `x / max(norm(x), epsilon)`, in the dtype of `x`, with the derivative 0 where all elements are 0."""
    full = wide(x)
    if order == 2:
        least = max(epsilon**2, float(jnp.finfo(full.dtype).tiny))
        squares = jnp.sum(jnp.square(full), axis, keepdims=True)
        factor = jnp.where(squares == 0, 0, jax.lax.rsqrt(jnp.maximum(squares, least)))
        return (full * factor).astype(x.dtype)
    sizes = norm(full, order, axis, True)
    return (full / jnp.where(sizes == 0, jnp.inf, jnp.maximum(sizes, epsilon))).astype(x.dtype)
