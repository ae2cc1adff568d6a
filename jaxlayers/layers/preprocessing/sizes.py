"""Images of other sizes: resized, and cropped in the middle or anywhere."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import ops
from jaxlayers.layers._config import positive
from jaxlayers.layers.preprocessing._augmentation import (
    BaseImagePreprocessingLayer,
    RandomImageLayer,
    Transformation,
    uniform,
)
from jaxlayers.numerics import bounding_boxes as _boxes


class Resizing(BaseImagePreprocessingLayer):
    """Images of another size, by interpolation; the dtype stays.

    Boxes go where the pixels under them go. With `crop_to_aspect_ratio`, Keras's are off by half a pixel where an odd
    number of them is cut away.

    Args:
        height: the new height.
        width: the new width.
        interpolation: see `ops.image.resize`, as for those that follow.
        crop_to_aspect_ratio: likewise.
        pad_to_aspect_ratio: likewise.
        fill_mode: likewise.
        fill_value: likewise.
        antialias: likewise.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Resizing(4, 6)(jnp.ones((2, 9, 9, 3))).shape
        (2, 4, 6, 3)
    """

    _arguments = (
        "height", "width", "interpolation", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "fill_mode", "fill_value",
        "antialias",
    )  # fmt: skip

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.height, self.width = positive(self, "height", height), positive(self, "width", width)
        self.interpolation, self.antialias = interpolation, bool(antialias)
        self.crop_to_aspect_ratio, self.pad_to_aspect_ratio = crop_to_aspect_ratio, pad_to_aspect_ratio
        self.fill_mode, self.fill_value = fill_mode, fill_value

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Transformation:
        """The size that the images had."""
        return self._size(data["images"] if isinstance(data, dict) else data)

    def transform_images(self, images: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """A batch of images of the new size."""
        return self._resize(images, self.interpolation)

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Transformation = None, training: bool = True
    ) -> Any:
        """Masks of the new size, without values between those they have."""
        return self._resize(segmentation_masks, "nearest")

    def _resize(self, images: Any, interpolation: str) -> jax.Array:
        return ops.image.resize(
            images,
            (self.height, self.width),
            interpolation,
            self.antialias,
            self.crop_to_aspect_ratio,
            self.pad_to_aspect_ratio,
            self.fill_mode,
            self.fill_value,
            self.data_format,
        )

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Boxes in images of the new size."""
        height, width = used = transformation
        if self.crop_to_aspect_ratio:
            used = _largest(used, (self.height, self.width))
            start = (height - used[0]) // 2, (width - used[1]) // 2
        elif self.pad_to_aspect_ratio:
            box = width * self.height / self.width, height * self.width / self.height
            start = -((max(height, int(box[0])) - height) // 2), -((max(width, int(box[1])) - width) // 2)
            start = (start[0], 0) if start[0] else start
            used = height - 2 * start[0], width - 2 * start[1]
        else:
            start = 0, 0
        return _moved(
            bounding_boxes, str(self.bounding_box_format), (height, width), (self.height, self.width), start, used
        )


def _largest(size: Any, proportions: Any) -> tuple[int, int]:
    """The size of the largest part of an image that has these proportions."""
    (height, width), (rows, columns) = size, proportions
    return max(min(height, int(width * rows / columns)), 1), max(min(width, int(height * columns / rows)), 1)


def _moved(boxes: Any, name: str, before: Any, after: Any, start: Any, used: Any) -> dict[str, Any]:
    """Boxes after the part of an image that starts at `start` and is of size `used` became the whole."""
    scale = after[0] / used[0], after[1] / used[1]

    def move(corners: Any) -> Any:
        x1, y1, x2, y2 = jnp.unstack(corners, axis=-1)
        across, down = (lambda x: (x - start[1]) * scale[1]), (lambda y: (y - start[0]) * scale[0])
        return jnp.stack([across(x1), down(y1), across(x2), down(y2)], -1)

    empty = jnp.all((boxes["boxes"] == -1) | (boxes["boxes"] == 0), -1, keepdims=True)  # padding of the boxes
    changed = _boxes.change(boxes, name, before, after, move)
    return {**changed, "boxes": jnp.where(empty, 0, changed["boxes"])}


class CenterCrop(BaseImagePreprocessingLayer):
    """The middle of images; of those that are smaller, the largest middle of its proportions, resized.

    Args:
        height: of the part.
        width: of the part.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.CenterCrop(1, 2)(jnp.arange(12.0).reshape(3, 4, 1)).ravel().tolist()
        [5.0, 6.0]
    """

    _arguments = ("height", "width")

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.height, self.width = positive(self, "height", height), positive(self, "width", width)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Transformation:
        """The shape that the images had."""
        return {"input_shape": (data["images"] if isinstance(data, dict) else data).shape}

    def transform_images(self, images: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """The middle of a batch of images."""
        images = self._floats(images)
        height, width = self._size(images)
        if height >= self.height and width >= self.width:
            top, left = (height - self.height) // 2, (width - self.width) // 2
            images = jax.lax.slice_in_dim(images, top, top + self.height, axis=images.ndim + self.height_axis)
            return jax.lax.slice_in_dim(images, left, left + self.width, axis=images.ndim + self.width_axis)
        return _middle(images, self.height, self.width, self.data_format)

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Transformation = None, training: bool = True
    ) -> Any:
        """The middle of masks."""
        return self.transform_images(segmentation_masks)

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Boxes in the middle of images."""
        shape = transformation["input_shape"]
        size, wanted = (shape[self.height_axis], shape[self.width_axis]), (self.height, self.width)
        smaller = size[0] < wanted[0] or size[1] < wanted[1]
        used = _largest(size, wanted) if smaller else wanted
        start = (size[0] - used[0]) // 2, (size[1] - used[1]) // 2
        return _moved(bounding_boxes, str(self.bounding_box_format), size, wanted, start, used)


def _middle(images: Any, height: int, width: int, data_format: str) -> jax.Array:
    return ops.image.resize(images, (height, width), crop_to_aspect_ratio=True, data_format=data_format)


class RandomCrop(RandomImageLayer):
    """A part of each image, anywhere in it while training; else the largest middle of its proportions, resized.

    Each image has a place of its own, where Keras has one for the batch. Outside of training, Keras returns images
    whole, though its documentation promises the middle; here the size of outputs is always that of the part.

    Args:
        height: of the part.
        width: of the part.
        seed: an integer, for draws that repeat.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        name: a name without slashes.
        **kwargs: `bounding_box_format`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomCrop(4, 6, seed=1)(jnp.ones((2, 9, 9, 3))).shape
        (2, 4, 6, 3)
    """

    _arguments = ("height", "width", "seed")

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, name=name, **kwargs)
        self.height, self.width = positive(self, "height", height), positive(self, "width", width)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Transformation:
        """The size of the images, and where the part of each starts: rows and columns, None for the middle."""
        height, width = self._size(data["images"] if isinstance(data, dict) else data)
        fits = height >= self.height and width >= self.width
        start = super().get_random_transformation(data, training, seed) if fits else None
        return {"size": (height, width), "start": start}

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        height, width = self._size(images)
        down, across = jax.random.split(key)
        top = uniform(down, (batch,), (0, height - self.height + 1)).astype("int32")
        left = uniform(across, (batch,), (0, width - self.width + 1)).astype("int32")
        return top, left

    def transform_images(self, images: Any, transformation: Transformation, training: bool = True) -> Any:
        """A part of each image."""
        images = self._floats(images)
        if not training or transformation["start"] is None:
            return _middle(images, self.height, self.width, self.data_format)
        return super().transform_images(images, transformation, training)

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        tops, lefts = (jnp.broadcast_to(jnp.asarray(start), images.shape[:1]) for start in transformation["start"])

        def cut(image: Any, top: Any, left: Any) -> Any:
            image = jax.lax.dynamic_slice_in_dim(image, top, self.height, axis=3 + self.height_axis)
            return jax.lax.dynamic_slice_in_dim(image, left, self.width, axis=3 + self.width_axis)

        return jax.vmap(cut)(images, tops, lefts)

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """The same part of each mask."""
        return self.transform_images(segmentation_masks, transformation, training)

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Boxes in the part of each image."""
        name, size, wanted = str(self.bounding_box_format), transformation["size"], (self.height, self.width)
        if not training or transformation["start"] is None:
            used = _largest(size, wanted)
            start = (size[0] - used[0]) // 2, (size[1] - used[1]) // 2
            return _moved(bounding_boxes, name, size, wanted, start, used)
        top, left = (jnp.asarray(start, "float32").reshape(-1, 1) for start in transformation["start"])
        corner = jnp.stack([left, top, left, top], -1)  # [batch or 1, 1, 4]
        return _boxes.change(bounding_boxes, name, size, wanted, lambda corners: corners - corner)
