"""Base classes of the layers that change images, and the functions that these layers share.

A layer draws a transformation, which is a dict of arrays with one entry for each image of the batch, and applies the
same transformation to the images, labels, bounding boxes and segmentation masks. Both steps are functions of arrays,
so that they compile and process whole batches.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers import random
from jaxlayers.common.constructors import constructor_config
from jaxlayers.core import Layer, random as keys
from jaxlayers.numerics import bounding_boxes as _boxes
from jaxlayers.numerics.spatial import format_of, one_of

Transformation = Any
_REAL = (int, float, np.integer, np.floating)
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

    Attributes:
        channels_axis: the axis of the channels of images, as a negative number; likewise `height_axis` and
            `width_axis`.

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

    built = True  # it has no weights
    _config_if_changed = ("bounding_box_format",)

    def __init__(self, bounding_box_format: str | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.bounding_box_format = None if bounding_box_format is None else _boxes.check_format(bounding_box_format)
        self.data_format = format_of(type(self).__name__, data_format)
        channels_last = self.data_format == "channels_last"
        self.channels_axis, self.height_axis, self.width_axis = (-1, -3, -2) if channels_last else (-3, -2, -1)

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
        for name in entries.keys() & {"images", "labels", "bounding_boxes", "segmentation_masks"}:
            transform = getattr(self, f"transform_{name}")
            entries[name] = transform(entries[name], transformation, training=training)
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
        applies = self._applies(transformation, training)
        return self._change_boxes(bounding_boxes, transformation) if applies else bounding_boxes

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Return the segmentation masks of the changed images; here, the masks themselves."""
        applies = self._applies(transformation, training)
        return self._change_masks(segmentation_masks, transformation) if applies else segmentation_masks

    def _applies(self, transformation: Transformation, training: bool) -> bool:
        """Return True if the layer changes its inputs by a transformation."""
        return True

    def _change_boxes(self, boxes: dict[str, Any], transformation: Transformation) -> dict[str, Any]:
        """Return the boxes, a dict of `boxes` and `labels`, in the changed images; here, the boxes themselves."""
        return boxes

    def _change_masks(self, masks: Any, transformation: Transformation) -> Any:
        """Return the segmentation masks of the changed images; here, the masks themselves."""
        return masks

    def _size(self, images: Any) -> tuple[int, int]:
        """Return the height and width of images."""
        return images.shape[self.height_axis], images.shape[self.width_axis]

    def _floats(self, images: Any) -> jax.Array:
        return jnp.asarray(images).astype(self.compute_dtype)

    def _pair(self, name: str, value: Any, low: float, high: float) -> tuple[Any, Any]:
        """Return a pair of numbers in [low, high] as an argument describes it.

        Args:
            name: the name of the argument, for the error message.
            value: two numbers, which are sorted; or one number f for the range from `max(-f, low)` to f.
            low: the smallest allowed number.
            high: the largest allowed number.

        Raises:
            ValueError: if `value` is not one or two numbers in [low, high].
        """
        ends = sorted(value) if isinstance(value, list | tuple) else [value]
        if not all(isinstance(n, _REAL) and low <= n <= high for n in ends) or len(ends) not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: {name} must be one number or two numbers from {low} to {high}; received "
                f"{value!r}."
            )
        if len(ends) == 2:
            return ends[0], ends[1]
        return max(-abs(value), low), abs(value)

    def _number(self, name: str, value: Any) -> Any:
        """Return a number in [0, 1].

        Raises:
            ValueError: if `value` is anything else, such as a range.
        """
        if not isinstance(value, _REAL) or not 0 <= value <= 1:
            raise ValueError(f"{type(self).__name__}: {name} must be one number from 0 to 1; received {value!r}.")
        return value

    def _one_of(self, name: str, value: Any, choices: tuple[str, ...]) -> str:
        return one_of(type(self).__name__, name, value, choices)

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
    which returns a transformation, and `_change`, which applies it to images. The change is compiled. Nothing is
    changed if `training` is False.

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
        images = images_in(data)
        images = images if images.ndim == 4 else images[None]
        return self._draw(keys.draw_key(self.generator if seed is None else seed), images, images.shape[0])

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        """Return the transformation of a batch of images, whose size is `batch`, as a function of a key."""
        raise NotImplementedError(f"{type(self).__name__} must override _draw().")

    def transform_images(self, images: Any, transformation: Transformation, training: bool = True) -> Any:
        """Return the batch of images in the compute dtype, changed if `training` is True."""
        images = self._floats(images)
        return _compiled(self)(images, transformation) if self._applies(transformation, training) else images

    def _applies(self, transformation: Transformation, training: bool) -> bool:
        return training and transformation is not None

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        """Return the changed batch of images, which are in the compute dtype."""
        raise NotImplementedError(f"{type(self).__name__} must override _change().")


class FactorLayer(RandomImageLayer):
    """The base class of layers with a random factor, which is the amount of the change or its probability.

    Args:
        factor: the range of the factor: two numbers within `factor_limits`; one number f means the range from -f, or
            from the lower limit if that is higher, to f.
        value_range: the smallest and the largest value of the images; `(0, 255)` by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Attributes:
        factor_limits: the smallest and the largest allowed factor.
    """

    factor_limits: ClassVar[tuple[float, float]] = (0, 1)

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor, self.value_range = self._pair("factor", factor, *self.factor_limits), self._range(value_range)


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


def images_in(data: Any) -> Any:
    """Return the images in the inputs of a layer, which are images or a dict."""
    return data["images"] if isinstance(data, dict) else data


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
