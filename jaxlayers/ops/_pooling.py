"""Pooling: the maximum or the mean of windows."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import operation
from jaxlayers.ops._spatial import everywhere, format_of, one_of, per_axis, rank_of, refuse_nothing, spatial_axes
from jaxlayers.ops._types import Array, ArrayLike, Shape, as_float

__all__ = ["adaptive_average_pool", "adaptive_max_pool", "average_pool", "max_pool"]


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
    lowest = -np.inf if jnp.issubdtype(inputs.dtype, jnp.inexact) else jnp.iinfo(inputs.dtype).min
    windows = everywhere(pool_size, data_format, 1), everywhere(strides, data_format, 1)
    return jax.lax.reduce_window(inputs, np.asarray(lowest, inputs.dtype)[()], jax.lax.max, *windows, padding.upper())


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4), inline=True)
def pooled_mean(inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: str) -> Array:
    """`average_pool` without checks."""
    inputs = as_float(inputs)
    wide = inputs.astype(jnp.promote_types(inputs.dtype, jnp.float32))  # many small numbers vanish in a large half one
    windows = everywhere(pool_size, data_format, 1), everywhere(strides, data_format, 1)
    sums = jax.lax.reduce_window(wide, np.asarray(0, wide.dtype)[()], jax.lax.add, *windows, padding.upper())
    if padding == "valid":
        return (sums / np.prod(pool_size)).astype(inputs.dtype)
    for axis, size, stride in zip(spatial_axes(len(pool_size), data_format), pool_size, strides, strict=True):
        counts = _elements(inputs.shape[axis], size, stride)
        sums = sums / counts.reshape([-1 if i == axis else 1 for i in range(inputs.ndim)]).astype(wide.dtype)
    return sums.astype(inputs.dtype)


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
    windows, _, _ = _windows(x, axis, count)  # a window that repeats its last element has the same maximum
    return jnp.max(windows, axis + 1)


@functools.partial(jax.jit, static_argnums=(1, 2), inline=True)
def _axis_mean(x: Any, axis: int, count: int) -> Array:
    windows, counted, sizes = _windows(x, axis, count)
    wide = windows.astype(jnp.promote_types(x.dtype, jnp.float32))
    shape = [1] * windows.ndim
    shape[axis : axis + 2] = counted.shape
    sums = jnp.sum(wide if counted.all() else wide * counted.reshape(shape).astype(wide.dtype), axis + 1, keepdims=True)
    shape[axis + 1] = 1
    return jnp.squeeze(sums / sizes.reshape(shape).astype(wide.dtype), axis + 1).astype(x.dtype)


def _windows(x: Any, axis: int, count: int) -> tuple[Array, np.ndarray, np.ndarray]:
    """The windows along an axis, laid out `[..., count, longest, ...]`; which of their elements count; their sizes.

    A window that is shorter than the longest one repeats its last element.
    """
    size = x.shape[axis]
    starts = np.arange(count) * size // count
    ends = -(-np.arange(1, count + 1) * size // count)
    offsets = np.arange((ends - starts).max())
    counted = offsets < (ends - starts)[:, None]
    if size % count == 0:  # no two overlap, and all are of one size
        return x.reshape(*x.shape[:axis], count, size // count, *x.shape[axis + 1 :]), counted, ends - starts
    where = np.minimum(starts[:, None] + offsets, ends[:, None] - 1)
    return jnp.take(x, where, axis, mode="clip"), counted, ends - starts
