"""Selection of elements by index, by condition and by rank; sorting and searching."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.core.operations import as_array, sized_by_values
from jaxlayers.numerics.types import Array, ArrayLike
from jaxlayers.ops._declarations import computed_by

__all__ = [
    "argpartition", "argsort", "diagonal", "get_item", "nonzero", "searchsorted", "select", "sort", "take",
    "take_along_axis", "unique", "unravel_index", "where",
]  # fmt: skip


@operation("x")
def get_item(x: ArrayLike, key: Any) -> Array:
    """Index an array: `x[key]`.

    Args:
        x: array.
        key: an index, a slice, None, `...`, or a tuple of these.

    Example:
        >>> get_item([[1, 2], [3, 4]], (slice(None), 1))
        Array([2, 4], dtype=int32)
    """
    return x[key]


@computed_by(jnp.take, "x", "indices")
def take(x: ArrayLike, indices: ArrayLike, axis: int | None = None) -> Array:
    """Select elements, or slices along an axis, by index.

    For an index out of range, the result is nan, or the smallest integer (the largest if the dtype is unsigned).

    Args:
        x: array.
        indices: integers of any shape. In the shape of the result, this shape replaces the axis.
        axis: the axis; None (the default) for the flattened array.

    Example:
        >>> take([[1, 2], [3, 4]], [1, 0], axis=1)
        Array([[2, 1],
               [4, 3]], dtype=int32)
    """


@operation("x", "indices")
def take_along_axis(x: ArrayLike, indices: ArrayLike, axis: int | None = None) -> Array:
    """Select elements along an axis by an array of indices, such as the result of `argsort`.

    Args:
        x: array.
        indices: integers, with as many axes as x, of the same sizes except along `axis`.
        axis: the axis; None (the default) for the flattened array.

    Returns:
        An array of the shape of `indices`.

    Example:
        >>> take_along_axis([[1, 2], [3, 4]], [[1], [0]], axis=1)
        Array([[2],
               [3]], dtype=int32)
    """
    return jnp.take_along_axis(x, indices, axis)


@operation("condition", "x1", "x2")
def where(condition: ArrayLike, x1: ArrayLike = None, x2: ArrayLike = None) -> Any:
    """Select elements of x1 where a condition is true, and elements of x2 elsewhere.

    Without x1 and x2, the result is that of `nonzero(condition)`.

    Args:
        condition: an array of bools, or of numbers, which are true if they are not zero.
        x1: array.
        x2: array. All three arrays are broadcast to one shape.

    Example:
        >>> where([True, False], [1, 2], 0)
        Array([1, 0], dtype=int32)
    """
    return jnp.where(condition, x1, x2)


@sized_by_values(where)
def _where_of_size(condition: Array, x1: None = None, x2: None = None, size: int | None = None) -> Any:
    return jnp.nonzero(condition, size=size)


@operation()
def select(condlist: Sequence[ArrayLike], choicelist: Sequence[ArrayLike], default: ArrayLike = 0) -> Array:
    """Select each element from the first array whose condition is true there.

    Args:
        condlist: a list of arrays of bools.
        choicelist: a list of arrays, one for each condition.
        default: the value of elements for which no condition is true; 0 by default.

    Raises:
        ValueError: when `condlist` or `choicelist` is empty or not a list.

    Example:
        >>> select([[True, False], [True, True]], [[1, 2], [3, 4]])
        Array([1, 4], dtype=int32)
    """
    for name, arrays in (("condlist", condlist), ("choicelist", choicelist)):
        if not isinstance(arrays, list | tuple) or not arrays:
            received = (
                f"an empty {type(arrays).__name__}" if isinstance(arrays, list | tuple) else type(arrays).__name__
            )
            raise ValueError(f"ops.select expects a list of arrays as {name}; received {received}.")
    conditions, choices = ([as_array(item) for item in arrays] for arrays in (condlist, choicelist))
    return jnp.select(conditions, choices, as_array(default))


@computed_by(jnp.nonzero)
def nonzero(x: ArrayLike) -> tuple[Array, ...]:
    """The indices of all elements that are not zero: one array of indices for each axis.

    It cannot be used in compiled functions, because the shape of the result depends on the values. The size of the
    results of a symbolic tensor is unknown.

    Example:
        >>> nonzero([0, 3, 4])
        (Array([1, 2], dtype=int32),)
    """


sized_by_values(nonzero)(jnp.nonzero)


@computed_by(jnp.diagonal, "x")
def diagonal(x: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The elements of a diagonal.

    Args:
        x: array.
        offset: the diagonal: 0 (the default) for the main diagonal, positive numbers for those above it.
        axis1: the axis of the rows; 0 by default.
        axis2: the axis of the columns; 1 by default.

    Returns:
        An array with the other axes of x, followed by the axis of the diagonal.

    Example:
        >>> diagonal([[1, 2], [3, 4]])
        Array([1, 4], dtype=int32)
    """


