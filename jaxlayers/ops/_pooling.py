"""Pooling: the maximum or the mean of windows."""

import functools
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import operation
from jaxlayers.ops._platform import on_cpu
from jaxlayers.ops._spatial import everywhere, format_of, one_of, per_axis, rank_of, refuse_nothing, spatial_axes
from jaxlayers.ops._types import Array, ArrayLike, Shape, as_float

__all__ = ["adaptive_average_pool", "adaptive_max_pool", "average_pool", "max_pool"]

_TILE = 64  # elements of the largest window that is looked at one by one


@operation("inputs")
def max_pool(
    inputs: ArrayLike,
    pool_size: Shape,
    strides: Shape | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """Maximum of each window.

    Args:
        inputs: [batch, *space, channels], or [batch, channels, *space].
        pool_size: the size of a window; one number, or one for each spatial axis.
        strides: how far apart windows are; by default as far as they are wide.
        padding: `"valid"` for whole windows only, `"same"` for ceil(size / strides) of them, cut off at the edges.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.

    Returns:
        [batch, *new_space, channels], or [batch, channels, *new_space].

    Raises:
        ValueError: when an argument is wrong, or no window fits.

    Example:
        >>> max_pool([[[1.0], [3.0], [2.0], [0.0]]], 2)
        Array([[[3.],
                [2.]]], dtype=float32)
    """
    how = _checked("ops.max_pool", inputs, pool_size, strides, padding, data_format)
    outputs = pooled_maximum(inputs, *how)
    refuse_nothing("ops.max_pool", inputs, outputs, "window", how[0])
    return outputs


@operation("inputs")
def average_pool(
    inputs: ArrayLike,
    pool_size: Shape,
    strides: Shape | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """Mean of each window; padding does not count.

    Args:
        inputs: [batch, *space, channels], or [batch, channels, *space].
        pool_size: as for `max_pool`.
        strides: likewise.
        padding: likewise.
        data_format: likewise.

    Returns:
        [batch, *new_space, channels], or [batch, channels, *new_space]; half-size floats are added up in float32.

    Raises:
        ValueError: when an argument is wrong, or no window fits.

    Example:
        >>> average_pool([[[1.0], [3.0], [2.0]]], 2, padding="same")
        Array([[[2.],
                [2.]]], dtype=float32)
    """
    how = _checked("ops.average_pool", inputs, pool_size, strides, padding, data_format)
    outputs = pooled_mean(inputs, *how)
    refuse_nothing("ops.average_pool", inputs, outputs, "window", how[0])
    return outputs


@operation("inputs")
def adaptive_max_pool(inputs: ArrayLike, output_size: Shape, data_format: str | None = None) -> Array:
    """Maximum of as many windows, of about the same size, as there are to be outputs.

    Args:
        inputs: [batch, *space, channels], or [batch, channels, *space].
        output_size: how many windows; one number, or one for each spatial axis. Window i of m over n elements goes
            from floor(i n / m) to ceil((i + 1) n / m).
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.

    Returns:
        [batch, *output_size, channels], or [batch, channels, *output_size].

    Raises:
        ValueError: when an argument is wrong.

    Example:
        >>> adaptive_max_pool([[[1.0], [3.0], [2.0]]], 2)
        Array([[[3.],
                [3.]]], dtype=float32)
    """
    return _adapted("ops.adaptive_max_pool", inputs, output_size, data_format, _axis_maximum)


@operation("inputs")
def adaptive_average_pool(inputs: ArrayLike, output_size: Shape, data_format: str | None = None) -> Array:
    """Mean of as many windows, of about the same size, as there are to be outputs.

    Args:
        inputs: [batch, *space, channels], or [batch, channels, *space].
        output_size: as for `adaptive_max_pool`.
        data_format: likewise.

    Returns:
        [batch, *output_size, channels], or [batch, channels, *output_size].

    Raises:
        ValueError: when an argument is wrong.

    Example:
        >>> adaptive_average_pool([[[1.0], [3.0], [2.0]]], 2)
        Array([[[2. ],
                [2.5]]], dtype=float32)
    """
    return _adapted("ops.adaptive_average_pool", as_float(inputs), output_size, data_format, _axis_mean)


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4), inline=True)
def pooled_maximum(inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: str) -> Array:
    """`max_pool` without checks."""
    if inputs.dtype == bool:
        lowest: Any = np.False_
    else:
        inexact = jnp.issubdtype(inputs.dtype, jnp.inexact)
        lowest = np.asarray(-np.inf if inexact else jnp.iinfo(inputs.dtype).min, inputs.dtype)[()]
    if on_cpu(inputs) and pool_size == strides and math.prod(pool_size) <= _TILE:
        axes = spatial_axes(len(pool_size), data_format)
        ends = [(0, 0, 0)] * inputs.ndim
        for axis, size in zip(axes, pool_size, strict=True):
            over = -inputs.shape[axis] % size if padding == "same" else -(inputs.shape[axis] % size)
            ends[axis] = (over // 2, over - over // 2, 0) if padding == "same" else (0, over, 0)
        return _tiled_maximum(jax.lax.pad(inputs, lowest, ends), axes, pool_size)
    windows = everywhere(pool_size, data_format, 1), everywhere(strides, data_format, 1)
    return jax.lax.reduce_window(inputs, lowest, jax.lax.max, *windows, padding.upper())


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _tiled_maximum(x: Any, axes: tuple[int, ...], sizes: tuple[int, ...]) -> Array:
    """The maximum of each of the windows that x falls apart into. XLA on CPU is slow at its own gradient of this."""
    tiles, within = _tiles(x, axes, sizes)
    return jnp.max(tiles, within)


@_tiled_maximum.defjvp
def _(axes: tuple[int, ...], sizes: tuple[int, ...], primals: Any, tangents: Any) -> tuple[Array, Array]:
    """The change of the first of the largest elements."""
    (tiles, within), (changes, _) = (_tiles(value, axes, sizes) for value in (*primals, *tangents))
    best: Any = None
    for number, place in enumerate(itertools.product(*map(range, sizes))):
        part = tiles
        for axis, at in zip(reversed(within), reversed(place), strict=True):
            part = jax.lax.index_in_dim(part, at, axis, keepdims=False)
        if best is None:
            best, where = part, jnp.zeros(part.shape, "int8")
        else:
            keep = (best >= part) | (best != best)  # what is no number is the largest
            best, where = jnp.where(keep, best, part), jnp.where(keep, where, jnp.int8(number))
    shape = [size if axis in within else 1 for axis, size in enumerate(tiles.shape)]
    numbers = np.arange(math.prod(sizes), dtype="int8").reshape(shape)
    taken = jnp.where(numbers == jnp.expand_dims(where, within), changes, 0)
    return best, jnp.sum(taken, within, dtype=taken.dtype)


def _tiles(x: Any, axes: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[Array, tuple[int, ...]]:
    """X with each of some axes as two, of windows and of what is in a window; and the latter."""
    shape: list[int] = []
    within = []
    for axis, size in enumerate(x.shape):
        if axis in axes:
            window = sizes[axes.index(axis)]
            shape += [size // window, window]
            within.append(len(shape) - 1)
        else:
            shape.append(size)
    return x.reshape(shape), tuple(within)


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4), inline=True)
def pooled_mean(inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: str) -> Array:
    """`average_pool` without checks."""
    inputs = as_float(inputs)
    wide = inputs.astype(jnp.promote_types(inputs.dtype, jnp.float32))  # many small numbers vanish in a large half one
    windows = everywhere(pool_size, data_format, 1), everywhere(strides, data_format, 1)
    sums = jax.lax.reduce_window(wide, np.asarray(0, wide.dtype)[()], jax.lax.add, *windows, padding.upper())
    if padding == "valid":
        return (sums / np.prod(pool_size)).astype(inputs.dtype)
    counts = np.ones((1,) * inputs.ndim, "int64")
    for axis, size, stride in zip(spatial_axes(len(pool_size), data_format), pool_size, strides, strict=True):
        own = _elements(inputs.shape[axis], size, stride)
        counts = counts * own.reshape([-1 if i == axis else 1 for i in range(inputs.ndim)])
    return (sums / counts.astype(wide.dtype)).astype(inputs.dtype)


def _elements(size: int, window: int, stride: int) -> np.ndarray:
    """How many elements each window along an axis holds, padding left out."""
    ((before, _),) = jax.lax.padtype_to_pads((size,), (window,), (stride,), "SAME")
    starts = np.arange(-(-size // stride)) * stride - before
    return np.minimum(starts + window, size) - np.maximum(starts, 0)


def _checked(
    where: str, inputs: Any, pool_size: Any, strides: Any, padding: Any, data_format: Any
) -> tuple[tuple[int, ...], tuple[int, ...], str, str]:
    rank = rank_of(where, inputs)
    return (
        per_axis(where, "pool_size", pool_size, rank),
        per_axis(where, "strides", pool_size if strides is None else strides, rank),
        one_of(where, "padding", padding, ("valid", "same")),
        format_of(where, data_format),
    )


def _adapted(where: str, inputs: Any, output_size: Any, data_format: Any, along: Any) -> Array:
    """Windows are products of windows along single axes, so one axis after the other is reduced."""
    rank = rank_of(where, inputs)
    counts = per_axis(where, "output_size", output_size, rank)
    if 0 in inputs.shape[1:]:
        raise ValueError(f"{where} expects inputs with elements to pool; received shape {inputs.shape}.")
    for axis, count in zip(spatial_axes(rank, format_of(where, data_format)), counts, strict=True):
        inputs = along(inputs, axis, count)
    return inputs


@functools.partial(jax.jit, static_argnums=(1, 2), inline=True)
def _axis_maximum(x: Any, axis: int, count: int) -> Array:
    return jnp.max(_windows(x, axis, count), axis + 1)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _axis_mean(x: Any, axis: int, count: int) -> Array:
    starts, ends = _bounds(x.shape[axis], count)
    windows = _windows(x, axis, count)
    shape = [1] * windows.ndim
    shape[axis : axis + 2] = windows.shape[axis : axis + 2]
    inside = (np.arange(shape[axis + 1]) < (ends - starts)[:, None]).reshape(shape)
    wide = windows.astype(jnp.promote_types(x.dtype, jnp.float32))
    sums = jnp.sum(wide if inside.all() else jnp.where(inside, wide, 0), axis + 1)
    return (sums / (ends - starts).reshape(shape[: axis + 1] + shape[axis + 2 :])).astype(x.dtype)


@_axis_mean.defjvp
def _(axis: int, count: int, primals: Any, tangents: Any) -> tuple[Array, Array]:
    """A product with the matrix of what each element counts in each window: its transpose needs no scattering."""
    (change,) = tangents
    starts, ends = _bounds(change.shape[axis], count)
    places = np.arange(change.shape[axis])
    inside = (places >= starts[:, None]) & (places < ends[:, None])
    before, after = change.shape[:axis], change.shape[axis + 1 :]
    wide = change.astype(jnp.promote_types(change.dtype, jnp.float32))
    wide = wide.reshape(math.prod(before), len(places), math.prod(after))
    shares = jnp.asarray(inside / (ends - starts)[:, None], wide.dtype)
    means = jnp.einsum("bos,bsr->bor", jnp.broadcast_to(shares, (len(wide), *shares.shape)), wide, precision="highest")
    return _axis_mean(*primals, axis, count), means.reshape(*before, count, *after).astype(change.dtype)


def _windows(x: Any, axis: int, count: int) -> Array:
    """The windows along an axis, laid out `[..., count, longest, ...]`; a shorter one repeats its last element."""
    size = x.shape[axis]
    if size % count == 0:  # no two overlap, and all are of one size
        return x.reshape(*x.shape[:axis], count, size // count, *x.shape[axis + 1 :])
    starts, ends = _bounds(size, count)
    where = np.minimum(starts[:, None] + np.arange((ends - starts).max()), ends[:, None] - 1)
    return jnp.take(x, where, axis, mode="clip")


def _bounds(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each of so many windows along an axis starts and ends."""
    return np.arange(count) * size // count, -(-np.arange(1, count + 1) * size // count)
