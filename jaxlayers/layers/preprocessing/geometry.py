"""Random geometric transformations of images: rotation, translation, zoom, shear and perspective.

Each is a projective transformation of eight coefficients for each image, as `ops.image.affine_transform` takes them.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxlayers import ops
from jaxlayers.layers.preprocessing._augmentation import (
    FILL_MODES,
    INTERPOLATIONS,
    RandomImageLayer,
    Transformation,
    draw_booleans,
    uniform,
)
from jaxlayers.numerics import bounding_boxes as _boxes
from jaxlayers.numerics.image_geometry import homography


class _GeometricLayer(RandomImageLayer):
    """A layer whose outputs are images read at transformed coordinates; a subclass overrides `_draw` and `_matrix`."""

    def __init__(
        self, interpolation: str, fill_mode: str, fill_value: float, seed: int | None, data_format: Any, **kwargs: Any
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.interpolation = self._one_of("interpolation", interpolation, INTERPOLATIONS)
        self.fill_mode, self.fill_value = self._one_of("fill_mode", fill_mode, FILL_MODES), fill_value

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        """Return the coefficients for each image, [batch, 8], as `ops.image.affine_transform` takes them."""
        raise NotImplementedError(f"{type(self).__name__} must override _matrix().")

    def _resample(self, images: Any, transformation: Any, interpolation: str) -> jax.Array:
        matrix = self._matrix(transformation, *self._size(images))
        return ops.image.affine_transform(
            images, matrix, interpolation, self.fill_mode, self.fill_value, self.data_format
        )

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return self._resample(images, transformation, self.interpolation)

    def _change_masks(self, masks: Any, transformation: Transformation) -> Any:
        return self._resample(masks, transformation, "nearest")

    def _change_boxes(self, boxes: dict[str, Any], transformation: Transformation) -> dict[str, Any]:
        """Return the smallest upright boxes around the transformed corners of the boxes."""
        if "input_shape" in transformation:
            shape = transformation["input_shape"]
            size = shape[self.height_axis], shape[self.width_axis]
        else:
            size = transformation["image_height"], transformation["image_width"]
        matrix = self._matrix(transformation, *size)
        name = str(self.bounding_box_format)
        return _boxes.change(boxes, name, size, size, lambda corners: _boxes.project(corners, matrix))


def _stack_coefficients(*columns: Any) -> jax.Array:
    """Stack columns, each an array [batch] or one number for all images, to an array [batch, columns]."""
    batch = next(jnp.shape(column)[0] for column in columns if jnp.ndim(column))
    return jnp.stack([jnp.broadcast_to(jnp.asarray(column, "float32"), (batch,)) for column in columns], -1)


class RandomRotation(_GeometricLayer):
    """Random rotation of images about their centre.

    Bounding boxes become the smallest upright boxes around their rotated corners, in any format; in Keras this is so
    for the format `"xyxy"` only.

    Args:
        factor: the range of the angle, in full turns, positive for counterclockwise: two numbers from -1 to 1; one
            number f means `(-f, f)`.
        fill_mode: the rule for points outside the image: `"reflect"` (default), `"wrap"`, `"constant"` or
            `"nearest"`.
        interpolation: `"bilinear"` (default) or `"nearest"`.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        fill_value: the value outside the image with `fill_mode="constant"`; 0 by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomRotation((0.25, 0.25))(jnp.array([[[1.0], [2.0]], [[3.0], [4.0]]]))[..., 0].round().tolist()
        [[2.0, 4.0], [1.0, 3.0]]
    """

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
        matrix = _stack_coefficients(
            cosine, -sine, x - x * cosine + y * sine, sine, cosine, y - x * sine - y * cosine, 0.0, 0.0
        )
        return {"angle": angle, "rotation_matrix": matrix, "image_height": height, "image_width": width}

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        return transformation["rotation_matrix"].reshape(-1, 8)


class RandomTranslation(_GeometricLayer):
    """Random translation of images.

    Args:
        height_factor: the range of the shift down, as a fraction of the height: two numbers from -1 to 1; one number f
            means `(-f, f)`.
        width_factor: the range of the shift to the right, as a fraction of the width, likewise.
        fill_mode: the rule for points outside the image: `"reflect"` (default), `"wrap"`, `"constant"` or
            `"nearest"`.
        interpolation: `"bilinear"` (default) or `"nearest"`.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        fill_value: the value outside the image with `fill_mode="constant"`; 0 by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.RandomTranslation(0.0, (0.25, 0.25), fill_mode="constant")
        >>> layer(jnp.arange(1.0, 5.0).reshape(1, 4, 1)).ravel().tolist()
        [0.0, 1.0, 2.0, 3.0]
    """

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
        height_key, width_key = jax.random.split(key)
        y = uniform(height_key, (batch, 1), (self.height_lower, self.height_upper)) * height
        x = uniform(width_key, (batch, 1), (self.width_lower, self.width_upper)) * width
        return {"translations": jnp.concatenate([x, y], 1), "input_shape": images.shape}

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        x, y = transformation["translations"].T
        return _stack_coefficients(1.0, 0.0, -x, 0.0, 1.0, -y, 0.0, 0.0)


class RandomZoom(_GeometricLayer):
    """Random zoom of images about their centre.

    Args:
        height_factor: the range of z: the output shows `1 + z` times the height of the image, so that a negative z
            enlarges. Two numbers above -1 and at most 1; one number f means `(-f, f)`.
        width_factor: the range for the width, likewise; None (default) to use the z of the height.
        fill_mode: the rule for points outside the image: `"reflect"` (default), `"wrap"`, `"constant"` or
            `"nearest"`.
        interpolation: `"bilinear"` (default) or `"nearest"`.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        fill_value: the value outside the image with `fill_mode="constant"`; 0 by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.RandomZoom(0.0, (-0.5, -0.5))
        >>> layer(jnp.arange(5.0).reshape(1, 5, 1)).ravel().tolist()
        [1.0, 1.5, 2.0, 2.5, 3.0]
    """

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
        lowest = -1 + 1e-6  # at -1, the output would show none of the image
        self.height_lower, self.height_upper = self._pair("height_factor", height_factor, lowest, 1.0)
        if width_factor is not None:
            self.width_lower, self.width_upper = self._pair("width_factor", width_factor, lowest, 1.0)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        height_key, width_key = jax.random.split(key)
        height = uniform(height_key, (batch, 1), (1 + self.height_lower, 1 + self.height_upper))
        width = height
        if self.width_factor is not None:
            width = uniform(width_key, (batch, 1), (1 + self.width_lower, 1 + self.width_upper))
        return {"height_zoom": height, "width_zoom": width, "input_shape": images.shape}

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        x, y = transformation["width_zoom"][:, 0], transformation["height_zoom"][:, 0]
        return _stack_coefficients(x, 0.0, (width - 1) / 2 * (1 - x), 0.0, y, (height - 1) / 2 * (1 - y), 0.0, 0.0)


class RandomShear(_GeometricLayer):
    """Random shear of images: the output at (x, y) is read at `(x + a y, y + b x)`.

    Bounding boxes become the smallest upright boxes around their sheared corners. Keras shears boxes in coordinates
    relative to the size of the image, one axis after the other, so that they do not match the sheared image.

    Args:
        x_factor: the range of a: two numbers from 0 to 1, for a number between them with a random sign; one number f
            means `(-f, f)`. 0 by default.
        y_factor: the range of b, likewise; the random sign is the same for a and b.
        interpolation: `"bilinear"` (default) or `"nearest"`.
        fill_mode: the rule for points outside the image: `"reflect"` (default), `"wrap"`, `"constant"` or
            `"nearest"`.
        fill_value: the value outside the image with `fill_mode="constant"`; 0 by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomShear(0.5, seed=1)(jnp.ones((2, 4, 4, 3))).shape
        (2, 4, 4, 3)
    """

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
        # A config writes one number f as (-f, f). A negative number is allowed in such a pair only.
        if isinstance(value, list | tuple) and len(value) == 2 and value[0] == -value[1]:
            value = value[1]
        low, high = self._pair(name, value, 0.0, 1.0)
        return (-high, high) if isinstance(value, int | float) else (low, high)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        sign_key, x_key, y_key = jax.random.split(key, 3)
        signs = jnp.where(uniform(sign_key, (batch, 1), (0, 1)) > 0.5, -1.0, 1.0)
        factors = [uniform(x_key, (batch, 1), self.x_factor), uniform(y_key, (batch, 1), self.y_factor)]
        return {"shear_factor": jnp.concatenate(factors, 1) * signs, "input_shape": images.shape}

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        x, y = transformation["shear_factor"].T
        return _stack_coefficients(1.0, x, 0.0, y, 1.0, 0.0, 0.0, 0.0)


class RandomPerspective(_GeometricLayer):
    """Random perspective: each coordinate of each corner of the image is multiplied by a random factor.

    Args:
        factor: the range of the probability of a change, which is drawn for each image: two numbers from 0 to 1; one
            number f means `(0, f)`. 1 by default.
        scale: a number from 0 to 1: the range of the factors is `(1 - scale / 2, 1 + scale / 2)`. 1 by default.
        interpolation: `"bilinear"` (default) or `"nearest"`.
        fill_value: the value outside the image; 0 by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandomPerspective(seed=1)(jnp.ones((2, 4, 4, 3))).shape
        (2, 4, 4, 3)
    """

    _config_attributes: ClassVar[dict[str, str | None]] = {"fill_mode": None}

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
        self.scale = self._number("scale", scale)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        height, width = self._size(images)
        chosen_key, corners_key = jax.random.split(key)
        corners = [[0.0, 0.0], [width - 1, 0.0], [0.0, height - 1], [width - 1, height - 1]]
        start = jnp.broadcast_to(jnp.array(corners, "float32"), (batch, 4, 2))
        moved = start * (1 + uniform(corners_key, (batch, 4, 2), (-0.5 * self.scale, 0.5 * self.scale)))
        return {
            "apply_perspective": draw_booleans(chosen_key, batch, self.factor),
            "start_points": start,
            "end_points": moved,
            "input_shape": images.shape,
        }

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        points = (transformation[name].astype("float32") for name in ("start_points", "end_points"))
        perspective = jax.vmap(homography)(*points)
        identity = jnp.broadcast_to(jnp.array([1.0, 0, 0, 0, 1, 0, 0, 0], "float32"), perspective.shape)
        return jnp.where(transformation["apply_perspective"][:, None], perspective, identity)
