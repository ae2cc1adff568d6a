"""Images moved at random by eight numbers each: rotated, shifted, zoomed, sheared, seen from elsewhere."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import ops
from jaxlayers.layers.preprocessing._augmentation import (
    FILL_MODES,
    INTERPOLATIONS,
    RandomImageLayer,
    Transformation,
    often,
    uniform,
)
from jaxlayers.numerics import bounding_boxes as _boxes
from jaxlayers.numerics.image_geometry import homography


class _Moving(RandomImageLayer):
    """Reads each pixel of the result at a place that an affine transform of eight numbers says."""

    def __init__(
        self, interpolation: str, fill_mode: str, fill_value: float, seed: int | None, data_format: Any, **kwargs: Any
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.interpolation = self._one_of("interpolation", interpolation, INTERPOLATIONS)
        self.fill_mode, self.fill_value = self._one_of("fill_mode", fill_mode, FILL_MODES), fill_value

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        """The eight numbers for each image, [batch, 8], of `ops.image.affine_transform`."""
        raise NotImplementedError

    def _read(self, images: Any, transformation: Any, interpolation: str) -> jax.Array:
        matrix = self._matrix(transformation, *self._size(images))
        return ops.image.affine_transform(
            images, matrix, interpolation, self.fill_mode, self.fill_value, self.data_format
        )

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return self._read(images, transformation, self.interpolation)

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Masks moved like their images, without values between those they have."""
        if not training or transformation is None:
            return segmentation_masks
        return self._read(segmentation_masks, transformation, "nearest")

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """The boxes around where the corners of boxes go."""
        if not training or transformation is None:
            return bounding_boxes
        if "input_shape" in transformation:
            shape = transformation["input_shape"]
            size = shape[self.height_axis], shape[self.width_axis]
        else:
            size = transformation["image_height"], transformation["image_width"]
        matrix = self._matrix(transformation, *size)
        name = str(self.bounding_box_format)
        return _boxes.change(bounding_boxes, name, size, size, lambda corners: _boxes.project(corners, matrix))


def _numbers(*rows: Any) -> jax.Array:
    """Columns of numbers, each [batch] or one for all, as [batch, columns]."""
    batch = next(len(row) for row in rows if jnp.ndim(row))
    return jnp.stack([jnp.broadcast_to(jnp.asarray(row, "float32"), (batch,)) for row in rows], -1)


class RandomRotation(_Moving):
    """Images rotated about their middle.

    Boxes are those around the rotated corners, in any format; Keras's are, in `"xyxy"` alone.

    Args:
        factor: of a full turn: two numbers from -1 to 1, or one, for a turn of at most that in either direction.
        fill_mode: what is outside: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: an integer, for draws that repeat.
        fill_value: of `"constant"`.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomRotation((0.25, 0.25))(jnp.array([[[1.0], [2.0]], [[3.0], [4.0]]]))[..., 0].round().tolist()
        [[2.0, 4.0], [1.0, 3.0]]
    """

    _arguments = ("factor", "fill_mode", "fill_value", "interpolation", "seed")

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(interpolation, fill_mode, fill_value, seed, data_format, **kwargs)
        self.factor = self._pair("factor", factor, -1.0, 1.0)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        height, width = self._size(images)
        angle = uniform(key, (batch,), (self.factor[0] * 360, self.factor[1] * 360))
        cosine, sine = jnp.cos(angle * (math.pi / 180)), jnp.sin(angle * (math.pi / 180))
        x, y = (width - 1) / 2, (height - 1) / 2
        matrix = _numbers(cosine, -sine, x - x * cosine + y * sine, sine, cosine, y - x * sine - y * cosine, 0.0, 0.0)
        return {"angle": angle, "rotation_matrix": matrix, "image_height": height, "image_width": width}

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        return transformation["rotation_matrix"].reshape(-1, 8)


