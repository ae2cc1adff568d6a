"""Random arrays from a key, in programs that compile fast.

The values equal those of `jax.random.uniform`, `normal` and `truncated_normal` bit for bit. On a CPU, a new array takes
more time to compile than to draw: JAX lowers Threefry-2x32 (Salmon et al., 2011,
https://doi.org/10.1145/2063384.2063405) to a loop there, which XLA cannot fuse. This module's unrolled form becomes
one fused kernel and compiles in a third of the time. Keys of other generators, and float64, use `jax.random`.

Half-precision floats are drawn in float32 and rounded. Drawn directly, bfloat16 would have only 128 different values.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)
_LARGEST_SIZE = 2**32  # the number of elements that a 32-bit counter can index

_jit_draw = functools.partial(jax.jit, static_argnames=("shape", "dtype"))


@_jit_draw
def uniform(key: jax.Array, low: Any, high: Any, shape: tuple[int, ...], dtype: str) -> jax.Array:
    """Return uniformly distributed values in `[low, high)`."""
    return _uniform(key, low, high, shape, _wide(dtype)).astype(dtype)


@_jit_draw
def normal(key: jax.Array, mean: Any, stddev: Any, shape: tuple[int, ...], dtype: str) -> jax.Array:
    """Return normally distributed values."""
    wide = _wide(dtype)
    unit = _uniform(key, np.nextafter(wide(-1), wide(0)), wide(1), shape, wide)
    return (wide(math.sqrt(2)) * lax.erf_inv(unit) * stddev + mean).astype(dtype)


@_jit_draw
def truncated_normal(key: jax.Array, mean: Any, stddev: Any, shape: tuple[int, ...], dtype: str) -> jax.Array:
    """Return values of a normal distribution truncated at two `stddev` on either side of the mean."""
    wide = _wide(dtype)
    edge = math.erf(math.sqrt(2))
    unit = _uniform(key, wide(-edge), wide(edge), shape, wide)
    inside = np.nextafter(wide(2), wide(0))
    unit = lax.clamp(-inside, wide(math.sqrt(2)) * lax.erf_inv(unit), inside)
    return (unit * stddev + mean).astype(dtype)


def _wide(dtype: str) -> Any:
    return np.float64 if dtype == "float64" and jax.config.read("jax_enable_x64") else np.float32


def _uniform(key: jax.Array, low: Any, high: Any, shape: tuple[int, ...], wide: Any) -> jax.Array:
    if wide is np.float64 or jax.random.key_impl(key) != "threefry2x32" or math.prod(shape) > _LARGEST_SIZE:
        return jax.random.uniform(key, shape, wide, low, high)
    # The bits of the float 1.0 with a random mantissa (23 bits) are a float in [1, 2).
    mantissa = lax.bitwise_or(lax.shift_right_logical(_bits(key, shape), np.uint32(9)), np.uint32(0x3F800000))
    unit = lax.bitcast_convert_type(mantissa, np.float32) - np.float32(1)
    return jnp.maximum(low, unit * (high - low) + low)


def _bits(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return `jax.random.bits(key, shape)`: Threefry-2x32 in 20 rounds; the counter is (0, index of the element)."""
    first, second = jax.random.key_data(key)
    key_schedule = (first, second, first ^ second ^ _PARITY)
    x, y = lax.broadcast(first, shape), lax.add(_positions(shape), second)
    for group in range(5):
        for distance in _ROTATIONS[group % 2]:
            x = lax.add(x, y)
            left = lax.shift_left(y, np.uint32(distance))
            right = lax.shift_right_logical(y, np.uint32(32 - distance))
            y = lax.bitwise_xor(lax.bitwise_or(left, right), x)
        x = lax.add(x, key_schedule[(group + 1) % 3])
        y = lax.add(y, key_schedule[(group + 2) % 3] + np.uint32(group + 1))
    return lax.bitwise_xor(x, y)


def _positions(shape: tuple[int, ...]) -> jax.Array:
    """Return the index of each element in the flattened array."""
    # The index is a sum over the axes, not a reshaped `arange`: each device can then compute its own shard.
    position = lax.full(shape, np.uint32(0))
    for axis in range(len(shape)):
        stride = np.uint32(math.prod(shape[axis + 1 :]))
        position = lax.add(position, lax.mul(lax.broadcasted_iota(np.uint32, shape, axis), stride))
    return position
