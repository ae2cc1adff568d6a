"""Functions of shapes: reshaping, transposing, adding, removing and reversing axes."""

from collections.abc import Sequence

import jax.numpy as jnp

from jaxlayers.common import unknown_sizes
from jaxlayers.core import operation
from jaxlayers.core.operations import sized_by_values
from jaxlayers.numerics.types import Array, ArrayLike, Axis, DType, Shape, dtype_or_none, hashable
from jaxlayers.ops._declarations import computed_by
from jaxlayers.ops.core import shape

__all__ = [
    "broadcast_to", "copy", "expand_dims", "flip", "fliplr", "flipud", "moveaxis", "ndim", "ravel", "reshape", "roll",
    "rot90", "size", "squeeze", "swapaxes", "transpose", "view",
]  # fmt: skip


def ndim(x: ArrayLike) -> int:
    """Return the number of axes.

    Example:
        >>> ndim([[1, 2], [3, 4]])
        2
    """
    return len(shape(x))


@computed_by(jnp.size)
def size(x: ArrayLike) -> int:
    """Return the number of elements.

    Example:
        >>> size([[1, 2], [3, 4]])
        4
    """


@computed_by(jnp.copy)
def copy(x: ArrayLike) -> Array:
    """Copy an array.

    Example:
        >>> copy([1, 2])
        Array([1, 2], dtype=int32)
    """


@operation("x")
def view(x: ArrayLike, dtype: DType = None) -> Array:
    """Reinterpret the bits of an array as another dtype.

    If the number of bits of the dtype changes, the size of the last axis changes as well.

    Args:
        x: array.
        dtype: the dtype of the result; None (the default) to leave x unchanged.

    Example:
        >>> view([1.0], "int32")
        Array([1065353216], dtype=int32)
    """
    return jnp.asarray(x).view(dtype_or_none(dtype))


@operation("x")
def reshape(x: ArrayLike, newshape: Shape) -> Array:
    """Change the shape of an array. The elements keep their (row-major) order.

    Args:
        x: array.
        newshape: the new shape. One size may be -1: it is computed from the others. None, an unknown size of a symbolic
            tensor, is the size of the same axis of x; without -1, a single None stands for -1.

    Example:
        >>> reshape([1, 2, 3, 4], (2, -1))
        Array([[1, 2],
               [3, 4]], dtype=int32)
    """
    return unknown_sizes.reshape(x, newshape)


@sized_by_values(reshape)
def _reshape_to_size(x: Array, newshape: Sequence[int], size: int) -> Array:
    return jnp.zeros([n if isinstance(n, int) and n >= 0 else size for n in newshape], x.dtype)


@computed_by(jnp.ravel)
def ravel(x: ArrayLike) -> Array:
    """Flatten an array to one axis.

    Example:
        >>> ravel([[1, 2], [3, 4]])
        Array([1, 2, 3, 4], dtype=int32)
    """


@computed_by(jnp.transpose, "x")
def transpose(x: ArrayLike, axes: Sequence[int] | None = None) -> Array:
    """Permute the axes of an array.

    Args:
        x: array.
        axes: the axes of x in the order of the result; None (the default) for the reverse order.

    Example:
        >>> transpose([[1, 2], [3, 4]])
        Array([[1, 3],
               [2, 4]], dtype=int32)
    """


@computed_by(jnp.swapaxes, "x")
def swapaxes(x: ArrayLike, axis1: int, axis2: int) -> Array:
    """Exchange two axes of an array.

    Args:
        x: array.
        axis1: an axis.
        axis2: another axis.

    Example:
        >>> swapaxes([[1, 2], [3, 4]], 0, 1)
        Array([[1, 3],
               [2, 4]], dtype=int32)
    """


@computed_by(jnp.moveaxis, "x")
def moveaxis(x: ArrayLike, source: int | Sequence[int], destination: int | Sequence[int]) -> Array:
    """Move axes of an array to other positions; the other axes keep their order.

    Args:
        x: array.
        source: the axis or axes to move.
        destination: the positions of these axes in the result.

    Example:
        >>> moveaxis([[[1, 2, 3]]], -1, 0).shape
        (3, 1, 1)
    """


@computed_by(jnp.expand_dims, "x")
def expand_dims(x: ArrayLike, axis: int | Sequence[int]) -> Array:
    """Add axes of size 1.

    Args:
        x: array.
        axis: the position or positions of the new axes in the result.

    Example:
        >>> expand_dims([1, 2], -1)
        Array([[1],
               [2]], dtype=int32)
    """


@computed_by(jnp.squeeze, "x")
def squeeze(x: ArrayLike, axis: Axis = None) -> Array:
    """Remove axes of size 1.

    Args:
        x: array.
        axis: the axis or axes to remove; None (the default) for all axes of size 1.

    Example:
        >>> squeeze([[1, 2]])
        Array([1, 2], dtype=int32)
    """


@computed_by(jnp.broadcast_to, "x")
def broadcast_to(x: ArrayLike, shape: Shape) -> Array:
    """Broadcast an array to a shape: repeat it along axes of size 1, and along new axes in front.

    Args:
        x: array.
        shape: the shape of the result.

    Example:
        >>> broadcast_to([1, 2], (2, 2))
        Array([[1, 2],
               [1, 2]], dtype=int32)
    """


@operation("x")
def flip(x: ArrayLike, axis: Axis = None) -> Array:
    """Reverse the order of the elements along axes.

    Args:
        x: array.
        axis: the axis or axes; None (the default) for all axes.

    Example:
        >>> flip([[1, 2], [3, 4]], axis=1)
        Array([[2, 1],
               [4, 3]], dtype=int32)
    """
    return jnp.flip(x, hashable(axis))


@computed_by(jnp.fliplr)
def fliplr(x: ArrayLike) -> Array:
    """Reverse the order of the elements along the second axis (left and right).

    Example:
        >>> fliplr([[1, 2], [3, 4]])
        Array([[2, 1],
               [4, 3]], dtype=int32)
    """


@computed_by(jnp.flipud)
def flipud(x: ArrayLike) -> Array:
    """Reverse the order of the elements along the first axis (up and down).

    Example:
        >>> flipud([[1, 2], [3, 4]])
        Array([[3, 4],
               [1, 2]], dtype=int32)
    """


@operation("array")
def rot90(array: ArrayLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """Rotate an array by multiples of 90 degrees in the plane of two axes.

    Args:
        array: array.
        k: the number of rotations by 90 degrees, 1 by default; negative numbers for the opposite direction.
        axes: the two axes of the plane, `(0, 1)` by default. The rotation is from the first towards the second axis.

    Raises:
        ValueError: when the array has fewer than two axes, or the two axes are equal.

    Example:
        >>> rot90([[1, 2], [3, 4]])
        Array([[2, 4],
               [1, 3]], dtype=int32)
    """
    if jnp.ndim(array) < 2:
        raise ValueError(f"ops.rot90 expects an array of at least two axes; received shape {jnp.shape(array)}.")
    return jnp.rot90(array, k, axes)


@operation("x")
def roll(x: ArrayLike, shift: int | Sequence[int], axis: Axis = None) -> Array:
    """Shift elements along axes; elements that leave at one end enter at the other end.

    Args:
        x: array.
        shift: the number of positions: one integer, or one for each axis.
        axis: the axis or axes; None (the default) for the flattened array.

    Example:
        >>> roll([1, 2, 3], 1)
        Array([3, 1, 2], dtype=int32)
    """
    return jnp.roll(x, shift, hashable(axis))
