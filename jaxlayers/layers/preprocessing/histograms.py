"""Layers that change the distribution of pixel values: contrast stretching, histogram equalisation, solarisation."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.layers.preprocessing._augmentation import (
    BaseImagePreprocessingLayer,
    RandomImageLayer,
    Transformation,
    rescale,
    uniform,
)


class AutoContrast(BaseImagePreprocessingLayer):
    """Contrast stretching: `(x - min) / (max - min) (high - low) + low`, in each channel of each image.

    A channel in which all values are equal stays as it is.

    Args:
        value_range: `low` and `high`, the range of the results; `(0, 255)` by default.
        **kwargs: `data_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AutoContrast((0, 1))(jnp.array([[[0.25], [0.5], [0.75]]])).ravel().tolist()
        [0.0, 0.5, 1.0]
    """

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any):
        super().__init__(**kwargs)
        self.value_range = self._range(value_range)

    def transform_images(self, images: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """Return the batch of images, stretched."""
        axes = self.height_axis, self.width_axis
        return _stretch(self._floats(images), axes, tuple(self.value_range))


@functools.partial(jax.jit, static_argnums=(1, 2))
def _stretch(images: Any, axes: tuple[int, int], bounds: tuple[Any, Any]) -> jax.Array:
    low, high = jnp.min(images, axes, keepdims=True), jnp.max(images, axes, keepdims=True)
    spread = jnp.where(high > low, high - low, 1)
    return jnp.where(high > low, (images - low) / spread * (bounds[1] - bounds[0]) + bounds[0], images)


class Solarization(RandomImageLayer):
    """Random solarisation: with `y = clip(x + addition, low, high)`, the result is y below a threshold, else inverted.

    The inverse of y is `low + high - y`. Both ends of a factor are fractions of the range of values; in Keras, the
    lower end is in units of the values.

    Args:
        addition_factor: the range of the addition, as a fraction of `high - low`: two numbers from 0 to 1; one number f
            means `(0, f)`. 0 by default.
        threshold_factor: the range of the threshold, as a fraction of `high - low`, likewise.
        value_range: the smallest and the largest value of the images; `(0, 255)` by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        **kwargs: `data_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

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
        self.addition_factor = self._pair("addition_factor", addition_factor, 0, 1)
        self.threshold_factor = self._pair("threshold_factor", threshold_factor, 0, 1)
        self.value_range = self._range(value_range)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        addition_key, threshold_key = jax.random.split(key)
        # Values are mapped to 0 ... 255 before the change, so the draws are in these units.
        additions = 255 * uniform(addition_key, (batch, 1, 1, 1), self.addition_factor)
        thresholds = 255 * uniform(threshold_key, (batch, 1, 1, 1), self.threshold_factor)
        return {"additions": additions, "thresholds": thresholds}

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        additions, thresholds = (transformation[name].astype(images.dtype) for name in ("additions", "thresholds"))
        values = jnp.clip(rescale(images, self.value_range, (0, 255)) + additions, 0, 255)
        return rescale(jnp.where(values < thresholds, values, 255 - values), (0, 255), self.value_range)


class Equalization(BaseImagePreprocessingLayer):
    """Histogram equalisation of each channel of each image, if `training` is True.

    A pixel in bin k becomes `255 (below[k] - first) / (total - first)`, on the scale 0 ... 255: `below` is the
    cumulative histogram and `first` its first value above 0. Keras computes one histogram for each channel of the
    whole batch.

    Args:
        value_range: the smallest and the largest value of the images; `(0, 255)` by default.
        bins: the number of bins of the histogram; 256 by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Equalization()(jnp.array([[[10.0], [11.0], [12.0], [90.0]]])).ravel().tolist()
        [0.0, 85.0, 170.0, 255.0]
    """

    def __init__(self, value_range: Any = (0, 255), bins: int = 256, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.value_range, self.bins = self._range(value_range), bins

    def transform_images(self, images: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """Return the batch of images, equalised if `training` is True."""
        if not training:
            return images
        return _equalize(self._floats(images), self.bins, tuple(self.value_range), self.channels_axis)


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def _equalize(images: Any, bins: int, bounds: tuple[Any, Any], axis: int) -> jax.Array:
    def equalize(channel: Any) -> Any:
        values = rescale(channel, bounds, (0, 255))
        shades = values.astype("float32")
        bin_of = jnp.clip((shades * (bins - 1) / 255).astype("int32"), 0, bins - 1)
        counts = jnp.zeros(bins, "int32").at[bin_of].add(1)
        below = jnp.cumsum(counts).astype("float32")
        first = below[jnp.argmax(below > 0)]
        table = (below - first) * 255.0 / jnp.maximum(below[-1] - first, 1)
        equalized = jnp.clip(jnp.round(table), 0, 255)[jnp.clip(shades / 255 * (bins - 1), 0, bins - 1).astype("int32")]
        several_shades = jnp.count_nonzero(counts) > 1  # an image of one shade stays as it is
        return rescale(jnp.where(several_shades, equalized.astype(values.dtype), values), (0, 255), bounds)

    return jax.vmap(jax.vmap(equalize, axis, axis))(images)


class ContrastLimitedAdaptiveHistogramEqualization(BaseImagePreprocessingLayer):
    """Contrast-limited adaptive histogram equalisation (CLAHE) of each channel of each image.

    The image is divided into tiles, and each tile has its own histogram of 256 shades. Counts above a limit are
    removed, and their sum is distributed evenly over all shades. A pixel is equalised with the histograms of the four
    nearest tiles, and the four results are interpolated bilinearly.

    Source: Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV (1994).

    Args:
        value_range: the smallest and the largest value of the images; `(0, 255)` by default.
        clip_limit: the limit of a count, as a multiple of the mean count; 4 by default, 0 for no limit.
        tile_grid_size: the number of rows and of columns of tiles; `(8, 8)` by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

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
        """Return the batch of images, equalised, in the dtype of the inputs."""
        images = jnp.asarray(images)
        values = rescale(images.astype("float32"), self.value_range, (0, 255))
        equalized = _equalize_tiles(values, tuple(self.tile_grid_size), self.clip_limit, self.channels_axis)
        return rescale(equalized, (0, 255), self.value_range).astype(images.dtype)


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
        first = jnp.min(below, -1, keepdims=True)
        rest = tile[0] * tile[1] - first
        tables = jnp.clip((below - first) * 255 / jnp.where(rest == 0, 1, rest), 0, 255)  # [rows, columns, 256]

        shades = shades[:height, :width]
        (top, bottom, down), (left, right, across) = (_neighbors(image.shape, d, tile[d], grid[d]) for d in (0, 1))
        upper = tables[top, left, shades] * (1 - across) + tables[top, right, shades] * across
        lower = tables[bottom, left, shades] * (1 - across) + tables[bottom, right, shades] * across
        return upper * (1 - down) + lower * down

    return jax.vmap(jax.vmap(equalize, axis, axis))(images)


def _neighbors(shape: tuple[int, ...], axis: int, tile: int, count: int) -> tuple[Any, Any, Any]:
    """Return, for each pixel, the two tiles with the nearest centres along an axis, and the weight of the second."""
    position = (jax.lax.broadcasted_iota("float32", shape, axis) - tile / 2) / tile  # from the centre of the first tile
    before = jnp.floor(position)
    first, second = (jnp.clip(before + step, 0, count - 1).astype("int32") for step in (0, 1))
    return first, second, position - before
