"""Concatenation, splitting, repetition and padding of arrays."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxlayers.core import operation
from jaxlayers.core.operations import as_array, sized_by_values
from jaxlayers.numerics.types import Array, ArrayLike, hashable
from jaxlayers.ops._declarations import computed_by

__all__ = [
    "append", "array_split", "concatenate", "dsplit", "dstack", "hsplit", "hstack", "pad", "repeat", "split", "stack",
    "tile", "vsplit", "vstack",
]  # fmt: skip


@operation()
def concatenate(xs: Sequence[ArrayLike], axis: int = 0) -> Array:
    """Concatenate arrays along an existing axis.

    Args:
        xs: a list of arrays.
        axis: the axis; 0 by default.

    Example:
        >>> concatenate([[1, 2], [3]])
        Array([1, 2, 3], dtype=int32)
    """
    return jnp.concatenate([as_array(x) for x in xs], axis)


@computed_by(jnp.append, "x1", "x2")
def append(x1: ArrayLike, x2: ArrayLike, axis: int | None = None) -> Array:
    """Concatenate two arrays along an axis.

    Args:
        x1: array.
        x2: array.
        axis: the axis; None (the default) to flatten both arrays first.

    Example:
        >>> append([1, 2], [[3], [4]])
        Array([1, 2, 3, 4], dtype=int32)
    """


@operation()
def stack(x: Sequence[ArrayLike], axis: int = 0) -> Array:
    """Stack arrays of the same shape along a new axis.

    Args:
        x: a list of arrays.
        axis: the new axis in the result; 0 by default.

    Example:
        >>> stack([[1, 2], [3, 4]], axis=1)
        Array([[1, 3],
               [2, 4]], dtype=int32)
    """
    return jnp.stack([as_array(item) for item in x], axis)


@operation()
def hstack(xs: Sequence[ArrayLike]) -> Array:
    """Concatenate arrays along the second axis, or along the first axis if they have one axis.

    Args:
        xs: a list of arrays.

    Example:
        >>> hstack([[1, 2], [3]])
        Array([1, 2, 3], dtype=int32)
    """
    return jnp.hstack([as_array(x) for x in xs])


@operation()
def vstack(xs: Sequence[ArrayLike]) -> Array:
    """Concatenate arrays along the first axis. Arrays with one axis are rows, [1, length].

    Args:
        xs: a list of arrays.

    Example:
        >>> vstack([[1, 2], [3, 4]])
        Array([[1, 2],
               [3, 4]], dtype=int32)
    """
    return jnp.vstack([as_array(x) for x in xs])


@operation()
def dstack(xs: Sequence[ArrayLike]) -> Array:
    """Concatenate arrays along the third axis. Arrays [n] become [1, n, 1], and arrays [n, m] become [n, m, 1].

    Args:
        xs: a list of arrays.

    Example:
        >>> dstack([[1, 2], [3, 4]])
        Array([[[1, 3],
                [2, 4]]], dtype=int32)
    """
    return jnp.dstack([as_array(x) for x in xs])


@computed_by(jnp.split, "x")
def split(x: ArrayLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """Split an array along an axis.

    Args:
        x: array.
        indices_or_sections: the number of equal parts, or the indices at which new parts begin.
        axis: the axis; 0 by default.

    Returns:
        The list of the parts.

    Example:
        >>> split([1, 2, 3, 4], 2)
        [Array([1, 2], dtype=int32), Array([3, 4], dtype=int32)]
    """


@computed_by(jnp.array_split, "x")
def array_split(x: ArrayLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """Split an array along an axis into parts whose sizes differ by one at most.

    Args:
        x: array.
        indices_or_sections: the number of parts, or the indices at which new parts begin.
        axis: the axis; 0 by default.

    Example:
        >>> array_split([1, 2, 3], 2)
        [Array([1, 2], dtype=int32), Array([3], dtype=int32)]
    """


@computed_by(jnp.hsplit, "x")
def hsplit(x: ArrayLike, indices_or_sections: Any) -> list[Array]:
    """Split an array along the second axis, or along the first axis if it has one axis.

    Args:
        x: array.
        indices_or_sections: the number of equal parts, or the indices at which new parts begin.

    Example:
        >>> hsplit([1, 2, 3, 4], 2)
        [Array([1, 2], dtype=int32), Array([3, 4], dtype=int32)]
    """


@computed_by(jnp.vsplit, "x")
def vsplit(x: ArrayLike, indices_or_sections: Any) -> list[Array]:
    """Split an array along the first axis.

    Args:
        x: array.
        indices_or_sections: the number of equal parts, or the indices at which new parts begin.

    Example:
        >>> vsplit([[1, 2], [3, 4]], 2)
        [Array([[1, 2]], dtype=int32), Array([[3, 4]], dtype=int32)]
    """


@computed_by(jnp.dsplit, "x")
def dsplit(x: ArrayLike, indices_or_sections: Any) -> list[Array]:
    """Split an array along the third axis.

    Args:
        x: array.
        indices_or_sections: the number of equal parts, or the indices at which new parts begin.

    Example:
        >>> dsplit([[[1, 2]]], 2)
        [Array([[[1]]], dtype=int32), Array([[[2]]], dtype=int32)]
    """


@operation("x")
def repeat(x: ArrayLike, repeats: ArrayLike, axis: int | None = None) -> Array:
    """Repeat each element of an array.

    Args:
        x: array.
        repeats: the number of repetitions: an integer, or one integer for each element along the axis.
        axis: the axis; None (the default) for the flattened array.

    Example:
        >>> repeat([1, 2], 2)
        Array([1, 1, 2, 2], dtype=int32)
    """
    # A NumPy array is concrete while a function is traced; JAX needs concrete numbers for the size of the result.
    return jnp.repeat(x, np.asarray(repeats) if isinstance(repeats, list | tuple) else repeats, axis)


@sized_by_values(repeat)
def _repeat_to_size(x: Array, repeats: ArrayLike, axis: int | None = None, size: int | None = None) -> Array:
    return jnp.repeat(x, repeats, axis, total_repeat_length=size)


@operation("x")
def tile(x: ArrayLike, repeats: int | Sequence[int]) -> Array:
    """Repeat a whole array along its axes.

    Args:
        x: array.
        repeats: the number of repetitions along each axis. If there are fewer numbers than axes, they are for the last
            axes.

    Example:
        >>> tile([1, 2], 2)
        Array([1, 2, 1, 2], dtype=int32)
    """
    return jnp.tile(x, hashable(repeats))


@operation("x", "constant_values")
def pad(x: ArrayLike, pad_width: Any, mode: str = "constant", constant_values: ArrayLike = None) -> Array:
    """Pad an array at the ends of its axes.

    Args:
        x: array.
        pad_width: the number of elements to add: one number, one pair (before, after), or a pair for each axis.
        mode: `"constant"` (the default), `"reflect"`, `"symmetric"`, `"edge"`, `"wrap"`, or another mode of
            `jax.numpy.pad`.
        constant_values: the value of the new elements in the mode `"constant"`; zero by default.

    Raises:
        ValueError: when `constant_values` is given with another mode.

    Example:
        >>> pad([1, 2], (1, 2), constant_values=7)
        Array([7, 1, 2, 7, 7], dtype=int32)
    """
    if constant_values is None:
        return jnp.pad(x, pad_width, mode)
    if mode != "constant":
        raise ValueError(f"ops.pad accepts constant_values only with mode='constant'; received mode={mode!r}.")
    return jnp.pad(x, pad_width, mode, constant_values=constant_values)
