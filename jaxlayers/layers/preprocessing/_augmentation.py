"""Base classes of the layers that change images, and the functions that these layers share.

A layer draws a transformation, which is a dict of arrays with one entry for each image of the batch, and applies the
same transformation to the images, labels, bounding boxes and segmentation masks. Both steps are functions of arrays,
so that they compile and process whole batches.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import random
from jaxlayers.common.constructors import constructor_config
from jaxlayers.common.settings import image_data_format
from jaxlayers.core import Layer
from jaxlayers.core import random as keys
from jaxlayers.numerics import bounding_boxes as _boxes

Transformation = Any
INTERPOLATIONS = ("nearest", "bilinear")
FILL_MODES = ("reflect", "wrap", "constant", "nearest")


class BaseImagePreprocessingLayer(Layer):
    """The base class of layers that change images and the labels, bounding boxes and segmentation masks with them.

    A subclass overrides `get_random_transformation` and `transform_images`. If the layer changes them, the subclass
    also overrides `transform_labels`, `transform_bounding_boxes` and `transform_segmentation_masks`. All these methods
    receive batches.

    Args:
        bounding_box_format: the format of the boxes in the inputs, such as `"xyxy"` or `"rel_xywh"`; see
            `utils.bounding_boxes`. None (default) if the inputs have no boxes.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: images `[height, width, channels]` or `[batch, height, width, channels]`; or a dict of `images`,
        `labels`, `segmentation_masks` and `bounding_boxes` (a dict of `boxes` and `labels`). With
        `data_format="channels_first"`, images are `[..., channels, height, width]`.
        outputs: the same structure.

    Raises:
        ValueError: if the format of data or boxes is unknown; when called, if the images do not have 3 or 4 axes, or
            if there are boxes and `bounding_box_format` is None.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> flip = jl.layers.RandomFlip("horizontal", seed=1)
        >>> flip(jnp.ones((2, 4, 4, 3))).shape
        (2, 4, 4, 3)
    """

    _config_if_changed = ("bounding_box_format",)

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
        """The axis of the channels, as a negative number."""
        return -1 if self.data_format == "channels_last" else -3

    @property
    def height_axis(self) -> int:
        """The axis of the height, as a negative number."""
        return -3 if self.data_format == "channels_last" else -2

    @property
    def width_axis(self) -> int:
        """The axis of the width, as a negative number."""
        return self.height_axis + 1

    def call(self, data: Any, training: bool = True) -> Any:
        """Draw a transformation and apply it to every part of the data."""
        entries = dict(data) if isinstance(data, dict) else {"images": data}
        rank = jnp.ndim(entries["images"])
        if rank not in (3, 4):
            raise ValueError(
                f"{self.path!r} expects images with 3 axes, or with 4 axes of which the first is the batch; received "
                f"shape {jnp.shape(entries['images'])}."
            )
        if "bounding_boxes" in entries and self.bounding_box_format is None:
            raise ValueError(
                f"{self.path!r} received bounding boxes, but its bounding_box_format is None. Create the layer with "
                f"the format of the boxes, one of {_boxes.FORMATS}."
            )
        if rank == 3:
            entries = jax.tree.map(lambda value: jnp.asarray(value)[None], entries)
        transformation = self.get_random_transformation(
            entries if isinstance(data, dict) else entries["images"], training=training
        )
        transforms = {
            "images": self.transform_images,
            "bounding_boxes": self.transform_bounding_boxes,
            "labels": self.transform_labels,
            "segmentation_masks": self.transform_segmentation_masks,
        }
        for name in transforms.keys() & entries.keys():
            entries[name] = transforms[name](entries[name], transformation, training=training)
        if rank == 3:
            entries = jax.tree.map(lambda value: value[0], entries)
        return entries if isinstance(data, dict) else entries["images"]

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Transformation:
        """Return the transformation of each image: a dict of arrays, or None to change nothing."""
        return None

    def transform_images(self, images: Any, transformation: Transformation, training: bool = True) -> Any:
        """Return the changed batch of images."""
        raise NotImplementedError(f"{type(self).__name__} must override transform_images().")

    def transform_labels(self, labels: Any, transformation: Transformation, training: bool = True) -> Any:
        """Return the labels of the changed images; here, the labels themselves."""
        return labels

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Return the bounding boxes in the changed images; here, the boxes themselves."""
        return bounding_boxes

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Return the segmentation masks of the changed images; here, the masks themselves."""
        return segmentation_masks

    def _size(self, images: Any) -> tuple[int, int]:
        """Return the height and width of images."""
        return images.shape[self.height_axis], images.shape[self.width_axis]

    def _floats(self, images: Any) -> jax.Array:
        return jnp.asarray(images).astype(self.compute_dtype)

    def _pair(self, name: str, value: Any, low: float, high: float, below: float | None = None) -> tuple[Any, Any]:
        """Return a pair of numbers in [low, high] as an argument describes it.

        Args:
            name: the name of the argument, for the error message.
            value: two numbers, which are sorted; or one number, the upper end of the range.
            low: the smallest allowed number.
            high: the largest allowed number.
            below: the lower end of the range if `value` is one number; by default `max(-value, low)`.

        Raises:
            ValueError: if `value` is not one or two numbers in [low, high].
        """
        numbers = sorted(value) if isinstance(value, list | tuple) else [value]
        if not all(isinstance(n, int | float) and low <= n <= high for n in numbers) or len(numbers) not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: {name} must be one number or two numbers from {low} to {high}; received "
                f"{value!r}."
            )
        if len(numbers) == 2:
            return numbers[0], numbers[1]
        return max(-abs(value), low) if below is None else below, abs(value)

    def _one_of(self, name: str, value: Any, choices: tuple[str, ...]) -> Any:
        if value not in choices:
            raise ValueError(f"{type(self).__name__}: {name} must be one of {choices}; received {value!r}.")
        return value

    def _range(self, value_range: Any) -> list[Any]:
        if not isinstance(value_range, list | tuple) or len(value_range) != 2:
            raise ValueError(
                f"{type(self).__name__}: value_range must be two numbers, the smallest and the largest value; received "
                f"{value_range!r}."
            )
        return sorted(value_range)


class RandomImageLayer(BaseImagePreprocessingLayer):
    """The base class of image layers with random transformations.

    The keys come from the seed of the layer, or from the argument `rng` of `apply`. A subclass overrides `_draw`,
    which returns a transformation, and `_change`, which applies it to images. The change is compiled.

    Args:
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

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
        """Draw the transformation of each image, or return None if `training` is False.

        Args:
            data: the batch of images, or a dict with `images`.
            training: if False, nothing is changed. True by default.
            seed: a key or a seed generator; by default the generator of the layer.
        """
        if not training:
            return None
        images = data["images"] if isinstance(data, dict) else data
        batch = images.shape[0] if images.ndim == 4 else 1
        return self._draw(keys.draw_key(self.generator if seed is None else seed), images, batch)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        """Return the transformation of a batch as a function of a key."""
        raise NotImplementedError(f"{type(self).__name__} must override _draw().")

    def transform_images(self, images: Any, transformation: Transformation, training: bool = True) -> Any:
        """Return the batch of images in the compute dtype, changed if `training` is True."""
        images = self._floats(images)
        return _compiled(self)(images, transformation) if training and transformation is not None else images

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        """Return the changed batch of images, which are in the compute dtype."""
        raise NotImplementedError(f"{type(self).__name__} must override _change().")


