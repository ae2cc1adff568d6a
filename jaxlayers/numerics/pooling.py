"""The maximum and the mean of windows. Callers check all arguments."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.numerics.platforms import choose
from jaxlayers.numerics.platforms.tiled_pooling import maximum_of_tiles, suits_tiles
from jaxlayers.numerics.spatial import everywhere, spatial_axes
from jaxlayers.numerics.types import Array, as_float, wide


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4), inline=True)
def pooled_maximum(inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: str) -> Array:
    """Return the maximum of each window."""
    if inputs.dtype == bool:
        lowest: Any = np.False_
    else:
        inexact = jnp.issubdtype(inputs.dtype, jnp.inexact)
        lowest = np.asarray(-np.inf if inexact else jnp.iinfo(inputs.dtype).min, inputs.dtype)[()]
    axes = spatial_axes(len(pool_size), data_format)

    def plain(inputs: Any) -> Array:
        windows = everywhere(pool_size, data_format, 1), everywhere(strides, data_format, 1)
        return jax.lax.reduce_window(inputs, lowest, jax.lax.max, *windows, padding.upper())

    if not suits_tiles(pool_size, strides):
        return plain(inputs)
    return choose(inputs, cpu=lambda x: maximum_of_tiles(x, axes, pool_size, padding, lowest), default=plain)


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4), inline=True)
def pooled_mean(inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: str) -> Array:
    """Return the mean of each window, padding left out."""
    inputs = as_float(inputs)
    full = wide(inputs)  # half precision would lose small addends
    windows = everywhere(pool_size, data_format, 1), everywhere(strides, data_format, 1)
    zero = np.asarray(0, full.dtype)[()]
    sums = jax.lax.reduce_window(full, zero, jax.lax.add, *windows, padding.upper())
    if padding == "valid":
        return (sums / math.prod(pool_size)).astype(inputs.dtype)
    axes = spatial_axes(len(pool_size), data_format)
    if not all(isinstance(inputs.shape[axis], int) for axis in axes):  # unknown sizes
        ones = jnp.ones([size if axis in axes else 1 for axis, size in enumerate(inputs.shape)], full.dtype)
        return (sums / jax.lax.reduce_window(ones, zero, jax.lax.add, *windows, "SAME")).astype(inputs.dtype)
    counts = np.ones((1,) * inputs.ndim, "int64")
    for axis, size, stride in zip(axes, pool_size, strides, strict=True):
        lengths = _window_lengths(inputs.shape[axis], size, stride)
        counts = counts * lengths.reshape([-1 if i == axis else 1 for i in range(inputs.ndim)])
    return (sums / counts.astype(full.dtype)).astype(inputs.dtype)


def _window_lengths(size: int, window: int, stride: int) -> np.ndarray:
    """Return the number of elements in each window along an axis, padding left out."""
    ((before, _),) = jax.lax.padtype_to_pads((size,), (window,), (stride,), "SAME")
    starts = np.arange(-(-size // stride)) * stride - before
    return np.minimum(starts + window, size) - np.maximum(starts, 0)


@functools.partial(jax.jit, static_argnums=(1, 2), inline=True)
def adaptive_maximum(x: Any, axis: int, count: int) -> Array:
    """Return the maxima of `count` windows along an axis, which together hold all elements."""
    starts, ends = _bounds(x.shape[axis], count)
    longest = int((ends - starts).max())
    if x.shape[axis] % count == 0 or longest > _MOST_TERMS:
        return jnp.max(_windows(x, axis, count), axis + 1)
    return functools.reduce(jnp.maximum, (_elements(x, axis, count, number) for number in range(longest)))


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def adaptive_mean(x: Any, axis: int, count: int) -> Array:
    """Return the means of `count` windows along an axis, which together hold all elements."""
    starts, ends = _bounds(x.shape[axis], count)
    lengths, longest = ends - starts, int((ends - starts).max())
    full = wide(x)
    shape = [count if i == axis else 1 for i in range(x.ndim)]

    def kept(elements: Any, inside: Any) -> Any:
        return elements if inside.all() else jnp.where(inside, elements, 0)

    if x.shape[axis] % count == 0 or longest > _MOST_TERMS:
        inside = np.expand_dims((np.arange(longest) < lengths[:, None]), tuple(range(2, x.ndim + 1 - axis)))
        sums = jnp.sum(kept(_windows(full, axis, count), inside), axis + 1)
    else:
        sums = sum(
            kept(_elements(full, axis, count, number), (number < lengths).reshape(shape)) for number in range(longest)
        )
    return (sums / jnp.asarray(lengths, full.dtype).reshape(shape)).astype(x.dtype)


@adaptive_mean.defjvp
def _(axis: int, count: int, primals: Any, tangents: Any) -> tuple[Array, Array]:
    """Multiply by the matrix of the weights of all elements in all windows: its transpose needs no scatter."""
    (tangent,) = tangents
    starts, ends = _bounds(tangent.shape[axis], count)
    positions = np.arange(tangent.shape[axis])
    inside = (positions >= starts[:, None]) & (positions < ends[:, None])
    before, after = tangent.shape[:axis], tangent.shape[axis + 1 :]
    full = wide(tangent).reshape(math.prod(before), len(positions), math.prod(after))
    weights = jnp.asarray(inside / (ends - starts)[:, None], full.dtype)
    means = jnp.einsum(
        "bos,bsr->bor", jnp.broadcast_to(weights, (len(full), *weights.shape)), full, precision="highest"
    )
    return adaptive_mean(*primals, axis, count), means.reshape(*before, count, *after).astype(tangent.dtype)


def _windows(x: Any, axis: int, count: int) -> Array:
    """Return the windows along an axis, `[..., count, longest, ...]`; a shorter window repeats its last element."""
    size = x.shape[axis]
    if size % count == 0:  # the windows do not overlap, and are of one size
        return x.reshape(*x.shape[:axis], count, size // count, *x.shape[axis + 1 :])
    starts, ends = _bounds(size, count)
    positions = np.minimum(starts[:, None] + np.arange((ends - starts).max()), ends[:, None] - 1)
    return jnp.take(x, positions, axis, mode="clip")


def _elements(x: Any, axis: int, count: int, number: int) -> Array:
    """Return the elements of this number in all windows along an axis; a shorter window repeats its last element."""
    starts, ends = _bounds(x.shape[axis], count)
    return jnp.take(x, np.minimum(starts + number, ends - 1), axis, mode="clip")


def _bounds(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the starts and the ends of `count` windows along an axis of this size."""
    return np.arange(count) * size // count, -(-np.arange(1, count + 1) * size // count)


_MOST_TERMS = 16  # up to this, windows that overlap are combined element by element, faster than by one gather
