"""Colours changed at random, each image in its own way; labels, boxes and masks stay."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import ops
from jaxlayers.common.settings import epsilon
from jaxlayers.layers.preprocessing._augmentation import (
    RandomImageLayer,
    Transformation,
    often,
    per_image,
    rescaled,
    uniform,
)


class RandomBrightness(RandomImageLayer):
    """The same number added to all of an image, held in the range.

    Args:
        factor: of the range: two numbers from -1 to 1, or one, for either direction.
        value_range: the least and the largest value there may be.
        seed: an integer, for draws that repeat.
        **kwargs: `data_format`, `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomBrightness((0.5, 0.5), value_range=(0, 1))(jnp.full((1, 1, 1), 0.25)).item()
        0.75
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any):
        super().__init__(seed=seed, **kwargs)
        self.factor, self.value_range = self._pair("factor", factor, -1, 1), self._range(value_range)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        low, high = self.value_range
        return {"rgb_delta": uniform(key, (batch, 1, 1, 1), self.factor) * (high - low)}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return jnp.clip(images + transformation["rgb_delta"].astype(images.dtype), *self.value_range)


class RandomContrast(RandomImageLayer):
    """Differences from each channel's mean scaled: `(x - mean) factor + mean`, held in the range.

    Args:
        factor: two numbers from 0 to 1, for a scale from `1 - factor[0]` to `1 + factor[1]`; one is the second.
        value_range: the least and the largest value there may be.
        seed: an integer, for draws that repeat.
        **kwargs: `data_format`, `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomContrast(0.5, seed=1)(jnp.ones((4, 4, 3))).shape
        (4, 4, 3)
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any):
        super().__init__(seed=seed, **kwargs)
        self.factor, self.value_range = self._pair("factor", factor, 0, 1), self._range(value_range)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        return {"contrast_factor": uniform(key, (batch, 1, 1, 1), (1 - self.factor[0], 1 + self.factor[1]))}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        mean = jnp.mean(images, (self.height_axis, self.width_axis), keepdims=True)
        changed = (images - mean) * transformation["contrast_factor"].astype(images.dtype) + mean
        return jnp.clip(changed, *self.value_range)


class RandomSaturation(RandomImageLayer):
    """Saturation scaled: less below 0.5, more above, by `factor / (1 - factor)`.

    Saturation is held below 1; Keras holds it in `value_range`, so that colours come out negative.

    Args:
        factor: two numbers from 0 to 1, or one, for a number from 0 to it.
        value_range: the least and the largest value of the images.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        seed: an integer, for draws that repeat.
        **kwargs: `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomSaturation(0.0)(jnp.array([[[4.0, 2.0, 3.0]]])).tolist()
        [[[4.0, 4.0, 4.0]]]
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor, self.value_range = self._pair("factor", factor, -1, 1), self._range(value_range)

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
    """A range without its negative part, which configs of Keras's have for one number, against its documentation."""
    return max(factor[0], 0), max(factor[1], 0)


class RandomHue(RandomImageLayer):
    """Hues turned on their circle, in either direction.

    Args:
        factor: of half a turn: two numbers from 0 to 1, or one, for a number from 0 to it.
        value_range: the least and the largest value of the images.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        seed: an integer, for draws that repeat.
        **kwargs: `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomHue(0.5, seed=1)(jnp.ones((4, 4, 3))).shape
        (4, 4, 3)
    """

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
        sign, much = jax.random.split(key)
        signs = jnp.where(uniform(sign, (batch,), (0, 1)) > 0.5, -1, 1)
        return {"factor": signs * uniform(much, (batch,), self.factor) * 0.5}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        axis = self.channels_axis
        images = rescaled(images, self.value_range, (0, 1))
        hue, saturation, value = jnp.unstack(ops.image.rgb_to_hsv(images, self.data_format), axis=axis)
        hue = hue + per_image(transformation["factor"], images.dtype)[..., 0]
        hue = jnp.where(hue > 1, hue - 1, jnp.where(hue < 0, hue + 1, hue))
        images = ops.image.hsv_to_rgb(jnp.stack([hue, saturation, value], axis), self.data_format)
        return rescaled(jnp.clip(images, 0, 1), (0, 1), self.value_range)


