"""Shades spread over the range, by their extremes or their histogram; and inverted above a threshold."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.layers.preprocessing._augmentation import (
    BaseImagePreprocessingLayer,
    RandomImageLayer,
    Transformation,
    rescaled,
    uniform,
)


class AutoContrast(BaseImagePreprocessingLayer):
    """Each channel of each image stretched such that it spans the range; one of a single value stays.

    Args:
        value_range: the least and the largest value there may be.
        **kwargs: `data_format`, `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AutoContrast((0, 1))(jnp.array([[[0.25], [0.5], [0.75]]])).ravel().tolist()
        [0.0, 0.5, 1.0]
    """

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any):
        super().__init__(**kwargs)
        self.value_range = self._range(value_range)

    def transform_images(self, images: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """A batch of images, stretched."""
        axes = self.height_axis, self.width_axis
        return _stretch(self._floats(images), axes, tuple(self.value_range))


@functools.partial(jax.jit, static_argnums=(1, 2))
def _stretch(images: Any, axes: tuple[int, int], bounds: tuple[Any, Any]) -> jax.Array:
    low, high = jnp.min(images, axes, keepdims=True), jnp.max(images, axes, keepdims=True)
    spread = jnp.where(high > low, high - low, 1)
    return jnp.where(high > low, (images - low) / spread * (bounds[1] - bounds[0]) + bounds[0], images)


class Solarization(RandomImageLayer):
    """Values inverted from a threshold on, after a number was added.

    Both ends of a factor are parts of the range; in Keras the lower one counts as it is.

    Args:
        addition_factor: of the range: two numbers from 0 to 1, or one, for a number from 0 to it.
        threshold_factor: of the range, likewise.
        value_range: the least and the largest value of the images.
        seed: an integer, for draws that repeat.
        **kwargs: `data_format`, `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Solarization(0.0, 0.0)(jnp.array([[[5.0], [250.0]]])).ravel().tolist()
        [250.0, 5.0]
    """

    def __init__(
        self,
        addition_factor: Any = 0.0,
        threshold_factor: Any = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, **kwargs)
        self.addition_factor = self._pair("addition_factor", addition_factor, 0, 1, below=0)
        self.threshold_factor = self._pair("threshold_factor", threshold_factor, 0, 1, below=0)
        self.value_range = self._range(value_range)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        first, second = jax.random.split(key)
        return {
            name: uniform(own, (batch, 1, 1, 1), (low * 255, high * 255))
            for name, own, (low, high) in (
                ("additions", first, self.addition_factor),
                ("thresholds", second, self.threshold_factor),
            )
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        additions, thresholds = (transformation[n].astype(images.dtype) for n in ("additions", "thresholds"))
        values = jnp.clip(rescaled(images, self.value_range, (0, 255)) + additions, 0, 255)
        return rescaled(jnp.where(values < thresholds, values, 255 - values), (0, 255), self.value_range)


class Equalization(BaseImagePreprocessingLayer):
    """Shades spread such that each is as frequent as the others, in each channel, while training.

    Each image has histograms of its own; Keras has one for each channel of the whole batch.

    Args:
        value_range: the least and the largest value of the images.
        bins: of the histogram.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Equalization()(jnp.array([[[10.0], [11.0], [12.0], [90.0]]])).ravel().tolist()
        [0.0, 85.0, 170.0, 255.0]
    """

    def __init__(self, value_range: Any = (0, 255), bins: int = 256, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.value_range, self.bins = self._range(value_range), bins

    def transform_images(self, images: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """A batch of images, equalised while training."""
        if not training:
            return images
        return _equalize(self._floats(images), self.bins, tuple(self.value_range), self.channels_axis)


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def _equalize(images: Any, bins: int, bounds: tuple[Any, Any], axis: int) -> jax.Array:
    def equalize(channel: Any) -> Any:
        values = rescaled(channel, bounds, (0, 255))
        shades = values.astype("float32")
        counted = jnp.clip((shades * (bins - 1) / 255).astype("int32"), 0, bins - 1)
        counts = jnp.zeros(bins, "int32").at[counted].add(1)
        below = jnp.cumsum(counts)
        first = below[jnp.argmax(below > 0)]
        table = (below - first) * 255.0 / jnp.maximum(below[-1] - first, 1)
        looked_up = jnp.clip(jnp.round(table), 0, 255)[jnp.clip(shades / 255 * (bins - 1), 0, bins - 1).astype("int32")]
        several = jnp.count_nonzero(counts) > 1
        return rescaled(jnp.where(several, looked_up.astype(values.dtype), values), (0, 255), bounds)

    return jax.vmap(jax.vmap(equalize, axis, axis))(images)


class ContrastLimitedAdaptiveHistogramEqualization(BaseImagePreprocessingLayer):
    """Equalisation by the histogram of each neighbourhood, which no shade may dominate.

    The image is divided into tiles with a histogram each. What exceeds a limit is shared out among all shades. A
    pixel is looked up in the four tiles around it, and the results interpolated.

    Source: Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV (1994).

    Args:
        value_range: the least and the largest value of the images.
        clip_limit: how much more frequent than the mean a shade may be; 0 for no limit.
        tile_grid_size: how many tiles, in rows and columns.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2))
        >>> layer(jnp.ones((8, 8, 3))).shape
        (8, 8, 3)
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Any = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.value_range, self.clip_limit, self.tile_grid_size = value_range, clip_limit, tile_grid_size

    def transform_images(self, images: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """A batch of images, equalised."""
        images = jnp.asarray(images)
        values = rescaled(images.astype("float32"), self.value_range, (0, 255))
        found = _equalize_tiles(values, tuple(self.tile_grid_size), self.clip_limit, self.channels_axis)
        return rescaled(found, (0, 255), self.value_range).astype(images.dtype)


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def _equalize_tiles(images: Any, grid: tuple[int, int], limit: float, axis: int) -> jax.Array:
    def equalize(image: Any) -> Any:
        height, width = image.shape
        tile = -(-height // grid[0]), -(-width // grid[1])
        padding = [(0, tile[0] * grid[0] - height), (0, tile[1] * grid[1] - width)]
        shades = jnp.clip(jnp.pad(image, padding, mode="symmetric"), 0, 255).astype("int32")
        row, column = (jax.lax.broadcasted_iota("int32", shades.shape, d) // tile[d] for d in (0, 1))
        counts = jnp.zeros((*grid, 256), "float32").at[row, column, shades].add(1.0)
        if limit > 0:
            clipped = jnp.minimum(counts, limit * (tile[0] * tile[1]) / 256)
            counts = clipped + jnp.sum(counts - clipped, -1, keepdims=True) / 256
        below = jnp.cumsum(counts, -1)
        least = jnp.min(below, -1, keepdims=True)
        room = tile[0] * tile[1] - least
        tables = jnp.clip((below - least) * 255 / jnp.where(room == 0, 1, room), 0, 255)  # [rows, columns, 256]

        shades = shades[:height, :width]
        (top, bottom, down), (left, right, across) = (_neighbors(image.shape, d, tile[d], grid[d]) for d in (0, 1))
        above = tables[top, left, shades] * (1 - across) + tables[top, right, shades] * across
        beneath = tables[bottom, left, shades] * (1 - across) + tables[bottom, right, shades] * across
        return above * (1 - down) + beneath * down

    return jax.vmap(jax.vmap(equalize, axis, axis))(images)


def _neighbors(shape: tuple[int, ...], axis: int, tile: int, count: int) -> tuple[Any, Any, Any]:
    """The tiles whose middles are before and after each pixel along an axis, and how near it is to the second."""
    place = (jax.lax.broadcasted_iota("float32", shape, axis) - tile / 2) / tile
    before = jnp.floor(place)
    first, second = (jnp.clip(before + step, 0, count - 1).astype("int32") for step in (0, 1))
    return first, second, place - before
