"""Layers that change the size of images: resizing, centre crops and random crops."""

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
    images_in,
    uniform,
)
from jaxlayers.numerics import bounding_boxes as _boxes


class Resizing(BaseImagePreprocessingLayer):
    """Resizing of images by interpolation; the dtype of the images stays.

    Boxes are mapped as the pixels are. With `crop_to_aspect_ratio` in Keras, boxes are half a pixel off if the number
    of pixels cut off is odd.

    Args:
        height: the new height, in pixels.
        width: the new width, in pixels.
        interpolation: `"bilinear"` (default), `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        crop_to_aspect_ratio: if True, the image is cropped to the new aspect ratio first. False by default.
        pad_to_aspect_ratio: if True, the image is padded to the new aspect ratio first. False by default.
        fill_mode: `"constant"`.
        fill_value: the value of the padding; 0 by default.
        antialias: if True, the image is low-pass filtered when it gets smaller. False by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs: `[..., old_height, old_width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.
        outputs: `[..., height, width, channels]`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Resizing(4, 6)(jnp.ones((2, 9, 9, 3))).shape
        (2, 4, 6, 3)
    """

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
        """Return the height and width of the images before they are resized."""
        return self._size(images_in(data))

    def transform_images(self, images: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """Return the batch of images, resized."""
        return self._resize(images, self.interpolation)

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Transformation = None, training: bool = True
    ) -> Any:
        """Return the masks, resized with nearest-neighbour interpolation."""
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

    def _change_boxes(self, boxes: dict[str, Any], transformation: Transformation) -> dict[str, Any]:
        height, width = used = transformation
        if self.crop_to_aspect_ratio:
            used = _largest_part(used, (self.height, self.width))
        elif self.pad_to_aspect_ratio:
            rows = max(int(width * self.height / self.width) - height, 0) // 2  # of padding at the top
            columns = 0 if rows else max(int(height * self.width / self.height) - width, 0) // 2
            used = height + 2 * rows, width + 2 * columns
        return _rescale_boxes(self, boxes, transformation, used)


def _largest_part(size: Any, target: Any) -> tuple[int, int]:
    """Return the size of the largest part of an image that has the aspect ratio of `target`, (height, width)."""
    (height, width), (rows, columns) = size, target
    return max(min(height, int(width * rows / columns)), 1), max(min(width, int(height * columns / rows)), 1)


