"""Layers that sharpen, blur and partly erase images at random."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.layers.preprocessing._augmentation import (
    FactorLayer,
    Transformation,
    draw_booleans,
    per_image,
    uniform,
)
from jaxlayers.numerics.image_filters import gaussian, weighted_neighbors


class RandomSharpness(FactorLayer):
    """Random sharpness: `clip(x + (1 - 2 factor) (smooth - x), low, high)`.

    `smooth` is a weighted mean over 3 x 3 pixels: the weight of the pixel itself is 5/13, that of each neighbour is
    1/13. Pixels outside the image are 0.

    Args:
        factor: the range of the factor: two numbers from 0 to 1; one number f means `(0, f)`. At 0.5 the image stays as
            it is, below it is blurred, above it is sharpened. So one number up to 0.5 never sharpens.
        value_range: the smallest and the largest value of the images; results are clipped to it. `(0, 255)` by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomSharpness((0.5, 0.5))(jnp.array([[[1.0], [7.0]]])).ravel().tolist()
        [1.0, 7.0]
    """

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        return {"factor": uniform(key, (batch,), self.factor)}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        height_axis, ones = images.ndim + self.height_axis, jnp.ones(3, images.dtype)
        box_sum = weighted_neighbors(weighted_neighbors(images, ones, height_axis), ones, height_axis + 1)
        smooth = (box_sum + 4 * images) / 13
        factor = per_image(transformation["factor"] * 2, images.dtype)
        return jnp.clip(images + (1 - factor) * (smooth - images), *self.value_range)


class RandomGaussianBlur(FactorLayer):
    """Random Gaussian blur, with a standard deviation for each image; Keras draws one for the whole batch.

    Args:
        factor: the range of the probability of a blur, which is drawn for each image: two numbers from 0 to 1; one
            number f means `(0, f)`. 1 by default.
        kernel_size: the width and height of the kernel, in pixels: two odd numbers, or one for both. 3 by default.
        sigma: the range of the standard deviations along width and height, in pixels: two numbers from 0 to 1; one
            number s means `(0, s)`. 1 by default.
        value_range: the smallest and the largest value of the images; results are clipped to it. `(0, 255)` by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomGaussianBlur(seed=1)(jnp.ones((4, 4, 3))).shape
        (4, 4, 3)
    """

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: Any = 3,
        sigma: Any = 1.0,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(factor, value_range, data_format, seed, **kwargs)
        self.sigma = self._pair("sigma", sigma, 0, 1)
        sizes = tuple(kernel_size) if isinstance(kernel_size, list | tuple) else (kernel_size, kernel_size)
        if len(sizes) != 2 or not all(isinstance(size, int) and size % 2 == 1 and size > 0 for size in sizes):
            raise ValueError(
                f"RandomGaussianBlur: kernel_size must be one or two positive odd integers; received {kernel_size!r}."
            )
        self.kernel_size = sizes

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        chosen_key, sigma_key = jax.random.split(key)
        return {
            "should_apply_blur": draw_booleans(chosen_key, batch, self.factor),
            "blur_factor": uniform(sigma_key, (batch, 2), self.sigma) + 1e-6,
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        sigmas = jnp.broadcast_to(transformation["blur_factor"], (images.shape[0], 2)).astype(images.dtype)

        def blur(image: Any, sigma: Any) -> Any:
            for i, axis in enumerate((self.width_axis, self.height_axis)):
                weights = gaussian(self.kernel_size[i], sigma[i], image.dtype)
                image = weighted_neighbors(image, weights, image.ndim + axis)
            return image

        chosen = per_image(transformation["should_apply_blur"])
        return jnp.clip(jnp.where(chosen, jax.vmap(blur)(images, sigmas), images), *self.value_range)


class RandomErasing(FactorLayer):
    """Random erasing: a rectangle of an image is replaced by noise or by a constant.

    Source: Zhong et al., "Random Erasing Data Augmentation", arXiv:1708.04896.

    Args:
        factor: the range of the probability of erasing, which is drawn for each image: two numbers from 0 to 1; one
            number f means `(0, f)`. 1 by default.
        scale: the range of `s`, which is drawn once for each side of the rectangle; the side is `sqrt(s)` times that of
            the image. Two numbers from 0 to 1; one number s means `(0, s)`. `(0.02, 0.33)` by default.
        fill_value: a number, or three numbers, one for each channel; None (default) for normal noise multiplied by the
            largest value of `value_range`.
        value_range: the smallest and the largest value of the images, to which the fill is clipped; `(0, 255)` by
            default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomErasing((1.0, 1.0), scale=(1.0, 1.0), fill_value=5)(jnp.ones((1, 2, 1))).ravel().tolist()
        [5.0, 5.0]
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: Any = None,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(factor, value_range, data_format, seed, **kwargs)
        self.scale = self._pair("scale", scale, 0, 1)
        if fill_value is not None and np.shape(fill_value) not in ((), (3,)):
            raise ValueError(
                f"RandomErasing: fill_value must be one number, three numbers, or None; received {fill_value!r}."
            )
        self.fill_value = fill_value

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        chosen_key, sides_key, position_key, noise_key = jax.random.split(key, 4)
        sides = jnp.sqrt(uniform(sides_key, (batch, 2), self.scale))  # [batch, (width, height)], fractions of the image
        if self.fill_value is None:
            fill = jax.random.normal(noise_key, images.shape, "float32") * self.value_range[1]
        else:
            fill = jnp.asarray(self.fill_value, "float32")
            if fill.ndim:
                fill = fill.reshape((1, 1, 1, 3) if self.channels_axis == -1 else (1, 3, 1, 1))
            fill = jnp.broadcast_to(fill, images.shape)
        return {
            "apply_erasing": draw_booleans(chosen_key, batch, self.factor),
            "batch_masks": draw_rectangles(position_key, sides[:, 0], sides[:, 1], images.shape, self.height_axis)[0],
            "fill_value": jnp.clip(fill, *self.value_range),
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        erased = transformation["batch_masks"] & per_image(transformation["apply_erasing"])
        return jnp.where(erased, transformation["fill_value"].astype(images.dtype), images)


def draw_rectangles(
    key: jax.Array, widths: Any, heights: Any, shape: tuple[int, ...], height_axis: int
) -> tuple[jax.Array, jax.Array]:
    """Draw the position of a rectangle in each image.

    Args:
        key: the key of the positions.
        widths: the widths of the rectangles as fractions of the width of the images, [batch].
        heights: the heights, likewise.
        shape: the shape of the batch of images.
        height_axis: the axis of the height, as a negative number; the axis of the width follows it.

    Returns:
        A boolean array of the shape of the images, True inside the rectangles; and the area of the rectangles as
        fractions of the area of the images, [batch].
    """
    inside = jnp.ones((1, 1, 1, 1), bool)
    for axis_key, fraction, axis in zip(
        jax.random.split(key), (widths, heights), (height_axis + 1, height_axis), strict=True
    ):
        size = shape[axis]
        start = per_image(uniform(axis_key, fraction.shape, (0, 1)) * (size - fraction * size))
        places = jax.lax.broadcasted_iota("float32", (1,) * (4 + axis) + (size,) + (1,) * (-axis - 1), 4 + axis)
        inside = inside & (places >= start) & (places < start + per_image(fraction * size))
    return jnp.broadcast_to(inside, shape), widths * heights
