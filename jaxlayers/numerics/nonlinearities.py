"""Nonlinear functions, compiled for eager calls, with derivatives that store one array.

A function of `jax.nn` with a differentiation rule of its own takes ten times as long outside of compiled functions as
it does compiled by itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.numerics.types import Array, as_float


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
    return _by_slope(functools.partial(jax.nn.gelu, approximate=approximate))(x)


@functools.partial(jax.jit, inline=True)
def mish(x: Array) -> Array:
    """Return `jax.nn.mish(x)`, which is `x * tanh(log(1 + exp(x)))`."""

    def function(x: Array) -> Array:
        wide = x.astype(jnp.promote_types(x.dtype, "float32"))
        power = jnp.exp(jnp.minimum(wide, 20))  # at 20, the hyperbolic tangent is 1 in all dtypes
        part = power * (power + 2)
        # Two forms of the hyperbolic tangent: each is exact, with its derivatives, on one side of 0.
        tangent = jnp.where(wide > 0, 1 - 2 / (part + 2), part / (part + 2))
        return (wide * tangent).astype(x.dtype)

    return _by_slope(function)(as_float(x))


relu = jax.jit(jax.nn.relu, inline=True)
relu6 = jax.jit(jax.nn.relu6, inline=True)
silu = jax.jit(_by_slope(jax.nn.silu), inline=True)
softmax = jax.jit(jax.nn.softmax, static_argnames="axis", inline=True)
log_softmax = jax.jit(jax.nn.log_softmax, static_argnames="axis", inline=True)
