"""Layers that mirror images and distort them elastically at random."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.layers.preprocessing._augmentation import (
    FILL_MODES,
    INTERPOLATIONS,
    FactorLayer,
    RandomImageLayer,
    Transformation,
    draw_booleans,
    per_image,
    uniform,
)
from jaxlayers.numerics import bounding_boxes as _boxes
from jaxlayers.numerics.image_geometry import bend

_MODES = ("horizontal", "vertical", "horizontal_and_vertical")
_ORDERS = {"nearest": 0, "bilinear": 1}


class RandomFlip(RandomImageLayer):
    """Random flip: each image is mirrored with probability 0.5.

    With `mode="horizontal_and_vertical"`, the two directions are drawn independently; Keras flips an image in both
    directions or in none.

    Args:
        mode: `"horizontal"` (left and right are exchanged), `"vertical"` (top and bottom are exchanged) or
            `"horizontal_and_vertical"` (default).
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> x = jnp.broadcast_to(jnp.arange(3.0).reshape(1, 1, 3, 1), (8, 1, 3, 1))
        >>> sorted(set(jl.layers.RandomFlip("horizontal", seed=1)(x)[:, 0, 0, 0].tolist()))
        [0.0, 2.0]
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.mode = self._one_of("mode", mode, _MODES)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        count = 2 if self.mode == "horizontal_and_vertical" else 1
        flips = uniform(key, (count, batch, 1, 1, 1), (0, 1)) <= 0.5
        return {"flips": flips[0], "vertical_flips": flips[-1], "input_shape": images.shape}

    def _directions(self, transformation: Any) -> list[tuple[int, Any]]:
        """Return the axes along which images are flipped, each with the booleans that say which images are."""
        flips = transformation["flips"]
        directions = [(self.width_axis, flips)] if self.mode != "vertical" else []
        if self.mode != "horizontal":
            directions.append((self.height_axis, transformation.get("vertical_flips", flips)))
        return directions

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        for axis, flips in self._directions(transformation):
            images = jnp.where(flips, jnp.flip(images, axis), images)
        return images

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Return the masks, mirrored as their images are."""
        return self.transform_images(segmentation_masks, transformation, training)

    def _change_boxes(self, boxes: dict[str, Any], transformation: Transformation) -> dict[str, Any]:
        shape = transformation["input_shape"]
        size = shape[self.height_axis], shape[self.width_axis]

        def move(corners: Any) -> Any:
            for axis, flips in self._directions(transformation):
                x1, y1, x2, y2 = jnp.unstack(corners, axis=-1)
                width, height = size[1], size[0]
                mirrored = (width - x2, y1, width - x1, y2) if axis == self.width_axis else (
                    x1, height - y2, x2, height - y1)  # fmt: skip
                corners = jnp.where(flips[:, :, 0], jnp.stack(mirrored, -1), corners)
            return corners

        return _boxes.change(boxes, str(self.bounding_box_format), size, size, move)


class RandomElasticTransform(FactorLayer):
    """Random elastic distortion of images; see `ops.image.elastic_transform`.

    For a scale s, `alpha = 0.1 s max(height, width)` and `sigma = 0.05 s min(height, width)`, in pixels.

    Args:
        factor: the range of the probability of a distortion, which is drawn for each image: two numbers from 0 to 1;
            one number f means `(0, f)`. 1 by default.
        scale: the range of s, which is drawn for each image: two numbers from 0 to 1; one number s means `(0, s)`. 1 by
            default.
        interpolation: `"bilinear"` (default) or `"nearest"`.
        fill_mode: the rule for points outside the image, `"reflect"` by default; see `ops.image.map_coordinates`.
        fill_value: the value outside the image with `fill_mode="constant"`; 0 by default.
        value_range: the smallest and the largest value of the images; results are clipped to it. `(0, 255)` by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomElasticTransform(seed=1)(jnp.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(factor, value_range, data_format, seed, **kwargs)
        self.scale, self.fill_value = self._pair("scale", scale, 0, 1), fill_value
        self.interpolation = self._one_of("interpolation", interpolation, INTERPOLATIONS)
        self.fill_mode = self._one_of("fill_mode", fill_mode, (*FILL_MODES, "mirror"))

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        chosen_key, scale_key, noise_key = jax.random.split(key, 3)
        return {
            "apply_transform": draw_booleans(chosen_key, batch, self.factor),
            "distortion_factor": uniform(scale_key, (batch,), self.scale),
            "seed": noise_key,
        }

    def _bend(self, images: Any, transformation: Any, interpolation: str) -> jax.Array:
        size = self._size(images)
        alpha, sigma = (transformation["distortion_factor"] * part for part in (0.1 * max(size), 0.05 * min(size)))
        width = int(6 * 0.05 * min(size) * self.scale[1]) | 1  # odd, and wide enough for the largest sigma
        reading = _ORDERS[interpolation], self.fill_mode, float(self.fill_value)
        bent = bend(images, transformation["seed"], alpha, sigma, width, reading, self.channels_axis == -1)
        return jnp.where(per_image(transformation["apply_transform"]), bent, images)

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return jnp.clip(self._bend(images, transformation, self.interpolation), *self.value_range)

    def _change_masks(self, masks: Any, transformation: Transformation) -> Any:
        return self._bend(masks, transformation, "nearest")
