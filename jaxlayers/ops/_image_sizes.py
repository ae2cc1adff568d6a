"""Changes of the size of images: resizing, scaling and translation, cropping, padding."""

import functools
import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import operation
from jaxlayers.numerics.image_layout import channels_last
from jaxlayers.numerics.spatial import one_of
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
    """Resize images by interpolation.

    Args:
        images: one image, [height, width, channels], or a batch, [batch, height, width, channels]; or with the channels
            first.
        size: the new height and width.
        interpolation: `"bilinear"` (the default), `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        antialias: If True, smooth the image before its size is reduced. False by default.
        crop_to_aspect_ratio: If True, first crop the image to the new ratio of height to width, around its centre.
            False by default.
        pad_to_aspect_ratio: If True, first pad the image to the new ratio of height to width, evenly on both sides.
            False by default.
        fill_mode: `"constant"`, the only mode of padding.
        fill_value: the value of the padding; 0 by default.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Returns:
        Images of the new size and the same dtype. Results in an integer dtype are rounded, and clipped to its range.

    Raises:
        ValueError: when an argument has another value, both aspect ratio arguments are True, or the images have another
            number of axes.

    Example:
        >>> resize([[[0.0], [1.0]]], (1, 4)).ravel()
        Array([0.  , 0.25, 0.75, 1.  ], dtype=float32)
    """
    last = channels_last("ops.image.resize", images, data_format)
    if len(size) != 2 or min(size) <= 0:
        raise ValueError(f"ops.image.resize expects size to be (height, width), both positive; received {size}.")
    interpolation = one_of("ops.image.resize", "interpolation", interpolation, _INTERPOLATIONS)
    one_of("ops.image.resize", "fill_mode", fill_mode, ("constant",))
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(
            "ops.image.resize expects crop_to_aspect_ratio=True or pad_to_aspect_ratio=True, not both; received both."
        )
    fit = "crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else ""
    return _resize(images, (int(size[0]), int(size[1])), interpolation, antialias, fit, fill_value, last)


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4, 6))
def _resize(
    images: Any, size: tuple[int, int], interpolation: str, antialias: bool, fit: str, fill_value: Any, last: bool
) -> Array:
    dtype = images.dtype
    axis = images.ndim - (3 if last else 2)  # the axis of the height; that of the width is the next
    height, width = images.shape[axis : axis + 2]
    # The height that the width requires at the new aspect ratio, and the width that the height requires.
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
    """Scale and translate images by interpolation: the pixel at x moves to x * scale + translation.

    Args:
        images: an array of any shape.
        output_shape: the shape of the result.
        scale: the scale of each of the `spatial_dims`.
        translation: the translation of each of the `spatial_dims`, in pixels.
        spatial_dims: the axes to scale and translate.
        method: `"linear"` (or `"bilinear"`, `"trilinear"`), `"cubic"` (or `"bicubic"`, `"tricubic"`), `"lanczos3"` or
            `"lanczos5"`.
        antialias: If True (the default), smooth the image before its size is reduced.

    Returns:
        An array of floats, [*output_shape].

    Raises:
        ValueError: for any other method.

    Example:
        >>> scale_and_translate([[[0.0], [1.0]]], (1, 4, 1), [1.0], [1.0], (1,), "linear").ravel()
        Array([0., 0., 1., 0.], dtype=float32)
    """
    method = one_of("ops.image.scale_and_translate", "method", method, _METHODS)
    dims, shape = tuple(map(operator.index, spatial_dims)), tuple(map(operator.index, output_shape))
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
    """Pad images with zeros.

    Exactly two of `top_padding`, `bottom_padding` and `target_height` must be given, and exactly two of `left_padding`,
    `right_padding` and `target_width`.

    Args:
        images: one image, [height, width, channels], or a batch, [batch, height, width, channels]; or with the channels
            first.
        top_padding: the number of rows to add above.
        left_padding: the number of columns to add on the left.
        bottom_padding: the number of rows to add below.
        right_padding: the number of columns to add on the right.
        target_height: the new height.
        target_width: the new width.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Returns:
        The padded images.

    Raises:
        ValueError: when not exactly two arguments are given for an axis, an argument or a resulting number is negative,
            or the images have another number of axes.

    Example:
        >>> pad_images([[[7]]], 0, 1, 0, target_width=3).ravel()
        Array([0, 7, 0], dtype=int32)
    """
    rows, columns = (top_padding, bottom_padding, target_height), (left_padding, right_padding, target_width)
    return _change_size("ops.image.pad_images", images, 1, rows, columns, data_format)


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
    """Crop images.

    Exactly two of `top_cropping`, `bottom_cropping` and `target_height` must be given, and exactly two of
    `left_cropping`, `right_cropping` and `target_width`.

    Args:
        images: one image, [height, width, channels], or a batch, [batch, height, width, channels]; or with the channels
            first.
        top_cropping: the number of rows to remove above.
        left_cropping: the number of columns to remove on the left.
        bottom_cropping: the number of rows to remove below.
        right_cropping: the number of columns to remove on the right.
        target_height: the new height.
        target_width: the new width.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Returns:
        The cropped images.

    Raises:
        ValueError: when not exactly two arguments are given for an axis, an argument or a resulting number is negative,
            the crop does not lie inside of the image (Keras moves it then), or the images have another number of axes.

    Example:
        >>> crop_images([[[1], [2], [3]]], 0, 1, 0, target_width=1).ravel()
        Array([2], dtype=int32)
    """
    rows, columns = (top_cropping, bottom_cropping, target_height), (left_cropping, right_cropping, target_width)
    return _change_size("ops.image.crop_images", images, -1, rows, columns, data_format)


def _change_size(function: str, images: Any, sign: int, rows: Any, columns: Any, data_format: str | None) -> Array:
    """Return images with zeros added at their ends (sign 1), or with their ends removed (sign -1).

    `rows` and `columns` are the numbers before and after the image, and the new size. One of the three is None.
    """
    height = images.ndim - (3 if channels_last(function, images, data_format) else 2)
    widths = [(0, 0, 0)] * images.ndim
    for axis, name, numbers in ((height, "height", rows), (height + 1, "width", columns)):
        numbers = tuple(None if number is None else operator.index(number) for number in numbers)
        if numbers.count(None) != 1 or any(number is not None and number < 0 for number in numbers):
            raise ValueError(
                f"{function} expects exactly two of (before, after, target) for the {name}, neither of them negative; "
                f"received {numbers}."
            )
        before, after, target = numbers
        size = images.shape[axis]
        if target is not None:
            change = sign * (target - size)
            before, after = (change - after, after) if before is None else (before, change - before)
        if before < 0 or after < 0:
            raise ValueError(
                f"{function}: the target would change the {name} by {before} before and {after} after the image, and "
                "neither may be negative. Choose another target."
            )
        if sign < 0 and before + after > size:
            raise ValueError(
                f"{function} cannot crop {before} and {after} pixels from the {name} {size} of images of shape "
                f"{images.shape}."
            )
        widths[axis] = sign * before, sign * after, 0
    return jax.lax.pad(images, np.zeros((), images.dtype), widths)
