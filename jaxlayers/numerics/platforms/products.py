"""Matrix products on CPU whose gradients are in a layout that XLA on CPU has fast code for."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxlayers.numerics.platforms.choice import choose


def multiply_tall(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return `x @ kernel` of a matrix with many rows, such as all time steps of a batch.

    The gradient of the kernel is `x.T @ cotangent`. XLA on CPU has no fast code for it unless `x.T` lies in memory as
    it is, so it is laid out there before the product.
    """
    return choose(x, kernel, cpu=_multiply, default=jnp.matmul)


@jax.custom_jvp
def _multiply(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jnp.matmul(x, kernel)


@functools.partial(_multiply.defjvp, symbolic_zeros=True)
def _multiply_with_tangents(primals: Any, tangents: Any) -> Any:
    (x, kernel), (d_x, d_kernel) = primals, tangents
    tangent = jnp.zeros((x.shape[0], kernel.shape[1]), x.dtype)
    if not isinstance(d_x, SymbolicZero):
        tangent = jnp.matmul(d_x, kernel)
    if not isinstance(d_kernel, SymbolicZero):
        transposed = jax.lax.optimization_barrier(x.T)
        tangent = tangent + jax.lax.dot_general(transposed, d_kernel, (((0,), (0,)), ((), ())))
    return jnp.matmul(x, kernel), tangent
