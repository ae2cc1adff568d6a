"""Nonlinear functions, compiled for eager calls, with derivatives that store one array.

A function of `jax.nn` with a differentiation rule of its own takes ten times as long outside of compiled functions as
it does compiled by itself.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.numerics.types import Array, as_float, wide


def _by_slope(function: Callable[[Array], Array]) -> Any:
    """Return an elementwise function with a derivative that stores the slope and nothing else.

    JAX would keep the intermediate results, up to six arrays. In a loop (`layers.Repeat`, `lax.scan`), or outside of
    compiled functions, all of them are written and read again.
    """
    with_slope = jax.custom_jvp(function)

    @with_slope.defjvp
    def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        outputs, slope = jax.jvp(function, primals, (jnp.ones_like(primals[0]),))
        return outputs, slope * tangents[0]

    return with_slope


@functools.partial(jax.jit, static_argnames="approximate", inline=True)
def gelu(x: Array, approximate: bool = True) -> Array:
    """Return `jax.nn.gelu(x)`."""

    def function(x: Array) -> Array:
        full = wide(x)
        if not approximate:
            return jax.nn.gelu(full, approximate=False).astype(x.dtype)
        # The hyperbolic tangent is 1 from 10 on. The cube of a large number would be infinite, and its derivative nan.
        near = jnp.clip(full, -10, 10)
        tangent = jnp.tanh(math.sqrt(2 / math.pi) * (near + 0.044715 * near**3))
        return (full * (0.5 * (1 + tangent))).astype(x.dtype)

    return _by_slope(function)(as_float(x))


@functools.partial(jax.jit, inline=True)
def squareplus(x: Array, b: Any = 4) -> Array:
    """Return `(x + sqrt(x^2 + b)) / 2`."""
    x = as_float(x)
    full = wide(x)
    near = jnp.clip(full, -1e15, 1e15)  # the square of a larger number may be infinite; its root is the number itself
    root = jnp.sqrt(jnp.square(near) + b) + jnp.abs(full - near)
    is_positive = full >= 0
    # For negative numbers, the sum is written as the quotient that it equals: nothing cancels there.
    divisor = jnp.where(is_positive, 1, root - full)
    return jnp.where(is_positive, (full + root) / 2, b / (2 * divisor)).astype(x.dtype)


@functools.partial(jax.jit, inline=True)
def tanh_shrink(x: Array) -> Array:
    """Return `x - tanh(x)`."""
    x = as_float(x)
    full = wide(x)
    return (full - jnp.tanh(full)).astype(x.dtype)


@functools.partial(jax.jit, inline=True)
def mish(x: Array) -> Array:
    """Return `jax.nn.mish(x)`, which is `x * tanh(log(1 + exp(x)))`."""

    def function(x: Array) -> Array:
        full = wide(x)
        power = jnp.exp(jnp.minimum(full, 20))  # at 20, the hyperbolic tangent is 1 in all dtypes
        part = power * (power + 2)
        # Two forms of the hyperbolic tangent: each is exact, with its derivatives, on one side of 0.
        tangent = jnp.where(full > 0, 1 - 2 / (part + 2), part / (part + 2))
        return (full * tangent).astype(x.dtype)

    return _by_slope(function)(as_float(x))


relu = jax.jit(jax.nn.relu, inline=True)
relu6 = jax.jit(jax.nn.relu6, inline=True)
silu = jax.jit(_by_slope(jax.nn.silu), inline=True)


def _of_wide_sums(function: Callable[..., Array]) -> Any:
    """Return a softmax that computes float16 in float32: the sum of more than 65,504 powers may overflow float16."""

    def compute(x: Array, axis: Any = -1) -> Array:
        return function(wide(x) if x.dtype == jnp.float16 else x, axis=axis).astype(x.dtype)

    return jax.jit(compute, static_argnames="axis", inline=True)


softmax = _of_wide_sums(jax.nn.softmax)
log_softmax = _of_wide_sums(jax.nn.log_softmax)
