"""Arrays joined, cut, repeated and padded."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxlayers.core import operation
from jaxlayers.core.symbolic import as_array
from jaxlayers.numerics.types import Array, ArrayLike, hashable

__all__ = [
    "append", "array_split", "concatenate", "dsplit", "dstack", "hsplit", "hstack", "pad", "repeat", "split", "stack",
    "tile", "vsplit", "vstack",
]  # fmt: skip


@operation()
def concatenate(xs: Sequence[ArrayLike], axis: int = 0) -> Array:
    """Arrays joined along an axis they have.

    Example:
        >>> concatenate([[1, 2], [3]])
        Array([1, 2, 3], dtype=int32)
    """
    return jnp.concatenate([as_array(x) for x in xs], axis)


@operation("x1", "x2")
def append(x1: ArrayLike, x2: ArrayLike, axis: int | None = None) -> Array:
    """Two arrays joined along an axis; both flattened for `axis=None`.

    Example:
        >>> append([1, 2], [[3], [4]])
        Array([1, 2, 3, 4], dtype=int32)
    """
    return jnp.append(x1, x2, axis)


@operation()
def stack(x: Sequence[ArrayLike], axis: int = 0) -> Array:
    """Arrays of one shape joined along a new axis.

    Example:
        >>> stack([[1, 2], [3, 4]], axis=1)
        Array([[1, 3],
               [2, 4]], dtype=int32)
    """
    return jnp.stack([as_array(item) for item in x], axis)


@operation()
def hstack(xs: Sequence[ArrayLike]) -> Array:
    """Arrays joined along the second axis, or the only one.

    Example:
        >>> hstack([[1, 2], [3]])
        Array([1, 2, 3], dtype=int32)
    """
    return jnp.hstack([as_array(x) for x in xs])


@operation()
def vstack(xs: Sequence[ArrayLike]) -> Array:
    """Arrays joined along the first axis; those with one axis are rows.

    Example:
        >>> vstack([[1, 2], [3, 4]])
        Array([[1, 2],
               [3, 4]], dtype=int32)
    """
    return jnp.vstack([as_array(x) for x in xs])


@operation()
def dstack(xs: Sequence[ArrayLike]) -> Array:
    """Arrays joined along the third axis, which is added where it is missing.

    Example:
        >>> dstack([[1, 2], [3, 4]])
        Array([[[1, 3],
                [2, 4]]], dtype=int32)
    """
    return jnp.dstack([as_array(x) for x in xs])


@operation("x")
def split(x: ArrayLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """Cut along an axis.

    Args:
        x: array.
        indices_or_sections: how many equal parts, or the places to cut at.
        axis: along which axis.

    Example:
        >>> split([1, 2, 3, 4], 2)
        [Array([1, 2], dtype=int32), Array([3, 4], dtype=int32)]
    """
    return jnp.split(x, indices_or_sections, axis)


@operation("x")
def array_split(x: ArrayLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """`split` whose parts may differ in size by one.

    Example:
        >>> array_split([1, 2, 3], 2)
        [Array([1, 2], dtype=int32), Array([3], dtype=int32)]
    """
    return jnp.array_split(x, indices_or_sections, axis)


@operation("x")
def hsplit(x: ArrayLike, indices_or_sections: Any) -> list[Array]:
    """`split` along the second axis, or the only one.

    Example:
        >>> hsplit([1, 2, 3, 4], 2)
        [Array([1, 2], dtype=int32), Array([3, 4], dtype=int32)]
    """
    return jnp.hsplit(x, indices_or_sections)


@operation("x")
def vsplit(x: ArrayLike, indices_or_sections: Any) -> list[Array]:
    """`split` along the first axis.

    Example:
        >>> vsplit([[1, 2], [3, 4]], 2)
        [Array([[1, 2]], dtype=int32), Array([[3, 4]], dtype=int32)]
    """
    return jnp.vsplit(x, indices_or_sections)


@operation("x")
def dsplit(x: ArrayLike, indices_or_sections: Any) -> list[Array]:
    """`split` along the third axis.

    Example:
        >>> dsplit([[[1, 2]]], 2)
        [Array([[[1]]], dtype=int32), Array([[[2]]], dtype=int32)]
    """
    return jnp.dsplit(x, indices_or_sections)


@operation("x")
def repeat(x: ArrayLike, repeats: ArrayLike, axis: int | None = None) -> Array:
    """Each element several times, one after the other.

    Args:
        x: array.
        repeats: how often, for all or for each along the axis.
        axis: along which axis; None repeats in the flattened array.

    Example:
        >>> repeat([1, 2], 2)
        Array([1, 1, 2, 2], dtype=int32)
    """
    # NumPy's numbers stay known under a trace, where the size of the result has to be.
    return jnp.repeat(x, np.asarray(repeats) if isinstance(repeats, list | tuple) else repeats, axis)


@operation("x")
def tile(x: ArrayLike, repeats: int | Sequence[int]) -> Array:
    """The whole array several times, side by side.

    Args:
        x: array.
        repeats: how often along each axis; missing ones in front count as 1.

    Example:
        >>> tile([1, 2], 2)
        Array([1, 2, 1, 2], dtype=int32)
    """
    return jnp.tile(x, hashable(repeats))


@operation("x", "constant_values")
def pad(x: ArrayLike, pad_width: Any, mode: str = "constant", constant_values: ArrayLike = None) -> Array:
    """Longer at the ends of its axes.

    Args:
        x: array.
        pad_width: how many elements before and after: one number, one pair, or a pair for each axis.
        mode: `"constant"`, `"reflect"`, `"symmetric"`, `"edge"`, `"wrap"`, or another mode of `jax.numpy.pad`.
        constant_values: what to pad with in the mode `"constant"`; zero by default.

    Raises:
        ValueError: when `constant_values` comes with another mode.

    Example:
        >>> pad([1, 2], (1, 2), constant_values=7)
        Array([7, 1, 2, 7, 7], dtype=int32)
    """
    if constant_values is None:
        return jnp.pad(x, pad_width, mode)
    if mode != "constant":
        raise ValueError(f"ops.pad takes constant_values with mode='constant' only; received mode={mode!r}.")
    return jnp.pad(x, pad_width, mode, constant_values=constant_values)
