"""Shapes: reshaping, moving and reversing axes."""

from collections.abc import Sequence

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.types import Array, ArrayLike, Axis, DType, Shape, dtype_or_none, hashable
from jaxlayers.ops.core import shape

__all__ = [
    "broadcast_to", "copy", "expand_dims", "flip", "fliplr", "flipud", "moveaxis", "ndim", "ravel", "reshape", "roll",
    "rot90", "size", "squeeze", "swapaxes", "transpose", "view",
]  # fmt: skip


def ndim(x: ArrayLike) -> int:
    """The number of axes.

    Example:
        >>> ndim([[1, 2], [3, 4]])
        2
    """
    return len(shape(x))


@operation("x")
def size(x: ArrayLike) -> int:
    """The number of elements.

    Example:
        >>> size([[1, 2], [3, 4]])
        4
    """
    return jnp.size(x)


@operation("x")
def copy(x: ArrayLike) -> Array:
    """The same values in memory of their own.

    Example:
        >>> copy([1, 2])
        Array([1, 2], dtype=int32)
    """
    return jnp.copy(x)


@operation("x")
def view(x: ArrayLike, dtype: DType = None) -> Array:
    """The same bits read as another dtype; the last axis grows or shrinks with the width.

    Args:
        x: array.
        dtype: what to read them as; None leaves x as it is.

    Example:
        >>> view([1.0], "int32")
        Array([1065353216], dtype=int32)
    """
    return jnp.asarray(x).view(dtype_or_none(dtype))


@operation("x")
def reshape(x: ArrayLike, newshape: Shape) -> Array:
    """The same elements, in the same order, in another shape.

    Args:
        x: array.
        newshape: sizes; one may be -1, for what remains.

    Example:
        >>> reshape([1, 2, 3, 4], (2, -1))
        Array([[1, 2],
               [3, 4]], dtype=int32)
    """
    return jnp.reshape(x, newshape)


@operation("x")
def ravel(x: ArrayLike) -> Array:
    """All elements along one axis.

    Example:
        >>> ravel([[1, 2], [3, 4]])
        Array([1, 2, 3, 4], dtype=int32)
    """
    return jnp.ravel(x)


@operation("x")
def transpose(x: ArrayLike, axes: Sequence[int] | None = None) -> Array:
    """Axes in another order.

    Args:
        x: array.
        axes: which axis of x comes where; None turns them all round.

    Example:
        >>> transpose([[1, 2], [3, 4]])
        Array([[1, 3],
               [2, 4]], dtype=int32)
    """
    return jnp.transpose(x, axes)


@operation("x")
def swapaxes(x: ArrayLike, axis1: int, axis2: int) -> Array:
    """Two axes in each other's place.

    Example:
        >>> swapaxes([[1, 2], [3, 4]], 0, 1)
        Array([[1, 3],
               [2, 4]], dtype=int32)
    """
    return jnp.swapaxes(x, axis1, axis2)


@operation("x")
def moveaxis(x: ArrayLike, source: int | Sequence[int], destination: int | Sequence[int]) -> Array:
    """Some axes moved to other places, the rest in order.

    Args:
        x: array.
        source: which axes.
        destination: where each goes.

    Example:
        >>> moveaxis([[[1, 2, 3]]], -1, 0).shape
        (3, 1, 1)
    """
    return jnp.moveaxis(x, source, destination)


@operation("x")
def expand_dims(x: ArrayLike, axis: int | Sequence[int]) -> Array:
    """New axes of size 1, at these places of the result.

    Example:
        >>> expand_dims([1, 2], -1)
        Array([[1],
               [2]], dtype=int32)
    """
    return jnp.expand_dims(x, axis)


@operation("x")
def squeeze(x: ArrayLike, axis: Axis = None) -> Array:
    """Without these axes of size 1; without all such for `axis=None`.

    Example:
        >>> squeeze([[1, 2]])
        Array([1, 2], dtype=int32)
    """
    return jnp.squeeze(x, axis)


@operation("x")
def broadcast_to(x: ArrayLike, shape: Shape) -> Array:
    """Repeated along axes of size 1, and along new ones in front, to a shape.

    Example:
        >>> broadcast_to([1, 2], (2, 2))
        Array([[1, 2],
               [1, 2]], dtype=int32)
    """
    return jnp.broadcast_to(x, shape)


@operation("x")
def flip(x: ArrayLike, axis: Axis = None) -> Array:
    """In the opposite order along some axes; along all for `axis=None`.

    Example:
        >>> flip([[1, 2], [3, 4]], axis=1)
        Array([[2, 1],
               [4, 3]], dtype=int32)
    """
    return jnp.flip(x, hashable(axis))


@operation("x")
def fliplr(x: ArrayLike) -> Array:
    """In the opposite order along the second axis: left and right exchanged.

    Example:
        >>> fliplr([[1, 2], [3, 4]])
        Array([[2, 1],
               [4, 3]], dtype=int32)
    """
    return jnp.fliplr(x)


@operation("x")
def flipud(x: ArrayLike) -> Array:
    """In the opposite order along the first axis: up and down exchanged.

    Example:
        >>> flipud([[1, 2], [3, 4]])
        Array([[3, 4],
               [1, 2]], dtype=int32)
    """
    return jnp.flipud(x)


@operation("array")
def rot90(array: ArrayLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """Turned by k right angles, from the first of two axes towards the second.

    Raises:
        ValueError: when the array has fewer than two axes, or the two axes are one.

    Example:
        >>> rot90([[1, 2], [3, 4]])
        Array([[2, 4],
               [1, 3]], dtype=int32)
    """
    if jnp.ndim(array) < 2:
        raise ValueError(f"ops.rot90 expects an array of two axes or more; received shape {jnp.shape(array)}.")
    return jnp.rot90(array, k, axes)


@operation("x")
def roll(x: ArrayLike, shift: int | Sequence[int], axis: Axis = None) -> Array:
    """Moved on by some places; what leaves at one end enters at the other.

    Args:
        x: array.
        shift: by how many places, for each axis.
        axis: along which axis or axes; None moves the flattened array.

    Example:
        >>> roll([1, 2, 3], 1)
        Array([3, 1, 2], dtype=int32)
    """
    return jnp.roll(x, shift, hashable(axis))
