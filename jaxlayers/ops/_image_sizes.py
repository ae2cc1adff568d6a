"""Images of other sizes: interpolated, scaled and moved, cropped, padded."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.image_layout import channels_last, check_rank
from jaxlayers.numerics.types import Array, ArrayLike
from jaxlayers.ops.core import saturate_cast

__all__ = ["crop_images", "pad_images", "resize", "scale_and_translate"]

_INTERPOLATIONS = ("bilinear", "nearest", "lanczos3", "lanczos5", "bicubic")
_METHODS = ("linear", "bilinear", "trilinear", "cubic", "bicubic", "tricubic", "lanczos3", "lanczos5")


@operation("images")
def resize(
    images: ArrayLike,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Array:
    """Images of another size, by interpolation.

    Args:
        images: one image or a batch.
        size: the new height and width.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        antialias: whether to smooth first what becomes smaller.
        crop_to_aspect_ratio: whether to cut the middle out first, in the new ratio of height to width.
        pad_to_aspect_ratio: whether to put a frame around first, to reach that ratio.
        fill_mode: `"constant"`.
        fill_value: what the frame is made of.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Returns:
        images of the new size and the same dtype; whole numbers are rounded, and held within their range.

    Raises:
        ValueError: for arguments that make no sense, or another number of axes.

    Example:
        >>> resize([[[0.0], [1.0]]], (1, 4)).ravel()
        Array([0.  , 0.25, 0.75, 1.  ], dtype=float32)
    """
    last = channels_last("ops.image.resize", data_format)
    check_rank("ops.image.resize", images.shape)
    if len(size) != 2 or min(size) <= 0:
        raise ValueError(f"ops.image.resize expects size to be (height, width), both positive; received {size}.")
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(
            f"ops.image.resize expects an interpolation among {_INTERPOLATIONS}; received {interpolation!r}."
        )
    if fill_mode != "constant":
        raise ValueError(f"ops.image.resize expects fill_mode 'constant'; received {fill_mode!r}.")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("ops.image.resize either crops or pads to the aspect ratio; received True for both.")
    fit = "crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else ""
    return _resize(images, (int(size[0]), int(size[1])), interpolation, antialias, fit, fill_value, last)


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4, 6))
def _resize(
    images: Any, size: tuple[int, int], interpolation: str, antialias: bool, fit: str, fill_value: Any, last: bool
) -> Array:
    dtype = images.dtype
    axis = images.ndim - (3 if last else 2)  # of the height
    height, width = images.shape[axis : axis + 2]
    # The largest box inside of the image, or smallest around it, of the new aspect ratio.
    box = int(float(width * size[0]) / size[1]), int(float(height * size[1]) / size[0])
    if fit == "crop":
        rows, columns = max(min(height, box[0]), 1), max(min(width, box[1]), 1)
        images = jax.lax.slice_in_dim(images, (height - rows) // 2, (height - rows) // 2 + rows, axis=axis)
        images = jax.lax.slice_in_dim(images, (width - columns) // 2, (width - columns) // 2 + columns, axis=axis + 1)
    elif fit == "pad":
        widths = [(0, 0)] * images.ndim
        widths[axis] = ((max(height, box[0]) - height) // 2,) * 2
        widths[axis + 1] = ((max(width, box[1]) - width) // 2,) * 2
        if widths[axis][0]:
            widths[axis + 1] = (0, 0)
        images = jnp.pad(images.astype(jnp.result_type(images, fill_value)), widths, constant_values=fill_value)
    shape = (*images.shape[:axis], *size, *images.shape[axis + 2 :])
    resized = jax.image.resize(images, shape, interpolation, antialias)
    if resized.dtype == dtype:
        return resized
    return saturate_cast(jnp.round(resized) if jnp.issubdtype(dtype, jnp.integer) else resized, dtype)


@operation("images", "scale", "translation")
def scale_and_translate(
    images: ArrayLike,
    output_shape: Sequence[int],
    scale: ArrayLike,
    translation: ArrayLike,
    spatial_dims: Sequence[int],
    method: str,
    antialias: bool = True,
) -> Array:
    """Images scaled and moved, by interpolation: the pixel at x goes to x scale + translation.

    Args:
        images: any array.
        output_shape: the whole shape of the result.
        scale: one number for each of the axes.
        translation: one number for each of the axes.
        spatial_dims: the axes that change.
        method: `"linear"`, `"cubic"`, `"lanczos3"` or `"lanczos5"`; bilinear and trilinear are linear too, bicubic and
            tricubic cubic.
        antialias: whether to smooth first what becomes smaller.

    Returns:
        a float array.

    Raises:
        ValueError: for another method.

    Example:
        >>> scale_and_translate([[[0.0], [1.0]]], (1, 4, 1), [1.0], [1.0], (1,), "linear").ravel()
        Array([0., 0., 1., 0.], dtype=float32)
    """
    if method not in _METHODS:
        raise ValueError(f"ops.image.scale_and_translate expects a method among {_METHODS}; received {method!r}.")
    dims, shape = tuple(spatial_dims), tuple(output_shape)
    return _scale_and_translate(images, shape, dims, jnp.asarray(scale), jnp.asarray(translation), method, antialias)


_scale_and_translate = jax.jit(jax.image.scale_and_translate, static_argnums=(1, 2, 5, 6))


@operation("images")
def pad_images(
    images: ArrayLike,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Array:
    """Images with zeros around; two of the three arguments for each axis say how many.

    Args:
        images: one image or a batch.
        top_padding: rows above.
        left_padding: columns on the left.
        bottom_padding: rows below.
        right_padding: columns on the right.
        target_height: the new height.
        target_width: the new width.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Raises:
        ValueError: unless exactly two are given, none negative, and they fit.

    Example:
        >>> pad_images([[[7]]], 0, 1, 0, target_width=3).ravel()
        Array([0, 7, 0], dtype=int32)
    """
    axis = _height_axis("pad_images", images, data_format)
    widths = [(0, 0)] * images.ndim
    for number, values in enumerate(
        ((top_padding, bottom_padding, target_height), (left_padding, right_padding, target_width))
    ):
        name = ("height", "width")[number]
        before, after, target = _two_of_three("pad_images", name, values)
        grown = None if target is None else target - images.shape[axis + number]
        before, after = _completed("pad_images", name, before, after, grown)
        widths[axis + number] = before, after
    return jnp.pad(images, widths)


@operation("images")
def crop_images(
    images: ArrayLike,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Array:
    """Images with something cut off; two of the three arguments for each axis say how much.

    Args:
        images: one image or a batch.
        top_cropping: rows cut off above.
        left_cropping: columns cut off on the left.
        bottom_cropping: rows cut off below.
        right_cropping: columns cut off on the right.
        target_height: the new height.
        target_width: the new width.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Raises:
        ValueError: unless exactly two are given, none negative, and they fit; Keras moves a crop that sticks out.

    Example:
        >>> crop_images([[[1], [2], [3]]], 0, 1, 0, target_width=1).ravel()
        Array([2], dtype=int32)
    """
    axis = _height_axis("crop_images", images, data_format)
    for number, values in enumerate(
        ((top_cropping, bottom_cropping, target_height), (left_cropping, right_cropping, target_width))
    ):
        name, size = ("height", "width")[number], images.shape[axis + number]
        before, after, target = _two_of_three("crop_images", name, values)
        before, after = _completed("crop_images", name, before, after, None if target is None else size - target)
        if before + after > size:
            raise ValueError(
                f"ops.image.crop_images cuts {before} and {after} off a {name} of {size} in shape {images.shape}."
            )
        images = jax.lax.slice_in_dim(images, before, size - after, axis=axis + number)
    return images


def _height_axis(function: str, images: Any, data_format: str | None) -> int:
    last = channels_last(f"ops.image.{function}", data_format)
    check_rank(f"ops.image.{function}", images.shape)
    return images.ndim - (3 if last else 2)


def _two_of_three(function: str, name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    if values.count(None) != 1 or any(value is not None and value < 0 for value in values):
        raise ValueError(
            f"ops.image.{function} expects two numbers, none negative, for the {name}: out of before, after and "
            f"target; received {values}."
        )
    return values


def _completed(function: str, name: str, before: Any, after: Any, change: Any) -> tuple[int, int]:
    """What is done before and after, from one of them and the change of size, or from both."""
    before = change - after if before is None else before
    after = change - before if after is None else after
    if before < 0 or after < 0:
        raise ValueError(
            f"ops.image.{function}: the {name} would change by {before} before and {after} after, which must not be "
            "negative. Choose another target."
        )
    return before, after
