"""Filters: weighted sums over each pixel's neighbours along one axis after the other.

The sums are in `numerics.image_filters`.
"""

import functools
import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.image_filters import gaussian, weighted_neighbors
from jaxlayers.numerics.image_layout import channels_last
from jaxlayers.numerics.spatial import per_axis
from jaxlayers.numerics.types import Array, ArrayLike, wide, wide_dtype

__all__ = ["gaussian_blur", "sobel_edges", "ssim"]


@operation("images", "sigma")
def gaussian_blur(
    images: ArrayLike,
    kernel_size: Sequence[int] = (3, 3),
    sigma: Any = (1.0, 1.0),
    data_format: str | None = None,
) -> Array:
    """Mean over the neighbours, weighted by a Gaussian, with zeros around the image.

    Keras on JAX takes `data_format=None` for channels first, and computes integer images in their own dtype. Here None
    is the layout of the settings, and integer images are blurred in float32 and rounded.

    Args:
        images: one image or a batch.
        kernel_size: the numbers of neighbours, (along the width, along the height).
        sigma: the standard deviations, in the same order.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Returns:
        the same shape and dtype.

    Raises:
        ValueError: if the sizes are no positive integers, or the images have another number of axes.

    Example:
        >>> gaussian_blur([[[0.0], [8.0], [0.0]]], (3, 1), (1.0, 1.0)).ravel().round(2)
        Array([2.19, 3.61, 2.19], dtype=float32)
    """
    last = channels_last("ops.image.gaussian_blur", images, data_format)
    sizes = per_axis("ops.image.gaussian_blur", "kernel_size", kernel_size, 2)
    return _blur(images, sizes, jnp.asarray(sigma), last)


@functools.partial(jax.jit, static_argnums=(1, 3))
def _blur(images: Any, sizes: tuple[int, ...], sigma: Any, last: bool) -> Array:
    dtype = images.dtype
    images = wide(images)
    height = images.ndim - (3 if last else 2)
    sigma = sigma.astype(images.dtype)
    images = weighted_neighbors(images, gaussian(sizes[0], sigma[0], images.dtype), height + 1)
    images = weighted_neighbors(images, gaussian(sizes[1], sigma[1], images.dtype), height)
    return (images if jnp.issubdtype(dtype, jnp.floating) else jnp.round(images)).astype(dtype)


@operation("images")
def sobel_edges(images: ArrayLike, data_format: str | None = None) -> Array:
    """Slopes along both axes: [-1, 0, 1] along one axis, [1, 2, 1] along the other, with zeros around the image.

    Args:
        images: one image or a batch.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Returns:
        the shape of the images and a last axis of 2: down the height, along the width; in int32 if the images are
        bytes or other narrow integers.

    Raises:
        ValueError: if the images have another number of axes.

    Example:
        >>> sobel_edges([[[0.0], [1.0], [2.0]]])[0, :, 0, 1]
        Array([ 2.,  4., -2.], dtype=float32)
    """
    last = channels_last("ops.image.sobel_edges", images, data_format)
    return _sobel(images, last)


@functools.partial(jax.jit, static_argnums=1)
def _sobel(images: Any, last: bool) -> Array:
    is_float = jnp.issubdtype(images.dtype, jnp.floating)
    dtype = images.dtype if is_float else jnp.promote_types(images.dtype, "int32")
    images = wide(images) if is_float else images.astype(dtype)
    height = images.ndim - (3 if last else 2)
    slope, mean = jnp.array([-1, 0, 1], images.dtype), jnp.array([1, 2, 1], images.dtype)
    down = weighted_neighbors(weighted_neighbors(images, slope, height), mean, height + 1)
    along = weighted_neighbors(weighted_neighbors(images, mean, height), slope, height + 1)
    return jnp.stack([down, along], axis=-1).astype(dtype)


@operation("image1", "image2")
def ssim(
    image1: ArrayLike,
    image2: ArrayLike,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Array:
    """Structural similarity of images: 1 for equal ones.

    The mean over pixels and channels of (2 m1 m2 + c1) (2 s12 + c2) / ((m1^2 + m2^2 + c1) (s1^2 + s2^2 + c2)), with
    means m, variances s^2 and covariance s12 over Gaussian windows that lie inside, c1 = (k1 max_val)^2 and
    c2 = (k2 max_val)^2. For integer images it is a float32; Keras truncates it to 0 or 1.

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004.

    Args:
        image1: one image or a batch.
        image2: of the same shape.
        max_val: the difference between the largest and the smallest possible value.
        filter_size: the size of the window.
        filter_sigma: the standard deviation of the window.
        k1: the constant that keeps the comparison of means finite.
        k2: the constant that keeps the comparison of variances finite.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Returns:
        a scalar, or [batch].

    Raises:
        ValueError: if the number of axes is another, shapes differ, or images are smaller than the window.

    Example:
        >>> float(ssim(jnp.ones((12, 12, 1)), jnp.ones((12, 12, 1))))
        1.0
    """
    last = channels_last("ops.image.ssim", image1, data_format, "image1")
    filter_size = operator.index(filter_size)
    if image1.shape != image2.shape or min(image1.shape[-3:-1] if last else image1.shape[-2:]) < filter_size:
        raise ValueError(
            f"ops.image.ssim expects two images of one shape, of at least filter_size={filter_size} pixels in height "
            f"and width; received {image1.shape} and {image2.shape}."
        )
    return _ssim(image1, image2, max_val, filter_size, filter_sigma, k1, k2, last)


@functools.partial(jax.jit, static_argnums=(3, 7))
def _ssim(first: Any, second: Any, max_val: Any, size: int, sigma: Any, k1: Any, k2: Any, last: bool) -> Array:
    dtype = first.dtype if jnp.issubdtype(first.dtype, jnp.floating) else jnp.dtype("float32")
    first, second = first.astype(wide_dtype(dtype)), second.astype(wide_dtype(dtype))
    height = first.ndim - (3 if last else 2)
    weights = gaussian(size, sigma, first.dtype)

    def mean(values: Any) -> Any:
        across = weighted_neighbors(values, weights, height, pad=False)
        return weighted_neighbors(across, weights, height + 1, pad=False)

    mean1, mean2 = mean(first), mean(second)
    variance1 = mean(jnp.square(first)) - jnp.square(mean1)
    variance2 = mean(jnp.square(second)) - jnp.square(mean2)
    covariance = mean(first * second) - mean1 * mean2
    c1, c2 = jnp.square(k1 * max_val), jnp.square(k2 * max_val)
    means = (2 * mean1 * mean2 + c1) / (jnp.square(mean1) + jnp.square(mean2) + c1)
    spreads = (2 * covariance + c2) / (variance1 + variance2 + c2)
    return jnp.mean(means * spreads, axis=(-3, -2, -1)).astype(dtype)
