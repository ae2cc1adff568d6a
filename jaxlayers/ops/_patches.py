"""Conversion of images to columns of patches and back: two linear maps, each the transpose of the other."""

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
    """Cut images into patches, and flatten each patch into a column.

    Args:
        x: images, [batch, channels, height, width].
        kernel_size: the height and width of a patch: one integer for both, or a pair.
        dilation: the distance between neighbouring elements of a patch: one integer (1 by default), or a pair.
        padding: the number of zeros added on each side of the images: one integer (0 by default), or a pair.
        stride: the distance between neighbouring patches: one integer (1 by default), or a pair.

    Returns:
        The columns, [batch, channels * patch height * patch width, patches].

    Raises:
        ValueError: when x does not have four axes, an argument is out of range, or no patch fits into the images.

    Example:
        >>> unfold([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]], 2)
        Array([[[1., 2.],
                [2., 3.],
                [4., 5.],
                [5., 6.]]], dtype=float32)
    """
    if x.ndim != 4:
        raise ValueError(f"ops.unfold expects images [batch, channels, height, width]; received shape {x.shape}.")
    geometry = _check_geometry("ops.unfold", kernel_size, dilation, padding, stride)
    _count_patches("ops.unfold", x.shape[2:], *geometry)
    return _unfold(x, *geometry)


@operation("x")
def fold(
    x: ArrayLike,
    output_size: Shape,
    kernel_size: Shape,
    dilation: Shape = 1,
    padding: Shape = 0,
    stride: Shape = 1,
) -> Array:
    """Combine columns of patches, as `unfold` returns them, to images. Overlapping elements are added.

    Args:
        x: the columns, [batch, channels * patch height * patch width, patches].
        output_size: the height and width of the images: one integer for both, or a pair.
        kernel_size: the height and width of a patch: one integer for both, or a pair.
        dilation: the distance between neighbouring elements of a patch: one integer (1 by default), or a pair.
        padding: the number of zeros that were added on each side of the images: one integer (0 by default), or a pair.
        stride: the distance between neighbouring patches: one integer (1 by default), or a pair.

    Returns:
        The images, [batch, channels, height, width].

    Raises:
        ValueError: when x does not have three axes, an argument is out of range, or images of `output_size` do not have
            this number of patches.

    Example:
        >>> fold([[[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [5.0, 6.0]]], (2, 3), 2)
        Array([[[[ 1.,  4.,  3.],
                 [ 4., 10.,  6.]]]], dtype=float32)
    """
    if x.ndim != 3:
        raise ValueError(f"ops.fold expects columns [batch, channels * patch, patches]; received shape {x.shape}.")
    image = per_axis("ops.fold", "output_size", output_size, 2)
    geometry = _check_geometry("ops.fold", kernel_size, dilation, padding, stride)
    rows, columns = _count_patches("ops.fold", image, *geometry)
    elements = geometry[0][0] * geometry[0][1]
    if x.shape[1] % elements or x.shape[2] != rows * columns:
        raise ValueError(
            f"ops.fold expects columns [batch, channels * {elements}, {rows * columns}] for images of size {image}; "
            f"received shape {x.shape}."
        )
    return _fold(x, image, *geometry)


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4, 5), inline=True)
def _fold(x: Any, image: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Array:
    channels = x.shape[1] // (kernel_size[0] * kernel_size[1])
    images = jax.ShapeDtypeStruct((x.shape[0], channels, *image), x.dtype)
    (folded,) = jax.linear_transpose(lambda x: _unfold(x, kernel_size, dilation, padding, stride), images)(x)
    return folded


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4), inline=True)
def _unfold(x: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Array:
    """Stack strided slices of each axis in turn. Values are only moved, so the results are exact."""
    x = jnp.pad(x, [(0, 0), (0, 0), *((size, size) for size in padding)])
    for axis in (0, 1):
        position = 2 + 2 * axis  # in [batch, channels, kernel height, rows, kernel width, columns]
        length = x.shape[position] - (kernel_size[axis] - 1) * dilation[axis]
        slices = [
            jax.lax.slice_in_dim(x, i * dilation[axis], i * dilation[axis] + length, stride[axis], position)
            for i in range(kernel_size[axis])
        ]
        x = jnp.stack(slices, position)
    batch, channels, height, rows, width, columns = x.shape
    return x.transpose(0, 1, 2, 4, 3, 5).reshape(batch, channels * height * width, rows * columns)


def _check_geometry(
    function: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[tuple[int, ...], ...]:
    return (
        per_axis(function, "kernel_size", kernel_size, 2),
        per_axis(function, "dilation", dilation, 2),
        per_axis(function, "padding", padding, 2, least=0),
        per_axis(function, "stride", stride, 2),
    )


def _count_patches(function: str, image: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> list[int]:
    """Return the numbers of patches along the height and the width."""
    last_start = [n + 2 * p - d * (k - 1) - 1 for n, k, d, p in zip(image, kernel_size, dilation, padding, strict=True)]
    if min(last_start) < 0:
        raise ValueError(
            f"{function}: patches of size {kernel_size} with dilation {dilation} do not fit into images of size "
            f"{tuple(image)} with padding {padding}."
        )
    return [last // step + 1 for last, step in zip(last_start, stride, strict=True)]
