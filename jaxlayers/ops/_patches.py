"""Images as columns of patches, and back: two linear maps, one the transpose of the other."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.spatial import per_axis
from jaxlayers.numerics.types import Array, ArrayLike, Shape

__all__ = ["fold", "unfold"]


@operation("x")
def unfold(x: ArrayLike, kernel_size: Shape, dilation: Shape = 1, padding: Shape = 0, stride: Shape = 1) -> Array:
    """The patches of images, each as a column.

    Args:
        x: [batch, channels, height, width].
        kernel_size: the size of a patch; one number, or one each for height and width.
        dilation: how far apart the elements of a patch are.
        padding: how many zeros go around the images, on each side.
        stride: how far apart patches are.

    Returns:
        [batch, channels * patch height * patch width, patches].

    Raises:
        ValueError: when an argument is wrong, or no patch fits.

    Example:
        >>> unfold([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]], 2)
        Array([[[1., 2.],
                [2., 3.],
                [4., 5.],
                [5., 6.]]], dtype=float32)
    """
    if x.ndim != 4:
        raise ValueError(f"ops.unfold expects images [batch, channels, height, width]; received shape {x.shape}.")
    how = _checked("ops.unfold", kernel_size, dilation, padding, stride)
    _patches_along("ops.unfold", x.shape[2:], *how)
    return _unfold(x, *how)


@operation("x")
def fold(
    x: ArrayLike,
    output_size: Shape,
    kernel_size: Shape,
    dilation: Shape = 1,
    padding: Shape = 0,
    stride: Shape = 1,
) -> Array:
    """Images from the columns that `unfold` makes of them, with what overlaps added up.

    Args:
        x: [batch, channels * patch height * patch width, patches].
        output_size: height and width of the images; one number when they are the same.
        kernel_size: as for `unfold`.
        dilation: likewise.
        padding: likewise.
        stride: likewise.

    Returns:
        [batch, channels, height, width].

    Raises:
        ValueError: when an argument is wrong, or images of that size do not have as many patches.

    Example:
        >>> fold([[[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [5.0, 6.0]]], (2, 3), 2)
        Array([[[[ 1.,  4.,  3.],
                 [ 4., 10.,  6.]]]], dtype=float32)
    """
    if x.ndim != 3:
        raise ValueError(f"ops.fold expects columns [batch, channels * patch, patches]; received shape {x.shape}.")
    image = per_axis("ops.fold", "output_size", output_size, 2)
    how = _checked("ops.fold", kernel_size, dilation, padding, stride)
    rows, columns = _patches_along("ops.fold", image, *how)
    elements = how[0][0] * how[0][1]
    if x.shape[1] % elements or x.shape[2] != rows * columns:
        raise ValueError(
            f"ops.fold expects columns of a multiple of {elements} elements, {rows * columns} of them for images of "
            f"{image}; received shape {x.shape}."
        )
    return _fold(x, image, *how)


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4, 5), inline=True)
def _fold(x: Any, image: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Array:
    channels = x.shape[1] // (kernel_size[0] * kernel_size[1])
    images = jax.ShapeDtypeStruct((x.shape[0], channels, *image), x.dtype)
    (folded,) = jax.linear_transpose(lambda x: _unfold(x, kernel_size, dilation, padding, stride), images)(x)
    return folded


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4), inline=True)
def _unfold(x: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Array:
    """Slices that are strided along one axis after the other: each value is moved, none is computed with."""
    x = jnp.pad(x, [(0, 0), (0, 0), *((size, size) for size in padding)])
    for axis in (0, 1):
        at = 2 + 2 * axis  # [batch, channels, kernel height, rows, kernel width, columns]
        last = x.shape[at] - (kernel_size[axis] - 1) * dilation[axis]
        slices = [
            jax.lax.slice_in_dim(x, i * dilation[axis], i * dilation[axis] + last, stride[axis], at)
            for i in range(kernel_size[axis])
        ]
        x = jnp.stack(slices, at)
    batch, channels, height, rows, width, columns = x.shape
    return x.transpose(0, 1, 2, 4, 3, 5).reshape(batch, channels * height * width, rows * columns)


def _checked(where: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> tuple[tuple[int, ...], ...]:
    return (
        per_axis(where, "kernel_size", kernel_size, 2),
        per_axis(where, "dilation", dilation, 2),
        per_axis(where, "padding", padding, 2, least=0),
        per_axis(where, "stride", stride, 2),
    )


def _patches_along(where: str, image: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> list[int]:
    """How many patches there are along height and width."""
    spare = [n + 2 * p - d * (k - 1) - 1 for n, k, d, p in zip(image, kernel_size, dilation, padding, strict=True)]
    if min(spare) < 0:
        raise ValueError(
            f"{where}: patches of {kernel_size} with dilation {dilation} do not fit into images of {tuple(image)} with "
            f"padding {padding}."
        )
    return [room // step + 1 for room, step in zip(spare, stride, strict=True)]