_programs: weakref.WeakKeyDictionary[RandomImageLayer, tuple[Any, Callable[..., Any]]] = weakref.WeakKeyDictionary()


def _compiled(layer: RandomImageLayer) -> Callable[..., Any]:
    """Return `layer._change` as a compiled function; it is compiled again after an argument of the layer changed."""
    state = repr((layer.compute_dtype, constructor_config(layer)))
    compiled_for, program = _programs.get(layer, (None, None))
    if program is None or compiled_for != state:
        reference = weakref.ref(layer)  # a strong reference in the table would keep the layer alive
        program = jax.jit(lambda images, drawn: reference()._change(images, drawn))  # type: ignore[union-attr]
        _programs[layer] = state, program
    return program


def uniform(key: jax.Array, shape: tuple[int, ...], bounds: tuple[Any, Any]) -> jax.Array:
    """Draw uniform float32 numbers between two bounds."""
    return jax.random.uniform(key, shape, "float32", bounds[0], bounds[1])


def draw_booleans(key: jax.Array, batch: int, factor: tuple[Any, Any]) -> jax.Array:
    """Draw True or False for each image, [batch]; the probability of True is itself drawn from the range `factor`."""
    first, second = uniform(key, (2, batch), (0, 1))
    return second < factor[0] + (factor[1] - factor[0]) * first


def per_image(values: Any, dtype: Any = None) -> jax.Array:
    """Reshape one value for each image, [batch], to [batch, 1, 1, 1], so that it broadcasts with the images."""
    values = jnp.asarray(values, dtype)
    return values.reshape((values.shape[0], 1, 1, 1))


def rescale(images: Any, source: Any, target: Any) -> Any:
    """Map values linearly from the range `source` to the range `target`."""
    if tuple(source) == tuple(target):
        return images
    return (images - source[0]) / (source[1] - source[0]) * (target[1] - target[0]) + target[0]
