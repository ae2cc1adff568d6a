"""What every layer that changes images shares: one call for images, labels, boxes and masks, and one draw for all.

A layer draws a transformation (a dict of arrays with one entry for each image of the batch), then applies it to
whatever belongs to the images. Both are functions of arrays, so that they compile and run on whole batches.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import random
from jaxlayers.common.settings import image_data_format
from jaxlayers.core import Layer
from jaxlayers.core import random as keys
from jaxlayers.layers._config import describe
from jaxlayers.numerics import bounding_boxes as _boxes

Transformation = Any
INTERPOLATIONS = ("nearest", "bilinear")
FILL_MODES = ("reflect", "wrap", "constant", "nearest")


class BaseImagePreprocessingLayer(Layer):
    """Changes images, and the labels, bounding boxes and segmentation masks that belong to them.

    A subclass writes `get_random_transformation` and `transform_images`, and whatever else it changes of
    `transform_labels`, `transform_bounding_boxes` and `transform_segmentation_masks`; all of them see batches.

    Args:
        bounding_box_format: of boxes among the inputs: `"xyxy"`, `"rel_xywh"`, ...
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: images `[height, width, channels]` or `[batch, height, width, channels]`; or a dict of `images`,
        `labels`, `segmentation_masks` and `bounding_boxes` (a dict of `boxes` and `labels`).
        outputs: the same structure.

    Raises:
        ValueError: for images of another number of axes, or boxes without a format.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> flip = jl.layers.RandomFlip("horizontal", seed=1)
        >>> flip(jnp.ones((2, 4, 4, 3))).shape
        (2, 4, 4, 3)
    """

    _arguments: tuple[str, ...] = ()  # the attributes that make it again

    def __init__(self, bounding_box_format: str | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.bounding_box_format = None if bounding_box_format is None else _boxes.check_format(bounding_box_format)
        self.data_format = image_data_format() if data_format is None else str(data_format).lower()
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                f"{type(self).__name__}: data_format must be 'channels_last' or 'channels_first'; received "
                f"{data_format!r}."
            )

    @property
    def channels_axis(self) -> int:
        """Which axis the channels are, counted from the end."""
        return -1 if self.data_format == "channels_last" else -3

    @property
    def height_axis(self) -> int:
        """Which axis the rows are, counted from the end."""
        return -3 if self.data_format == "channels_last" else -2

    @property
    def width_axis(self) -> int:
        """Which axis the columns are, counted from the end."""
        return self.height_axis + 1

    def call(self, data: Any, training: bool = True) -> Any:
        """Draw a transformation and apply it to all that is given."""
        entries = dict(data) if isinstance(data, dict) else {"images": data}
        rank = jnp.ndim(entries["images"])
        if rank not in (3, 4):
            raise ValueError(
                f"{self.path!r} expects images of 3 axes, or of 4 with a batch in front; received shape "
                f"{jnp.shape(entries['images'])}."
            )
        if "bounding_boxes" in entries and self.bounding_box_format is None:
            raise ValueError(
                f"{self.path!r} was given bounding boxes, and no bounding_box_format. Give it one, 'xyxy' say, among "
                f"{_boxes.FORMATS}."
            )
        if rank == 3:
            entries = jax.tree.map(lambda value: jnp.asarray(value)[None], entries)
        drawn = self.get_random_transformation(
            entries if isinstance(data, dict) else entries["images"], training=training
        )
        changes = {
            "images": self.transform_images,
            "bounding_boxes": self.transform_bounding_boxes,
            "labels": self.transform_labels,
            "segmentation_masks": self.transform_segmentation_masks,
        }
        for name in changes.keys() & entries.keys():
            entries[name] = changes[name](entries[name], drawn, training=training)
        if rank == 3:
            entries = jax.tree.map(lambda value: value[0], entries)
        return entries if isinstance(data, dict) else entries["images"]

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Transformation:
        """What is done to each image: a dict of arrays; None for nothing."""
        return None

    def transform_images(self, images: Any, transformation: Transformation, training: bool = True) -> Any:
        """A batch of images, changed."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it changes images.")

    def transform_labels(self, labels: Any, transformation: Transformation, training: bool = True) -> Any:
        """The labels of the changed images; here, the same."""
        return labels

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """The bounding boxes in the changed images; here, the same."""
        return bounding_boxes

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """The segmentation masks of the changed images; here, the same."""
        return segmentation_masks

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        config = {**super().get_config(), "data_format": self.data_format, **describe(self, *self._arguments)}
        if self.bounding_box_format is not None:
            config["bounding_box_format"] = self.bounding_box_format
        return config

    def _size(self, images: Any) -> tuple[int, int]:
        """Height and width."""
        return images.shape[self.height_axis], images.shape[self.width_axis]

    def _floats(self, images: Any) -> jax.Array:
        return jnp.asarray(images).astype(self.compute_dtype)

    def _pair(self, name: str, value: Any, low: float, high: float, below: float | None = None) -> tuple[Any, Any]:
        """A range in [low, high] from two numbers, or from one: then from `below`, by default minus that number."""
        numbers = sorted(value) if isinstance(value, list | tuple) else [value]
        if not all(isinstance(n, int | float) and low <= n <= high for n in numbers) or len(numbers) not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: {name} must be a number or two of them, from {low} to {high}; received "
                f"{value!r}."
            )
        if len(numbers) == 2:
            return numbers[0], numbers[1]
        return max(-abs(value), low) if below is None else below, abs(value)

    def _one_of(self, name: str, value: Any, choices: tuple[str, ...]) -> Any:
        if value not in choices:
            raise ValueError(f"{type(self).__name__}: {name} must be among {choices}; received {value!r}.")
        return value

    def _range(self, value_range: Any) -> list[Any]:
        if not isinstance(value_range, list | tuple) or len(value_range) != 2:
            raise ValueError(f"{type(self).__name__}: value_range must be two numbers; received {value_range!r}.")
        return sorted(value_range)


