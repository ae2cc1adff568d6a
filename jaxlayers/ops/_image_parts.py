"""Patches of images and volumes, flattened into channels."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import operation
from jaxlayers.numerics.image_layout import as_batch
from jaxlayers.numerics.spatial import format_of, one_of, per_axis
from jaxlayers.numerics.types import Array, ArrayLike

__all__ = ["extract_patches", "extract_patches_3d"]


@operation("images")
def extract_patches(
    images: ArrayLike,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """Cut images into patches, and flatten each patch into channels.

    Args:
        images: one image, [height, width, channels], or a batch, [batch, height, width, channels]; or with the channels
            first. If `size` has three numbers, volumes.
        size: the height and width of a patch: one integer for both, or a sequence.
        strides: the distance between neighbouring patches along each axis; None (the default) for `size`, so that
            patches do not overlap.
        dilation_rate: the distance between neighbouring pixels of a patch; 1 by default.
        padding: `"valid"` (the default) for the patches that lie inside of the image; `"same"` to pad the image with
            zeros, so that there are ceil(size of the image / stride) patches along each axis.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Returns:
        The patches, [batch, rows, columns, patch height * patch width * channels], or with the last axis as axis 1;
        without the batch axis for one image.

    Raises:
        TypeError: when `size` is neither an integer nor a sequence.
        ValueError: when an argument has another value, or the images another number of axes.

    Example:
        >>> extract_patches(jnp.arange(16).reshape(4, 4, 1), 2)[0]
        Array([[0, 1, 4, 5],
               [2, 3, 6, 7]], dtype=int32)
    """
    size = np.asarray(size).tolist() if hasattr(size, "ndim") else size  # the numbers of an array
    if not isinstance(size, int | list | tuple):
        raise TypeError(f"ops.image.extract_patches expects an integer or a tuple as size; received {size!r}.")
    axes = 2 if isinstance(size, int) else len(size)
    if axes not in (2, 3):
        raise ValueError(f"ops.image.extract_patches expects a size of 2 or 3 numbers; received {size}.")
    return _patches("extract_patches", images, axes, size, strides, dilation_rate, padding, data_format)


@operation("volumes")
def extract_patches_3d(
    volumes: ArrayLike,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """Cut volumes into patches, and flatten each patch into channels; see `extract_patches`.

    Args:
        volumes: one volume, [depth, height, width, channels], or a batch of volumes; or with the channels first.
        size: the depth, height and width of a patch: one integer for all, or a sequence.
        strides: the distance between neighbouring patches along each axis; None (the default) for `size`.
        dilation_rate: the distance between neighbouring voxels of a patch; 1 by default.
        padding: `"valid"` (the default) or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Returns:
        The patches, [batch, planes, rows, columns, elements of a patch], or with the last axis as axis 1; without the
        batch axis for one volume.

    Raises:
        ValueError: when an argument has another value, or the volumes another number of axes.

    Example:
        >>> extract_patches_3d(jnp.ones((4, 4, 4, 1)), 2).shape
        (2, 2, 2, 8)
    """
    return _patches("extract_patches_3d", volumes, 3, size, strides, dilation_rate, padding, data_format)


def _patches(
    function: str, images: Any, axes: int, size: Any, strides: Any, rate: Any, padding: str, data_format: Any
) -> Array:
    function = f"ops.image.{function}"
    if images.ndim not in (axes + 1, axes + 2):
        raise ValueError(
            f"{function} expects {axes + 1} axes, or {axes + 2} axes for a batch; received shape {images.shape}."
        )
    sizes = per_axis(function, "size", size, axes)
    steps = per_axis(function, "strides", size if strides is None else strides, axes)
    rates = per_axis(function, "dilation_rate", rate, axes)
    pad = one_of(function, "padding", padding, ("valid", "same")) == "same"
    last = format_of(function, data_format) == "channels_last"
    return _cut_patches(images, sizes, steps, rates, pad, last)


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4, 5))
def _cut_patches(
    images: Any, sizes: tuple[int, ...], strides: tuple[int, ...], rates: tuple[int, ...], pad: bool, last: bool
) -> Array:
    axes = len(sizes)
    images, restore = as_batch(images, last, axes)
    for number, (size, stride, rate) in enumerate(zip(sizes, strides, rates, strict=True)):
        axis = 1 + 2 * number  # each earlier axis has become two axes: patch, position in the patch
        length, extent = images.shape[axis], (size - 1) * rate + 1
        count = -(-length // stride) if pad else (length - extent) // stride + 1
        if pad:
            missing = max((count - 1) * stride + extent - length, 0)
            widths = [(0, 0)] * images.ndim
            widths[axis] = missing // 2, missing - missing // 2
            images = jnp.pad(images, widths)
        if stride == size and rate == 1:  # patches without gaps or overlaps: a reshape, without a copy
            images = jax.lax.slice_in_dim(images, 0, count * size, axis=axis)
            images = images.reshape(*images.shape[:axis], count, size, *images.shape[axis + 1 :])
        else:
            images = jnp.take(images, np.arange(count)[:, None] * stride + np.arange(size) * rate, axis=axis)
    order = (0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1)
    patches = images.transpose(order)  # [batch, *counts, *sizes, channels]
    return restore(patches.reshape(*patches.shape[: axes + 1], math.prod(patches.shape[axes + 1 :])))