class RandomTranslation(_Moving):
    """Images shifted.

    Args:
        height_factor: of the height: two numbers from -1 to 1, down for positive ones; or one, for either direction.
        width_factor: of the width, to the right for positive ones.
        fill_mode: what is outside: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: an integer, for draws that repeat.
        fill_value: of `"constant"`.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.RandomTranslation(0.0, (0.25, 0.25), fill_mode="constant")
        >>> layer(jnp.arange(1.0, 5.0).reshape(1, 4, 1)).ravel().tolist()
        [0.0, 1.0, 2.0, 3.0]
    """

    _arguments = ("height_factor", "width_factor", "fill_mode", "interpolation", "seed", "fill_value")

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(interpolation, fill_mode, fill_value, seed, data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self.height_lower, self.height_upper = self._pair("height_factor", height_factor, -1.0, 1.0)
        self.width_lower, self.width_upper = self._pair("width_factor", width_factor, -1.0, 1.0)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        height, width = self._size(images)
        down, across = jax.random.split(key)
        y = uniform(down, (batch, 1), (self.height_lower, self.height_upper)) * height
        x = uniform(across, (batch, 1), (self.width_lower, self.width_upper)) * width
        return {"translations": jnp.concatenate([x, y], 1), "input_shape": images.shape}

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        x, y = transformation["translations"].T
        return _numbers(1.0, 0.0, -x, 0.0, 1.0, -y, 0.0, 0.0)


class RandomZoom(_Moving):
    """Images made larger or smaller about their middle.

    Args:
        height_factor: how much more of the height is seen: two numbers above -1 and at most 1, negative ones to come
            nearer; or one, for either direction.
        width_factor: of the width; None to keep the proportions.
        fill_mode: what is outside: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: an integer, for draws that repeat.
        fill_value: of `"constant"`.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.RandomZoom(0.0, (-0.5, -0.5))
        >>> layer(jnp.arange(5.0).reshape(1, 5, 1)).ravel().tolist()
        [1.0, 1.5, 2.0, 2.5, 3.0]
    """

    _arguments = ("height_factor", "width_factor", "fill_mode", "interpolation", "seed", "fill_value")

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(interpolation, fill_mode, fill_value, seed, data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        above = -1 + 1e-6  # at -1 nothing would be left to see
        self.height_lower, self.height_upper = self._pair("height_factor", height_factor, above, 1.0)
        if width_factor is not None:
            self.width_lower, self.width_upper = self._pair("width_factor", width_factor, above, 1.0)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        down, across = jax.random.split(key)
        height = uniform(down, (batch, 1), (1 + self.height_lower, 1 + self.height_upper))
        width = height
        if self.width_factor is not None:
            width = uniform(across, (batch, 1), (1 + self.width_lower, 1 + self.width_upper))
        return {"height_zoom": height, "width_zoom": width, "input_shape": images.shape}

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        x, y = transformation["width_zoom"][:, 0], transformation["height_zoom"][:, 0]
        return _numbers(x, 0.0, (width - 1) / 2 * (1 - x), 0.0, y, (height - 1) / 2 * (1 - y), 0.0, 0.0)


class RandomShear(_Moving):
    """Images sheared: rows shifted in proportion to their height, columns likewise.

    Boxes are those around the sheared corners; Keras shears them in proportions of the image, one axis after the
    other, which is not what it does to the image.

    Args:
        x_factor: how far rows shift: two numbers from 0 to 1, or one, for either direction.
        y_factor: how far columns shift.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: what is outside: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        fill_value: of `"constant"`.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        seed: an integer, for draws that repeat.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomShear(0.5, seed=1)(jnp.ones((2, 4, 4, 3))).shape
        (2, 4, 4, 3)
    """

    _arguments = ("x_factor", "y_factor", "fill_mode", "interpolation", "seed", "fill_value")

    def __init__(
        self,
        x_factor: Any = 0.0,
        y_factor: Any = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(interpolation, fill_mode, fill_value, seed, data_format, **kwargs)
        self.x_factor, self.y_factor = self._shear("x_factor", x_factor), self._shear("y_factor", y_factor)

    def _shear(self, name: str, value: Any) -> tuple[Any, Any]:
        # The config of one number is a pair with its negative, which only such a pair may have.
        if isinstance(value, list | tuple) and len(value) == 2 and value[0] == -value[1]:
            value = value[1]
        return self._pair(name, value, 0.0, 1.0, below=-value if isinstance(value, int | float) else None)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        sign, across, down = jax.random.split(key, 3)
        signs = jnp.where(uniform(sign, (batch, 1), (0, 1)) > 0.5, -1.0, 1.0)
        factors = [uniform(across, (batch, 1), self.x_factor), uniform(down, (batch, 1), self.y_factor)]
        return {"shear_factor": jnp.concatenate(factors, 1) * signs, "input_shape": images.shape}

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        x, y = transformation["shear_factor"].T
        return _numbers(1.0, x, 0.0, y, 1.0, 0.0, 0.0, 0.0)


class RandomPerspective(_Moving):
    """Images seen from elsewhere: their corners moved, each by itself.

    Args:
        factor: how often: a probability, or two numbers between which it is drawn for each image.
        scale: how far corners move, in parts of half the image, from 0 to 1.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_value: what is outside.
        seed: an integer, for draws that repeat.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomPerspective(seed=1)(jnp.ones((2, 4, 4, 3))).shape
        (2, 4, 4, 3)
    """

    _arguments = ("factor", "scale", "interpolation", "fill_value", "seed")

    def __init__(
        self,
        factor: Any = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(interpolation, "constant", fill_value, seed, data_format, **kwargs)
        self.factor = self._pair("factor", factor, 0, 1)
        self.scale = scale
        self._pair("scale", scale, 0.0, 1.0)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        height, width = self._size(images)
        which, where = jax.random.split(key)
        corners = [[0.0, 0.0], [width - 1, 0.0], [0.0, height - 1], [width - 1, height - 1]]
        start = jnp.broadcast_to(jnp.array(corners, "float32"), (batch, 4, 2))
        moved = start * (1 + uniform(where, (batch, 4, 2), (-0.5 * self.scale, 0.5 * self.scale)))
        return {
            "apply_perspective": often(which, batch, self.factor),
            "start_points": start,
            "end_points": moved,
            "input_shape": images.shape,
        }

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        points = (transformation[name].astype("float32") for name in ("start_points", "end_points"))
        moved = jax.vmap(homography)(*points)
        unmoved = jnp.broadcast_to(jnp.array([1.0, 0, 0, 0, 1, 0, 0, 0]), moved.shape)
        return jnp.where(transformation["apply_perspective"][:, None], moved, unmoved)
