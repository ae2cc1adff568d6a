"""Functions of JAX with finite derivatives at the points where they have none, or where JAX's rule is 0 times infinity.

There, the argument is replaced by a constant: the derivative is 0, the least of the candidates.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.numerics.types import Array, as_float


@functools.partial(jax.jit, inline=True)
def angle_of_point(y: Any, x: Any) -> Array:
    """Return `jax.numpy.arctan2(y, x)`, with the derivative 0 where both are 0."""
    is_zero = (jnp.asarray(x) == 0) & (jnp.asarray(y) == 0)
    # The values at (0, 0) and (0, -0) differ, so they are computed apart from the derivatives.
    value = jnp.arctan2(*jax.lax.stop_gradient((y, x)))
    return jnp.where(is_zero, value, jnp.arctan2(y, jnp.where(is_zero, 1, x)))


@functools.partial(jax.jit, inline=True)
def angle_of_number(x: Any) -> Array:
    """Return `jax.numpy.angle(x)`, with the derivative 0 at 0."""
    x = as_float(x)
    return angle_of_point(jnp.imag(x), jnp.real(x))


def power(x: Any, exponent: Any) -> Array:
    """Return `jax.numpy.power(x, exponent)`, with the derivative 0 with respect to x where the exponent is 0."""
    if not isinstance(exponent, jax.Array) or not jnp.issubdtype(exponent.dtype, jnp.inexact):
        return jnp.power(x, exponent)  # JAX knows numbers and integers
    return jnp.power(jnp.where((jnp.asarray(x) == 0) & (exponent == 0), 1, x), exponent)


def _without_empty_sum(add: Any, x: Any, y: Any) -> Array:
    is_empty = (jnp.asarray(x) == -jnp.inf) & (jnp.asarray(y) == -jnp.inf)
    return jnp.where(is_empty, -jnp.inf, add(jnp.where(is_empty, 0, x), y))


@functools.partial(jax.jit, inline=True)
def logaddexp(x: Any, y: Any) -> Array:
    """Return `jax.numpy.logaddexp(x, y)`, with the derivative 0 where both are -inf: the sum has no terms."""
    return _without_empty_sum(jnp.logaddexp, x, y)


@functools.partial(jax.jit, inline=True)
def logaddexp2(x: Any, y: Any) -> Array:
    """Return `jax.numpy.logaddexp2(x, y)`, with the derivative 0 where both are -inf: the sum has no terms."""
    return _without_empty_sum(jnp.logaddexp2, x, y)


@functools.partial(jax.jit, static_argnames=("axis", "keepdims"), inline=True)
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Array:
    """Return `jax.nn.logsumexp(x, axis, keepdims=keepdims)`, with the derivative 0 where all elements are -inf."""
    x = as_float(x)
    is_empty = jnp.all(x == -jnp.inf, axis, keepdims=True)
    total = jax.nn.logsumexp(jnp.where(is_empty, 0, x), axis, keepdims=True)
    total = jnp.where(is_empty, -jnp.inf, total)
    return total if keepdims else jnp.squeeze(total, axis)
