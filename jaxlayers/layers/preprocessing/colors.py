"""Layers that change the colours of images at random, each image by its own amount.

Inputs and outputs of all these layers are images `[..., height, width, channels]`, or a dict with images; see
`BaseImagePreprocessingLayer`. Labels, boxes and masks stay as they are. An argument outside its allowed values raises
a ValueError.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import ops
from jaxlayers.common.settings import epsilon
from jaxlayers.layers.preprocessing._augmentation import (
    FactorLayer,
    RandomImageLayer,
    Transformation,
    draw_booleans,
    per_image,
    rescale,
    uniform,
)


class RandomBrightness(FactorLayer):
    """Random brightness: one number is added to all pixels of an image, `clip(x + delta (high - low), low, high)`.

    Args:
        factor: the range of `delta`: two numbers from -1 to 1; one number f means `(-f, f)`.
        value_range: the smallest and the largest value of the images; results are clipped to it. `(0, 255)` by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        **kwargs: `data_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomBrightness((0.5, 0.5), value_range=(0, 1))(jnp.full((1, 1, 1), 0.25)).item()
        0.75
    """

    factor_limits = -1, 1

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any):
        super().__init__(factor, value_range, seed=seed, **kwargs)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        low, high = self.value_range
        return {"rgb_delta": uniform(key, (batch, 1, 1, 1), self.factor) * (high - low)}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return jnp.clip(images + transformation["rgb_delta"].astype(images.dtype), *self.value_range)


class RandomContrast(FactorLayer):
    """Random contrast: `clip((x - mean) scale + mean, low, high)`, with the mean of each channel of each image.

    Args:
        factor: two numbers from 0 to 1: the range of `scale` is `(1 - factor[0], 1 + factor[1])`. One number f means
            `(0, f)`, so that the contrast is never lowered; `(f, f)` lowers and raises it.
        value_range: the smallest and the largest value of the images; results are clipped to it. `(0, 255)` by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        **kwargs: `data_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomContrast(0.5, seed=1)(jnp.ones((4, 4, 3))).shape
        (4, 4, 3)
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any):
        super().__init__(factor, value_range, seed=seed, **kwargs)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        return {"contrast_factor": uniform(key, (batch, 1, 1, 1), (1 - self.factor[0], 1 + self.factor[1]))}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        mean = jnp.mean(jnp.mean(images, self.height_axis, keepdims=True), self.width_axis, keepdims=True)
        changed = (images - mean) * transformation["contrast_factor"].astype(images.dtype) + mean
        return jnp.clip(changed, *self.value_range)


class RandomSaturation(FactorLayer):
    """Random saturation: the saturation is multiplied by `factor / (1 - factor)`.

    A factor of 0.5 changes nothing, and 0 makes the image grey. The saturation is clipped to [0, 1]; Keras clips it to
    `value_range`, which can make colours negative.

    Args:
        factor: the range of the factor: two numbers from 0 to 1; one number f means `(0, f)`, so that f = 0.5 never
            raises the saturation.
        value_range: the smallest and the largest value of the images; `(0, 255)` by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomSaturation(0.0)(jnp.array([[[4.0, 2.0, 3.0]]])).tolist()
        [[[4.0, 4.0, 4.0]]]
    """

    factor_limits = -1, 1  # configs of Keras hold (-f, f) for one number f

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        factor = uniform(key, (batch,), _from_zero(self.factor))
        return {"factor": factor / (1 - factor + epsilon())}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        axis = self.channels_axis
        hue, saturation, value = jnp.unstack(ops.image.rgb_to_hsv(images, self.data_format), axis=axis)
        factor = per_image(transformation["factor"], images.dtype)[..., 0]
        saturation = jnp.clip(saturation * factor, 0, 1)
        return ops.image.hsv_to_rgb(jnp.stack([hue, saturation, value], axis), self.data_format)


