"""The maximum of windows that do not overlap, on CPU, where XLA is slow at the gradient of `jax.lax.reduce_window`."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_LARGEST = 64  # elements of a window; the derivative has code for each


def suits_tiles(window: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Return True if windows lie side by side and are small enough for `maximum_of_tiles`."""
    return window == strides and math.prod(window) <= _LARGEST


def maximum_of_tiles(x: Any, axes: tuple[int, ...], sizes: tuple[int, ...], padding: str, lowest: Any) -> jax.Array:
    """Return the maximum of each of the windows that an array is divided into.

    Args:
        x: array.
        axes: the axes along which it is divided.
        sizes: the sizes of a window along them.
        padding: `"valid"` to leave out an incomplete window at the end, `"same"` to pad incomplete windows.
        lowest: the value of the padding.
    """
    ends = [(0, 0, 0)] * x.ndim
    for axis, size in zip(axes, sizes, strict=True):
        over = -x.shape[axis] % size if padding == "same" else -(x.shape[axis] % size)
        ends[axis] = (over // 2, over - over // 2, 0) if padding == "same" else (0, over, 0)
    return _tile_maximum(jax.lax.pad(x, lowest, ends), axes, sizes)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _tile_maximum(x: Any, axes: tuple[int, ...], sizes: tuple[int, ...]) -> jax.Array:
    tiles, within = _divide(x, axes, sizes)
    return jnp.max(tiles, within)


@_tile_maximum.defjvp
def _(axes: tuple[int, ...], sizes: tuple[int, ...], primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    """Return the maximum, and the tangent of the first of the largest elements."""
    (tiles, within), (d_tiles, _) = (_divide(value, axes, sizes) for value in (*primals, *tangents))
    best: Any = None
    for number, place in enumerate(itertools.product(*map(range, sizes))):
        element = tiles
        for axis, position in zip(reversed(within), reversed(place), strict=True):
            element = jax.lax.index_in_dim(element, position, axis, keepdims=False)
        if best is None:
            best, best_number = element, jnp.zeros(element.shape, "int8")
        else:
            keep = (best >= element) | (best != best)  # NaN is the maximum
            best, best_number = jnp.where(keep, best, element), jnp.where(keep, best_number, jnp.int8(number))
    shape = [size if axis in within else 1 for axis, size in enumerate(tiles.shape)]
    numbers = np.arange(math.prod(sizes), dtype="int8").reshape(shape)
    selected = jnp.where(numbers == jnp.expand_dims(best_number, within), d_tiles, 0)
    return best, jnp.sum(selected, within, dtype=selected.dtype)


def _divide(x: Any, axes: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[jax.Array, tuple[int, ...]]:
    """Return `x` with each of the axes as two, of windows and of elements of a window; and the axes of elements."""
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
