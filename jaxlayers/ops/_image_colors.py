"""Conversions of images between colour spaces: RGB, greyscale and HSV (hue, saturation, value)."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.image_layout import channels_last
from jaxlayers.numerics.types import Array, ArrayLike, wide

__all__ = ["hsv_to_rgb", "rgb_to_grayscale", "rgb_to_hsv"]


@operation("images")
def rgb_to_grayscale(images: ArrayLike, data_format: str | None = None) -> Array:
    """Convert RGB images to greyscale: 0.2989 red + 0.587 green + 0.114 blue, truncated if the dtype is an integer.

    Args:
        images: one image, [height, width, 3], or a batch, [batch, height, width, 3]; or with the channels first. Images
            with 1 channel are returned unchanged.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Returns:
        Images of the same dtype and the same shape with 1 channel.

    Raises:
        ValueError: for any other shape.

    Example:
        >>> rgb_to_grayscale([[[100, 0, 50]]])
        Array([[[35]]], dtype=int32)
    """
    axis = -1 if channels_last("ops.image.rgb_to_grayscale", images, data_format) else -3
    if images.shape[axis] == 1:
        return images
    if images.shape[axis] != 3:
        raise ValueError(f"ops.image.rgb_to_grayscale expects 1 or 3 channels; received shape {images.shape}.")
    return _grayscale(images, axis)


@functools.partial(jax.jit, static_argnums=1, inline=True)
def _grayscale(images: Any, axis: int) -> Array:
    values = images if jnp.issubdtype(images.dtype, jnp.floating) else images.astype("float32")
    weights = jnp.array([0.2989, 0.587, 0.114], values.dtype)
    return jnp.expand_dims(jnp.tensordot(values, weights, (axis, 0)), axis).astype(images.dtype)


@operation("images")
def rgb_to_hsv(images: ArrayLike, data_format: str | None = None) -> Array:
    """Convert RGB images to HSV (hue, saturation, value).

    value = max(r, g, b); saturation = (value - min(r, g, b)) / value. The hue is an angle as a fraction of the full
    circle: 0 for red, 1/3 for green, 2/3 for blue.

    Args:
        images: one image, [height, width, 3], or a batch, [batch, height, width, 3], or with the channels first; floats
            from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Returns:
        Images of the same shape and dtype, from 0 to 1.

    Raises:
        ValueError: for any other shape or dtype.

    Example:
        >>> rgb_to_hsv([[[0.5, 0.25, 0.25]]])
        Array([[[0. , 0.5, 0.5]]], dtype=float32)
    """
    return _rgb_to_hsv(images, _color_axis("rgb_to_hsv", images, data_format))


@functools.partial(jax.jit, static_argnums=1, inline=True)
def _rgb_to_hsv(images: Any, axis: int) -> Array:
    dtype, images = images.dtype, wide(images)
    images = jnp.where(jnp.abs(images) < jnp.finfo(images.dtype).eps, 0, images)
    red, green, blue = jnp.unstack(images, axis=axis)
    value = jnp.maximum(jnp.maximum(red, green), blue)
    chroma = value - jnp.minimum(jnp.minimum(red, green), blue)
    saturation = jnp.where(value > 0, chroma / jnp.where(value > 0, value, 1), 0)
    scale = 1 / (6 * jnp.where(chroma > 0, chroma, 1))
    hue = jnp.where(value == green, scale * (blue - red) + 2 / 6, scale * (red - green) + 4 / 6)
    hue = jnp.where(value == red, scale * (green - blue), hue)
    hue = jnp.where(chroma > 0, hue, 0)
    return jnp.stack([jnp.where(hue < 0, hue + 1, hue), saturation, value], axis=axis).astype(dtype)


@operation("images")
def hsv_to_rgb(images: ArrayLike, data_format: str | None = None) -> Array:
    """Convert HSV (hue, saturation, value) images to RGB: the inverse of `rgb_to_hsv`.

    Args:
        images: one image, [height, width, 3], or a batch, [batch, height, width, 3], or with the channels first; floats
            from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: for any other shape or dtype.

    Example:
        >>> hsv_to_rgb([[[0.0, 0.5, 0.5]]])
        Array([[[0.5 , 0.25, 0.25]]], dtype=float32)
    """
    return _hsv_to_rgb(images, _color_axis("hsv_to_rgb", images, data_format))


@functools.partial(jax.jit, static_argnums=1, inline=True)
def _hsv_to_rgb(images: Any, axis: int) -> Array:
    hue, saturation, value = jnp.unstack(wide(images), axis=axis)
    angle = jnp.mod(hue, 1) * 6
    red_green_blue = jnp.abs(angle - 3) - 1, 2 - jnp.abs(angle - 2), 2 - jnp.abs(angle - 4)  # of the pure hue
    colors = [value * (1 - saturation + saturation * jnp.clip(c, 0, 1)) for c in red_green_blue]
    return jnp.stack(colors, axis=axis).astype(images.dtype)


def _color_axis(function: str, images: Any, data_format: str | None) -> int:
    axis = -1 if channels_last(f"ops.image.{function}", images, data_format) else -3
    if images.shape[axis] != 3 or not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(
            f"ops.image.{function} expects 3 channels of a float dtype; received shape {images.shape} and dtype "
            f"{images.dtype}."
        )
    return axis