class RandomGrayscale(RandomImageLayer):
    """Some images without their colours: see `ops.image.rgb_to_grayscale`.

    Args:
        factor: the probability.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        seed: an integer, for draws that repeat.
        **kwargs: `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomGrayscale(1.0)(jnp.array([[[100.0, 0.0, 0.0]]])).round().ravel().tolist()
        [30.0, 30.0, 30.0]
    """

    _config_if_changed = ("seed",)

    def __init__(self, factor: float = 0.5, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self._pair("factor", factor, 0, 1)
        self.factor = factor

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        return uniform(key, (batch, 1, 1, 1), (0, 1)) < self.factor

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return jnp.where(transformation, ops.image.rgb_to_grayscale(images, self.data_format), images)


class RandomColorDegeneration(RandomImageLayer):
    """Colours drawn towards grey: `x + factor (grey - x)`.

    Args:
        factor: two numbers from 0 to 1, or one, for a number from 0 to it; at 1 the image is grey.
        value_range: the least and the largest value there may be.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        seed: an integer, for draws that repeat.
        **kwargs: `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomColorDegeneration(0.5, seed=1)(jnp.ones((4, 4, 3))).shape
        (4, 4, 3)
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor, self.value_range = self._pair("factor", factor, -1, 1), self._range(value_range)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        return {"factor": uniform(key, (batch, 1, 1, 1), _from_zero(self.factor))}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        gray = ops.image.rgb_to_grayscale(images, self.data_format)
        changed = images + transformation["factor"].astype(images.dtype) * (gray - images)
        return jnp.clip(changed, *self.value_range)


class RandomPosterization(RandomImageLayer):
    """Fewer shades: the lowest bits of eight set to zero.

    Args:
        factor: how many bits are kept: two integers from 1 to 8, of which the second is never drawn unless both are
            one; or one, for a number from 1.
        value_range: the least and the largest value of the images.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        seed: an integer, for draws that repeat.
        **kwargs: `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomPosterization((3, 3))(jnp.array([[[63.0], [64.0]]])).ravel().tolist()
        [32.0, 64.0]
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor, self.value_range = self._pair("factor", factor, 1, 8), self._range(value_range)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        low, high = map(int, self.factor)
        bits = jax.random.randint(key, (batch,), low, max(high, low + 1))
        return {"shift_factor": (8 - bits).astype("uint8")}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        shift = per_image(transformation["shift_factor"], "uint8")
        shades = rescaled(images, self.value_range, (0, 255)).astype("uint8")
        shades = jnp.left_shift(jnp.right_shift(shades, shift), shift)
        return rescaled(shades.astype(images.dtype), (0, 255), self.value_range)


class RandomInvert(RandomImageLayer):
    """Some images as their negatives: the sum of the range's ends, less the image.

    Args:
        factor: how often: a probability, or two numbers between which it is drawn for each image.
        value_range: the least and the largest value; Keras looks at the largest only.
        seed: an integer, for draws that repeat.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `name`, `dtype`, ...

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
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor, self.value_range = self._pair("factor", factor, 0, 1), self._range(value_range)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        return {"apply_inversion": often(key, batch, self.factor)}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return jnp.where(per_image(transformation["apply_inversion"]), sum(self.value_range) - images, images)


class RandomColorJitter(RandomImageLayer):
    """Brightness, contrast, saturation and hue changed, one after the other; see the layers for each.

    Args:
        value_range: the least and the largest value there may be.
        brightness_factor: of `RandomBrightness`; None to leave it out.
        contrast_factor: of `RandomContrast`, likewise.
        saturation_factor: of `RandomSaturation`, likewise.
        hue_factor: of `RandomHue`, likewise.
        seed: an integer, for draws that repeat.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `name`, `dtype`, ...

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
        changes = {
            "random_brightness": (RandomBrightness, brightness_factor),
            "random_contrast": (RandomContrast, contrast_factor),
            "random_saturation": (RandomSaturation, saturation_factor),
            "random_hue": (RandomHue, hue_factor),
        }
        self._changes = [name for name, (_, factor) in changes.items() if factor is not None]
        for name, (cls, factor) in changes.items():
            setattr(self, name, None if factor is None else cls(factor, **options))

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        own = jax.random.split(key, max(len(self._changes), 1))
        return {
            name: getattr(self, name).get_random_transformation(images, seed=seed)
            for name, seed in zip(self._changes, own, strict=False)
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        for name, drawn in transformation.items():
            images = getattr(self, name).transform_images(images, drawn)
        return images
