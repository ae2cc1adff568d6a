"""Patches cut from images and volumes."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import operation
from jaxlayers.numerics.image_layout import channels_last
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
    """Patches of images, each flattened into channels.

    Args:
        images: one image or a batch; with a `size` of three numbers, volumes.
        size: of a patch, for both axes or each.
        strides: from one patch to the next; by default its size, so that patches do not overlap.
        dilation_rate: from one pixel of a patch to the next.
        padding: `"valid"` for patches that are all inside; `"same"` for as many as fit with zeros around.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Returns:
        `[batch, rows, columns, height * width * channels]`, or with the last axis in second place.

    Raises:
        TypeError: when `size` is neither an integer nor a sequence.
        ValueError: for arguments that do not fit.

    Example:
        >>> extract_patches(jnp.arange(16).reshape(4, 4, 1), 2)[0]
        Array([[0, 1, 4, 5],
               [2, 3, 6, 7]], dtype=int32)
    """
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
    """Patches of volumes, each flattened into channels; arguments as for `extract_patches`.

    Args:
        volumes: one volume `[depth, height, width, channels]` or a batch.
        size: of a patch.
        strides: from one patch to the next; by default its size.
        dilation_rate: from one voxel of a patch to the next.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Raises:
        ValueError: for arguments that do not fit.

    Example:
        >>> extract_patches_3d(jnp.ones((4, 4, 4, 1)), 2).shape
        (2, 2, 2, 8)
    """
    return _patches("extract_patches_3d", volumes, 3, size, strides, dilation_rate, padding, data_format)


def _patches(
    function: str, images: Any, axes: int, size: Any, strides: Any, rate: Any, padding: str, data_format: Any
) -> Array:
    function = f"ops.image.{function}"
    last = channels_last(function, data_format)
    if images.ndim not in (axes + 1, axes + 2):
        raise ValueError(
            f"{function} expects {axes + 1} axes, or {axes + 2} with a batch in front; received {images.shape}."
        )
    if str(padding).lower() not in ("valid", "same"):
        raise ValueError(f"{function} expects padding 'valid' or 'same'; received {padding!r}.")
    numbers = [_each(function, name, value, axes) for name, value in
               (("size", size), ("strides", strides or size), ("dilation_rate", rate))]  # fmt: skip
    return _cut(images, *numbers, str(padding).lower() == "same", last)


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4, 5))
def _cut(
    images: Any, sizes: tuple[int, ...], strides: tuple[int, ...], rates: tuple[int, ...], pad: bool, last: bool
) -> Array:
    axes = len(sizes)
    single = images.ndim == axes + 1
    images = images[None] if single else images
    images = images if last else jnp.moveaxis(images, 1, -1)
    for number, (size, stride, rate) in enumerate(zip(sizes, strides, rates, strict=True)):
        axis = 1 + 2 * number  # each axis done becomes two: patch, place in it
        length, reach = images.shape[axis], (size - 1) * rate + 1
        count = -(-length // stride) if pad else (length - reach) // stride + 1
        if pad:
            missing = max((count - 1) * stride + reach - length, 0)
            widths = [(0, 0)] * images.ndim
            widths[axis] = missing // 2, missing - missing // 2
            images = jnp.pad(images, widths)
        if stride == size and rate == 1:  # side by side: no copying
            images = jax.lax.slice_in_dim(images, 0, count * size, axis=axis)
            images = images.reshape(*images.shape[:axis], count, size, *images.shape[axis + 1 :])
        else:
            images = jnp.take(images, np.arange(count)[:, None] * stride + np.arange(size) * rate, axis=axis)
    order = (0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1)
    patches = images.transpose(order)  # [batch, *counts, *sizes, channels]
    patches = patches.reshape(*patches.shape[: axes + 1], math.prod(patches.shape[axes + 1 :]))
    patches = patches if last else jnp.moveaxis(patches, -1, 1)
    return patches[0] if single else patches


def _each(function: str, name: str, value: Any, axes: int) -> tuple[int, ...]:
    numbers = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(numbers) != axes or min(numbers) < 1:
        raise ValueError(f"{function} expects one positive {name}, or {axes}; received {value!r}.")
    return numbers