def _rescale_boxes(layer: Any, boxes: Any, before: Any, used: Any) -> dict[str, Any]:
    """Return the boxes after the centre part of an image was resized to the size of a layer's outputs.

    Args:
        layer: the layer.
        boxes: a dict of `boxes` and perhaps `labels`.
        before: the height and width of the old image.
        used: the height and width of the part; larger than those of the old image for padding.
    """
    after = layer.height, layer.width
    left, top = ((before[axis] - used[axis]) // 2 for axis in (1, 0))
    across, down = (after[axis] / used[axis] for axis in (1, 0))

    def move(corners: Any) -> Any:
        x1, y1, x2, y2 = jnp.unstack(corners, axis=-1)
        moved = (x1 - left) * across, (y1 - top) * down, (x2 - left) * across, (y2 - top) * down
        return jnp.stack(moved, -1)

    empty = jnp.all((boxes["boxes"] == -1) | (boxes["boxes"] == 0), -1, keepdims=True)  # padding of the boxes
    changed = _boxes.change(boxes, str(layer.bounding_box_format), before, after, move)
    return {**changed, "boxes": jnp.where(empty, 0, changed["boxes"])}


class CenterCrop(BaseImagePreprocessingLayer):
    """Centre crop of images.

    If an image is smaller than the crop, the largest centre part with the aspect ratio of the crop is resized to it.

    Args:
        height: the height of the crop, in pixels.
        width: the width of the crop, in pixels.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs: `[..., old_height, old_width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.
        outputs: `[..., height, width, channels]`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.CenterCrop(1, 2)(jnp.arange(12.0).reshape(3, 4, 1)).ravel().tolist()
        [5.0, 6.0]
    """

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.height, self.width = positive(self, "height", height), positive(self, "width", width)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Transformation:
        """Return the shape of the images before they are cropped."""
        return {"input_shape": images_in(data).shape}

    def transform_images(self, images: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """Return the batch of images, cropped."""
        images = self._floats(images)
        height, width = self._size(images)
        if height >= self.height and width >= self.width:
            top, left = (height - self.height) // 2, (width - self.width) // 2
            images = jax.lax.slice_in_dim(images, top, top + self.height, axis=images.ndim + self.height_axis)
            return jax.lax.slice_in_dim(images, left, left + self.width, axis=images.ndim + self.width_axis)
        return _resize_centre(images, self.height, self.width, self.data_format)

    def _change_masks(self, masks: Any, transformation: Transformation) -> jax.Array:
        return self.transform_images(masks)

    def _change_boxes(self, boxes: dict[str, Any], transformation: Transformation) -> dict[str, Any]:
        shape = transformation["input_shape"]
        size, target = (shape[self.height_axis], shape[self.width_axis]), (self.height, self.width)
        smaller = size[0] < target[0] or size[1] < target[1]
        return _rescale_boxes(self, boxes, size, _largest_part(size, target) if smaller else target)


def _resize_centre(images: Any, height: int, width: int, data_format: str) -> jax.Array:
    """Resize the largest centre part of images that has the new aspect ratio."""
    return ops.image.resize(images, (height, width), crop_to_aspect_ratio=True, data_format=data_format)


class RandomCrop(RandomImageLayer):
    """Random crop of images.

    The position is drawn for each image; Keras draws one for the whole batch. If `training` is False, or an image is
    smaller than the crop, the largest centre part with the aspect ratio of the crop is resized to it. (With
    `training=False`, Keras returns the whole image, although its documentation says otherwise.)

    Args:
        height: the height of the crop, in pixels.
        width: the width of the crop, in pixels.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        name: a name without slashes; generated by default.
        **kwargs: `bounding_box_format`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs: `[..., old_height, old_width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.
        outputs: `[..., height, width, channels]`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomCrop(4, 6, seed=1)(jnp.ones((2, 9, 9, 3))).shape
        (2, 4, 6, 3)
    """

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
        """Return the size of the images and the start of each crop (rows, columns), which is None for a centre part."""
        height, width = self._size(images_in(data))
        fits = height >= self.height and width >= self.width
        start = super().get_random_transformation(data, training, seed) if fits else None
        return {"size": (height, width), "start": start}

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        height, width = self._size(images)
        top_key, left_key = jax.random.split(key)
        top = uniform(top_key, (batch,), (0, height - self.height + 1)).astype("int32")
        left = uniform(left_key, (batch,), (0, width - self.width + 1)).astype("int32")
        return top, left

    def transform_images(self, images: Any, transformation: Transformation, training: bool = True) -> Any:
        """Return the batch of images, cropped."""
        images = self._floats(images)
        if not training or transformation["start"] is None:
            return _resize_centre(images, self.height, self.width, self.data_format)
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
        """Return the masks, cropped as their images are."""
        return self.transform_images(segmentation_masks, transformation, training)

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Return the boxes in the cropped images."""
        name, size, target = str(self.bounding_box_format), transformation["size"], (self.height, self.width)
        if not training or transformation["start"] is None:
            return _rescale_boxes(self, bounding_boxes, size, _largest_part(size, target))
        top, left = (jnp.asarray(start, "float32").reshape(-1, 1) for start in transformation["start"])
        origin = jnp.stack([left, top, left, top], -1)  # [batch or 1, 1, 4]
        return _boxes.change(bounding_boxes, name, size, target, lambda corners: corners - origin)
