"""Images sharpened, blurred and erased in parts, at random."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.layers.preprocessing._augmentation import (
    RandomImageLayer,
    Transformation,
    often,
    per_image,
    uniform,
)
from jaxlayers.numerics.image_filters import gaussian, weighted_neighbors


class RandomSharpness(RandomImageLayer):
    """Images blurred or sharpened: `x + (1 - 2 factor) (smooth - x)`, with smooth the mean over 3 x 3 pixels.

    The pixel itself counts five times in the mean; around the image there are zeros.

    Args:
        factor: two numbers from 0 to 1, or one, for a number from 0 to it; 0.5 changes nothing, less blurs.
        value_range: the least and the largest value there may be.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        seed: an integer, for draws that repeat.
        **kwargs: `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomSharpness((0.5, 0.5))(jnp.array([[[1.0], [7.0]]])).ravel().tolist()
        [1.0, 7.0]
    """

    _arguments = ("factor", "value_range", "seed")

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor, self.value_range = self._pair("factor", factor, 0, 1), self._range(value_range)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        return {"factor": uniform(key, (batch,), self.factor)}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        height, ones = images.ndim + self.height_axis, jnp.ones(3, images.dtype)
        box = weighted_neighbors(weighted_neighbors(images, ones, height), ones, height + 1)
        smooth = (box + 4 * images) / 13
        factor = per_image(transformation["factor"] * 2, images.dtype)
        return jnp.clip(images + (1 - factor) * (smooth - images), *self.value_range)


class RandomGaussianBlur(RandomImageLayer):
    """Some images blurred by a Gaussian, each by one of its own; Keras draws one for the batch.

    Args:
        factor: how often: a probability, or two numbers between which it is drawn for each image.
        kernel_size: over how many pixels, across the width and across the height: odd numbers, or one for both.
        sigma: the standard deviation in pixels: two numbers from 0 to 1, or one, for a number from 0 to it.
        value_range: the least and the largest value there may be.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        seed: an integer, for draws that repeat.
        **kwargs: `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomGaussianBlur(seed=1)(jnp.ones((4, 4, 3))).shape
        (4, 4, 3)
    """

    _arguments = ("factor", "kernel_size", "sigma", "value_range", "seed")

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
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor, self.sigma = self._pair("factor", factor, 0, 1), self._pair("sigma", sigma, 0, 1)
        sizes = tuple(kernel_size) if isinstance(kernel_size, list | tuple) else (kernel_size, kernel_size)
        if len(sizes) != 2 or not all(isinstance(size, int) and size % 2 == 1 and size > 0 for size in sizes):
            raise ValueError(
                f"RandomGaussianBlur: kernel_size must be odd, or two odd numbers; received {kernel_size!r}."
            )
        self.kernel_size, self.value_range = sizes, self._range(value_range)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        which, much = jax.random.split(key)
        return {
            "should_apply_blur": often(which, batch, self.factor),
            "blur_factor": uniform(much, (batch, 2), self.sigma) + 1e-6,
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        sigmas = jnp.broadcast_to(transformation["blur_factor"], (images.shape[0], 2)).astype(images.dtype)

        def blur(image: Any, sigma: Any) -> Any:
            for number, axis in enumerate((self.width_axis, self.height_axis)):
                weights = gaussian(self.kernel_size[number], sigma[number], image.dtype)
                image = weighted_neighbors(image, weights, image.ndim + axis)
            return image

        chosen = per_image(transformation["should_apply_blur"])
        return jnp.clip(jnp.where(chosen, jax.vmap(blur)(images, sigmas), images), *self.value_range)


class RandomErasing(RandomImageLayer):
    """A rectangle of some images replaced by noise or a constant.

    Source: Zhong et al., "Random Erasing Data Augmentation", arXiv:1708.04896.

    Args:
        factor: how often: a probability, or two numbers between which it is drawn for each image.
        scale: the square of each side of the rectangle, in parts of the image's: two numbers from 0 to 1, or one, for
            a number from 0 to it.
        fill_value: a number, or three, one for each channel; None for normal numbers times the largest value.
        value_range: what the fill is held in.
        seed: an integer, for draws that repeat.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomErasing((1.0, 1.0), scale=(1.0, 1.0), fill_value=5)(jnp.ones((1, 2, 1))).ravel().tolist()
        [5.0, 5.0]
    """

    _arguments = ("factor", "scale", "fill_value", "value_range", "seed")

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
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor, self.scale = self._pair("factor", factor, 0, 1), self._pair("scale", scale, 0, 1)
        if fill_value is not None and np.shape(fill_value) not in ((), (3,)):
            raise ValueError(
                f"RandomErasing: fill_value must be a number, three of them, or None; received {fill_value!r}."
            )
        self.fill_value, self.value_range = fill_value, self._range(value_range)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        which, sides, where, noise = jax.random.split(key, 4)
        parts = jnp.sqrt(uniform(sides, (batch, 2), self.scale))  # of the width, of the height
        shape = images.shape if images.ndim == 4 else (1, *images.shape)
        if self.fill_value is None:
            fill = jax.random.normal(noise, shape, "float32") * self.value_range[1]
        else:
            fill = jnp.asarray(self.fill_value, "float32")
            if fill.ndim:
                fill = fill.reshape((1, 1, 1, 3) if self.channels_axis == -1 else (1, 3, 1, 1))
            fill = jnp.broadcast_to(fill, shape)
        return {
            "apply_erasing": often(which, batch, self.factor),
            "batch_masks": rectangles(where, parts[:, 0], parts[:, 1], shape, self.height_axis)[0],
            "fill_value": jnp.clip(fill, *self.value_range),
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        chosen = transformation["batch_masks"] & per_image(transformation["apply_erasing"])
        return jnp.where(chosen, transformation["fill_value"].astype(images.dtype), images)


def rectangles(
    key: jax.Array, across: Any, down: Any, shape: tuple[int, ...], height_axis: int
) -> tuple[jax.Array, jax.Array]:
    """Which pixels are in a rectangle somewhere in each image, and the rectangle's part of its area.

    Args:
        key: for where they are.
        across: their widths in parts of the image's, [batch].
        down: their heights likewise.
        shape: of the images.
        height_axis: which axis the rows are, counted from the end.
    """
    inside = jnp.ones((1, 1, 1, 1), bool)
    for own, part, axis in zip(jax.random.split(key), (across, down), (height_axis + 1, height_axis), strict=True):
        size = shape[axis]
        start = per_image(uniform(own, part.shape, (0, 1)) * (size - part * size))
        places = jax.lax.broadcasted_iota("float32", (1,) * (4 + axis) + (size,) + (1,) * (-axis - 1), 4 + axis)
        inside = inside & (places >= start) & (places < start + per_image(part * size))
    return jnp.broadcast_to(inside, shape), across * down