@computed_by(jnp.sort, "x")
def sort(x: ArrayLike, axis: int | None = -1) -> Array:
    """Sort elements in ascending order along an axis.

    Args:
        x: array.
        axis: the axis; -1 by default; None for the flattened array.

    Example:
        >>> sort([3, 1, 2])
        Array([1, 2, 3], dtype=int32)
    """


@operation("x")
def argsort(x: ArrayLike, axis: int | None = -1) -> Array:
    """The indices that sort an array along an axis, in int32. Equal elements keep their order.

    Args:
        x: array.
        axis: the axis; -1 by default; None for the flattened array.

    Example:
        >>> argsort([3, 1, 2])
        Array([1, 2, 0], dtype=int32)
    """
    return jnp.argsort(x, axis if jnp.ndim(x) else None)


@operation("x")
def argpartition(x: ArrayLike, kth: int, axis: int | None = -1) -> Array:
    """The indices of a partition: the smaller elements, the kth smallest element at index kth, the larger elements.

    Args:
        x: array.
        kth: the index of the element, counted from 0.
        axis: the axis; -1 by default; None for the flattened array.

    Example:
        >>> argpartition([3, 1, 2], 1)
        Array([1, 2, 0], dtype=int32)
    """
    return jnp.argpartition(jnp.ravel(x) if axis is None else x, kth, 0 if axis is None else axis)


@operation("sorted_sequence", "values")
def searchsorted(sorted_sequence: ArrayLike, values: ArrayLike, side: str = "left") -> Array:
    """The indices at which values would have to be inserted into a sorted sequence to keep it sorted.

    Args:
        sorted_sequence: a sequence in ascending order, [length].
        values: the values, an array of any shape.
        side: `"left"` (the default) to insert before equal elements, `"right"` to insert after them.

    Returns:
        The indices, in the shape of `values`.

    Raises:
        ValueError: when the sequence does not have one axis.

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
    """The unique elements of an array, or its unique slices along an axis.

    Args:
        x: array.
        sorted: If True (the default), return them in ascending order.
        return_index: If True, also return the index of the first occurrence of each unique element. False by default.
        return_inverse: If True, also return for each element of x the index of its unique element. False by default.
        return_counts: If True, also return the number of occurrences of each unique element. False by default.
        axis: the axis of the slices; None (the default) for the elements of the flattened array.
        size: the number of unique elements to return; needed in compiled functions.
        fill_value: the value to fill up with when there are fewer than `size` unique elements; the smallest element by
            default.

    Returns:
        The unique elements, or a tuple of them and of the arrays asked for.

    Example:
        >>> unique([3, 1, 3], return_counts=True)
        (Array([1, 3], dtype=int32), Array([1, 2], dtype=int32))
    """
    return jnp.unique(
        x, return_index, return_inverse, return_counts, axis, equal_nan=False, size=size, fill_value=fill_value,
        sorted=sorted,
    )  # fmt: skip


sized_by_values(unique)(unique)


@operation("indices")
def unravel_index(indices: ArrayLike, shape: Sequence[int]) -> tuple[Array, ...]:
    """Convert indices of the flattened array to one array of indices for each axis.

    Args:
        indices: indices of the flattened array.
        shape: the shape of the array.

    Example:
        >>> unravel_index([3, 1], (2, 2))
        (Array([1, 0], dtype=int32), Array([1, 1], dtype=int32))
    """
    return jnp.unravel_index(indices, tuple(shape))
