"""Choosing elements: by index, by condition, by rank; sorting and searching."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.core.symbolic import as_array
from jaxlayers.numerics.types import Array, ArrayLike

__all__ = [
    "argpartition", "argsort", "diagonal", "get_item", "nonzero", "searchsorted", "select", "sort", "take",
    "take_along_axis", "unique", "unravel_index", "where",
]  # fmt: skip


@operation("x")
def get_item(x: ArrayLike, key: Any) -> Array:
    """`x[key]`, for indices, slices, `None`, `...` and tuples of them.

    Example:
        >>> get_item([[1, 2], [3, 4]], (slice(None), 1))
        Array([2, 4], dtype=int32)
    """
    return x[key]


@operation("x", "indices")
def take(x: ArrayLike, indices: ArrayLike, axis: int | None = None) -> Array:
    """Elements or slices at given places; nan, or the dtype's extreme, where there is no such place.

    Args:
        x: array.
        indices: integers of any shape, which takes the place of the axis.
        axis: along which axis; None takes from the flattened array.

    Example:
        >>> take([[1, 2], [3, 4]], [1, 0], axis=1)
        Array([[2, 1],
               [4, 3]], dtype=int32)
    """
    return jnp.take(x, indices, axis)


@operation("x", "indices")
def take_along_axis(x: ArrayLike, indices: ArrayLike, axis: int | None = None) -> Array:
    """Along an axis, the elements that an array of indices names at each place, as `argsort` gives them.

    Args:
        x: array.
        indices: integers with as many axes as x, of the same sizes but along the axis.
        axis: along which axis; None takes from the flattened array.

    Example:
        >>> take_along_axis([[1, 2], [3, 4]], [[1], [0]], axis=1)
        Array([[2],
               [3]], dtype=int32)
    """
    return jnp.take_along_axis(x, indices, axis)


@operation("condition", "x1", "x2")
def where(condition: ArrayLike, x1: ArrayLike = None, x2: ArrayLike = None) -> Any:
    """x1 where a condition holds, x2 elsewhere; with the condition alone, the places where it holds.

    Args:
        condition: array of bools, or of numbers that count as true when not zero.
        x1: array; all three broadcast to one shape.
        x2: array.

    Example:
        >>> where([True, False], [1, 2], 0)
        Array([1, 0], dtype=int32)
    """
    return jnp.where(condition, x1, x2)


@operation()
def select(condlist: Sequence[ArrayLike], choicelist: Sequence[ArrayLike], default: ArrayLike = 0) -> Array:
    """Elements of the first array whose condition holds.

    Args:
        condlist: arrays of bools.
        choicelist: an array for each.
        default: where none holds.

    Raises:
        ValueError: when the lists are empty, or not lists.

    Example:
        >>> select([[True, False], [True, True]], [[1, 2], [3, 4]])
        Array([1, 4], dtype=int32)
    """
    for name, given in (("condlist", condlist), ("choicelist", choicelist)):
        if not isinstance(given, list | tuple) or not given:
            raise ValueError(f"ops.select expects a list of arrays as {name}; received {type(given).__name__}.")
    conditions, choices = ([as_array(item) for item in given] for given in (condlist, choicelist))
    return jnp.select(conditions, choices, as_array(default))


@operation("x")
def nonzero(x: ArrayLike) -> tuple[Array, ...]:
    """Indices of what is not zero, an array for each axis; not for compiled functions.

    Example:
        >>> nonzero([0, 3, 4])
        (Array([1, 2], dtype=int32),)
    """
    return jnp.nonzero(x)


@operation("x")
def diagonal(x: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The elements on a diagonal.

    Args:
        x: array.
        offset: how far above the main one.
        axis1: which axis the rows are.
        axis2: which axis the columns are.

    Returns:
        The other axes, then the diagonal.

    Example:
        >>> diagonal([[1, 2], [3, 4]])
        Array([1, 4], dtype=int32)
    """
    return jnp.diagonal(x, offset, axis1, axis2)


@operation("x")
def sort(x: ArrayLike, axis: int | None = -1) -> Array:
    """In ascending order along an axis; all elements, flattened, for `axis=None`.

    Example:
        >>> sort([3, 1, 2])
        Array([1, 2, 3], dtype=int32)
    """
    return jnp.sort(x, axis)


@operation("x")
def argsort(x: ArrayLike, axis: int | None = -1) -> Array:
    """Indices that `sort`, in int32; equal elements keep their order.

    Example:
        >>> argsort([3, 1, 2])
        Array([1, 2, 0], dtype=int32)
    """
    return jnp.argsort(x, axis if jnp.ndim(x) else None)


@operation("x")
def argpartition(x: ArrayLike, kth: int, axis: int | None = -1) -> Array:
    """Indices that bring the kth smallest element to its place, smaller ones before it and larger ones behind.

    Args:
        x: array.
        kth: which place.
        axis: along which axis; None partitions the flattened array.

    Example:
        >>> argpartition([3, 1, 2], 1)
        Array([1, 2, 0], dtype=int32)
    """
    return jnp.argpartition(jnp.ravel(x) if axis is None else x, kth, 0 if axis is None else axis)


@operation("sorted_sequence", "values")
def searchsorted(sorted_sequence: ArrayLike, values: ArrayLike, side: str = "left") -> Array:
    """Where values would have to be put in to keep an order.

    Args:
        sorted_sequence: in ascending order, [length].
        values: array.
        side: `"left"` before, `"right"` behind elements equal to the value.

    Raises:
        ValueError: when the sequence is not of one axis.

    Example:
        >>> searchsorted([1, 3, 5], [3, 4])
        Array([1, 2], dtype=int32)
    """
    if jnp.ndim(sorted_sequence) != 1:
        raise ValueError(
            f"ops.searchsorted expects a sequence of shape [length]; received {jnp.shape(sorted_sequence)}. Use "
            "jax.vmap for more axes."
        )
    return jnp.searchsorted(sorted_sequence, values, side)


@operation("x")
def unique(
    x: ArrayLike,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: ArrayLike = None,
) -> Any:
    """Different elements, or different slices along an axis.

    Args:
        x: array.
        sorted: whether in ascending order.
        return_index: whether to return where each is first found.
        return_inverse: whether to return which of them each element of x is.
        return_counts: whether to return how often each occurs.
        axis: along which axis; None looks through the flattened array.
        size: how many to return, which compiled functions must say.
        fill_value: what to fill up with when there are fewer; the smallest by default.

    Example:
        >>> unique([3, 1, 3], return_counts=True)
        (Array([1, 3], dtype=int32), Array([1, 2], dtype=int32))
    """
    return jnp.unique(
        x, return_index, return_inverse, return_counts, axis, equal_nan=False, size=size, fill_value=fill_value,
        sorted=sorted,
    )  # fmt: skip


@operation("indices")
def unravel_index(indices: ArrayLike, shape: Sequence[int]) -> tuple[Array, ...]:
    """Indices for each axis from indices into the flattened array.

    Args:
        indices: integers.
        shape: of the array they are of.

    Example:
        >>> unravel_index([3, 1], (2, 2))
        (Array([1, 0], dtype=int32), Array([1, 1], dtype=int32))
    """
    return jnp.unravel_index(indices, tuple(shape))