class RandomImageLayer(BaseImagePreprocessingLayer):
    """An image layer that draws: from its seed, the `rng` of `apply`, or the global generator.

    Args:
        seed: an integer, for draws that repeat.
        **kwargs: as of `BaseImagePreprocessingLayer`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomBrightness(0.2, seed=1)(jnp.ones((4, 4, 3))).shape
        (4, 4, 3)
    """

    def __init__(self, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = random.SeedGenerator(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Transformation:
        """What is done to each image, drawn from a seed, or from the layer's own; None while not training."""
        if not training:
            return None
        images = data["images"] if isinstance(data, dict) else data
        batch = images.shape[0] if images.ndim == 4 else 1
        return self._draw(keys.draw_key(self.generator if seed is None else seed), images, batch)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        """The transformation of a batch as a function of a key."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it draws.")

    def transform_images(self, images: Any, transformation: Transformation, training: bool = True) -> Any:
        """A batch of images, changed while training."""
        images = self._floats(images)
        return _compiled(self)(images, transformation) if training and transformation is not None else images

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        """A batch of images in the compute dtype, changed."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it changes images.")


_programs: weakref.WeakKeyDictionary[RandomImageLayer, tuple[Any, Callable[..., Any]]] = weakref.WeakKeyDictionary()


def _compiled(layer: RandomImageLayer) -> Callable[..., Any]:
    """A layer's change as one compiled function, made again when an argument of the layer was changed."""
    state = repr([getattr(layer, name) for name in ("compute_dtype", "data_format", *layer._arguments)])
    made, program = _programs.get(layer, (None, None))
    if program is None or made != state:
        reference = weakref.ref(layer)  # the table must not keep the layer alive
        program = jax.jit(lambda images, drawn: reference()._change(images, drawn))  # type: ignore[union-attr]
        _programs[layer] = state, program
    return program


def uniform(key: jax.Array, shape: tuple[int, ...], bounds: tuple[Any, Any]) -> jax.Array:
    """Uniform numbers between two bounds."""
    return jax.random.uniform(key, shape, "float32", bounds[0], bounds[1])


def often(key: jax.Array, batch: int, factor: tuple[Any, Any]) -> jax.Array:
    """Whether, for each image: with a probability that is drawn from a range itself."""
    first, second = jax.random.split(key)
    return uniform(second, (batch,), (0, 1)) < uniform(first, (batch,), factor)


def per_image(values: Any, dtype: Any = None) -> jax.Array:
    """One number for each image, [batch], with axes to go with images."""
    values = jnp.asarray(values, dtype)
    return values.reshape((values.shape[0], 1, 1, 1))


def rescaled(images: Any, source: Any, target: Any) -> Any:
    """Values of one range as those of another."""
    if tuple(source) == tuple(target):
        return images
    return (images - source[0]) / (source[1] - source[0]) * (target[1] - target[0]) + target[0]