def _from_zero(factor: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return a range without its negative part.

    Configs written by Keras hold `(-f, f)` for one number f, although its documentation says `(0, f)`.
    """
    return max(factor[0], 0), max(factor[1], 0)


class RandomHue(FactorLayer):
    """Random hue: the hue is rotated on the colour circle by up to half a turn, in either direction.

    Args:
        factor: the range of the angle, in half turns of the colour circle: two numbers from 0 to 1; one number f means
            `(0, f)`. The direction of each turn is random.
        value_range: the smallest and the largest value of the images; `(0, 255)` by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomHue(0.5, seed=1)(jnp.ones((4, 4, 3))).shape
        (4, 4, 3)
    """

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        sign_key, factor_key = jax.random.split(key)
        signs = jnp.where(uniform(sign_key, (batch,), (0, 1)) > 0.5, -1, 1)
        return {"factor": signs * uniform(factor_key, (batch,), self.factor) * 0.5}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        axis = self.channels_axis
        images = rescale(images, self.value_range, (0, 1))
        hue, saturation, value = jnp.unstack(ops.image.rgb_to_hsv(images, self.data_format), axis=axis)
        hue = hue + per_image(transformation["factor"], images.dtype)[..., 0]
        hue = jnp.where(hue > 1, hue - 1, jnp.where(hue < 0, hue + 1, hue))
        images = ops.image.hsv_to_rgb(jnp.stack([hue, saturation, value], axis), self.data_format)
        return rescale(jnp.clip(images, 0, 1), (0, 1), self.value_range)


class RandomGrayscale(RandomImageLayer):
    """Random conversion of images to grey, with `ops.image.rgb_to_grayscale`.

    Args:
        factor: the probability with which an image is converted, a number from 0 to 1; 0.5 by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomGrayscale(1.0)(jnp.array([[[100.0, 0.0, 0.0]]])).round().ravel().tolist()
        [30.0, 30.0, 30.0]
    """

    _config_if_changed = ("seed",)

    def __init__(self, factor: float = 0.5, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor = self._number("factor", factor)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        return uniform(key, (batch, 1, 1, 1), (0, 1)) < self.factor

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return jnp.where(transformation, ops.image.rgb_to_grayscale(images, self.data_format), images)


class RandomColorDegeneration(FactorLayer):
    """Random mixing of images with their grey version: `clip(x + factor (grey - x), low, high)`.

    Args:
        factor: the range of the factor: two numbers from 0 to 1; one number f means `(0, f)`. At 1 the image is grey.
        value_range: the smallest and the largest value of the images; results are clipped to it. `(0, 255)` by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomColorDegeneration(0.5, seed=1)(jnp.ones((4, 4, 3))).shape
        (4, 4, 3)
    """

    factor_limits = -1, 1  # configs of Keras hold (-f, f) for one number f

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        return {"factor": uniform(key, (batch, 1, 1, 1), _from_zero(self.factor))}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        gray = ops.image.rgb_to_grayscale(images, self.data_format)
        changed = images + transformation["factor"].astype(images.dtype) * (gray - images)
        return jnp.clip(changed, *self.value_range)


class RandomPosterization(FactorLayer):
    """Random reduction of the number of shades: the lowest bits of each 8-bit value are set to 0.

    Args:
        factor: the range of the number of bits that are kept: two integers from 1 to 8. The larger one is excluded,
            unless both are equal. One integer n means the range from 1 to n - 1 (for 1, always 1).
        value_range: the smallest and the largest value of the images; `(0, 255)` by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomPosterization((3, 3))(jnp.array([[[63.0], [64.0]]])).ravel().tolist()
        [32.0, 64.0]
    """

    factor_limits = 1, 8

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        low, high = map(int, self.factor)
        bits = jax.random.randint(key, (batch,), low, max(high, low + 1))
        return {"shift_factor": (8 - bits).astype("uint8")}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        shift = per_image(transformation["shift_factor"], "uint8")
        shades = rescale(images, self.value_range, (0, 255)).astype("uint8")
        shades = jnp.left_shift(jnp.right_shift(shades, shift), shift)
        return rescale(shades.astype(images.dtype), (0, 255), self.value_range)


class RandomInvert(FactorLayer):
    """Random inversion of images: `low + high - x`.

    Args:
        factor: the range of the probability of inversion, which is drawn for each image: two numbers from 0 to 1; one
            number f means `(0, f)`. 1 by default.
        value_range: `low` and `high`, `(0, 255)` by default; Keras computes `high - x`.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomInvert((1.0, 1.0), (0, 1))(jnp.array([[[0.25], [1.0]]])).ravel().tolist()
        [0.75, 0.0]
    """

    def __init__(
        self,
        factor: Any = 1.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(factor, value_range, data_format, seed, **kwargs)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        return {"apply_inversion": draw_booleans(key, batch, self.factor)}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return jnp.where(per_image(transformation["apply_inversion"]), sum(self.value_range) - images, images)


class RandomColorJitter(RandomImageLayer):
    """Random brightness, contrast, saturation and hue, applied in this order.

    Args:
        value_range: the smallest and the largest value of the images; results are clipped to it. `(0, 255)` by default.
        brightness_factor: the factor of `RandomBrightness`; None (default) to leave the brightness as it is.
        contrast_factor: the factor of `RandomContrast`, or None (default).
        saturation_factor: the factor of `RandomSaturation`, or None (default).
        hue_factor: the factor of `RandomHue`, or None (default).
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomColorJitter(brightness_factor=0.2, hue_factor=0.1)(jnp.ones((4, 4, 3))).shape
        (4, 4, 3)
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.value_range = self._range(value_range)
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.hue_factor = saturation_factor, hue_factor
        options = {"value_range": value_range, "data_format": self.data_format, "dtype": self.dtype_policy}
        jitters = {
            "random_brightness": (RandomBrightness, brightness_factor),
            "random_contrast": (RandomContrast, contrast_factor),
            "random_saturation": (RandomSaturation, saturation_factor),
            "random_hue": (RandomHue, hue_factor),
        }
        self._changes = [name for name, (_, factor) in jitters.items() if factor is not None]
        for name, (cls, factor) in jitters.items():
            setattr(self, name, None if factor is None else cls(factor, **options))

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        layer_keys = jax.random.split(key, max(len(self._changes), 1))
        return {
            name: getattr(self, name).get_random_transformation(images, seed=layer_key)
            for name, layer_key in zip(self._changes, layer_keys, strict=False)
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        for name, own_transformation in transformation.items():
            images = getattr(self, name).transform_images(images, own_transformation)
        return images
