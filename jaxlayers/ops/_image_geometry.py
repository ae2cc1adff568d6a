"""Geometric transformations of images: each pixel of the result is interpolated at a position that is computed."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.ndimage

from jaxlayers.core import operation, random as keys
from jaxlayers.numerics.image_geometry import bend, homography, projected_positions, read_at
from jaxlayers.numerics.image_layout import as_batch, channels_last
from jaxlayers.numerics.spatial import one_of
from jaxlayers.numerics.types import Array, ArrayLike, wide

__all__ = ["affine_transform", "elastic_transform", "map_coordinates", "perspective_transform"]

_ORDERS = {"nearest": 0, "bilinear": 1}
_FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


@operation("inputs", "coordinates")
def map_coordinates(
    inputs: ArrayLike, coordinates: ArrayLike, order: int, fill_mode: str = "constant", fill_value: Any = 0
) -> Array:
    """Values of an array at positions between its elements.

    Args:
        inputs: array.
        coordinates: positions along each axis, [axes, ...].
        order: 0 for the nearest element, 1 for linear interpolation.
        fill_mode: the values outside: `"constant"`, `"nearest"`, `"wrap"`, `"mirror"` (about the middle of the last
            element) or `"reflect"` (about its edge).
        fill_value: the constant.

    Returns:
        [...], of the dtype of the inputs; integers are rounded.

    Raises:
        ValueError: if the order or mode is unknown, or the coordinates do not fit.

    Example:
        >>> map_coordinates([0.0, 10.0, 20.0], [[0.5, 1.75]], order=1)
        Array([ 5. , 17.5], dtype=float32)
    """
    if coordinates.ndim < 2 or coordinates.shape[0] != inputs.ndim:
        raise ValueError(
            f"ops.image.map_coordinates expects coordinates of shape [{inputs.ndim}, ...] for inputs of shape "
            f"{inputs.shape}; received {coordinates.shape}."
        )
    if order not in (0, 1):
        raise ValueError(f"ops.image.map_coordinates expects order 0 or 1; received {order!r}.")
    _, mode, value = _reading("map_coordinates", fill_mode, fill_value)
    return jax.scipy.ndimage.map_coordinates(inputs, coordinates, int(order), mode, value)


@operation("images", "transform")
def affine_transform(
    images: ArrayLike,
    transform: ArrayLike,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: Any = 0,
    data_format: str | None = None,
) -> Array:
    """Images scaled, rotated, sheared and moved.

    The pixel at (x, y) of the result is that of the image at ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), with
    k = c0 x + c1 y + 1. Keras's other backends do so too; on JAX it multiplies c0 and c1 by the channel's number.

    Args:
        images: one image or a batch.
        transform: (a0, a1, a2, b0, b1, b2, c0, c1), [8] or [batch, 8].
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: the values outside; see `map_coordinates`.
        fill_value: of `"constant"`.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Raises:
        ValueError: if a name is unknown, or shapes do not fit.

    Example:
        >>> affine_transform([[[1.0], [2.0], [3.0]]], [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0]).ravel()
        Array([2., 3., 0.], dtype=float32)
    """
    last = channels_last("ops.image.affine_transform", images, data_format)
    reading = _reading("affine_transform", fill_mode, fill_value, interpolation)
    batch = images.shape[0] if images.ndim == 4 else 1
    if transform.shape[-1:] != (8,) or transform.ndim > 2 or transform.shape[:-1] not in ((), (1,), (batch,)):
        raise ValueError(
            f"ops.image.affine_transform expects transform of shape [8], or [batch, 8], for images of shape "
            f"{images.shape}; received {transform.shape}."
        )
    return _affine(images, transform, reading, last)


@functools.partial(jax.jit, static_argnums=(2, 3))
def _affine(images: Any, transform: Any, reading: tuple[int, str, float], last: bool) -> Array:
    images, restore = as_batch(images, last)
    transforms = jnp.broadcast_to(wide(transform), (images.shape[0], 8))  # positions are not exact in half precision

    def move(image: Any, numbers: Any) -> Any:
        return read_at(image, projected_positions(numbers, image.shape), reading)

    return restore(jax.vmap(move)(images, transforms))


@operation("images", "start_points", "end_points")
def perspective_transform(
    images: ArrayLike,
    start_points: ArrayLike,
    end_points: ArrayLike,
    interpolation: str = "bilinear",
    fill_value: Any = 0,
    data_format: str | None = None,
) -> Array:
    """Images projected such that four points move to four others.

    Args:
        images: one image or a batch.
        start_points: (x, y) of four points, `[4, 2]` or `[batch, 4, 2]`.
        end_points: their positions in the result, of the same shape.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_value: the value outside of the image.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Raises:
        ValueError: if the interpolation is unknown, or shapes do not fit.

    Example:
        >>> corners = [[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]]
        >>> right = [[1.0, 0.0], [3.0, 0.0], [1.0, 2.0], [3.0, 2.0]]
        >>> perspective_transform([[[1.0], [2.0], [3.0]]], corners, right).ravel().round(3)
        Array([0., 1., 2.], dtype=float32)
    """
    last = channels_last("ops.image.perspective_transform", images, data_format)
    reading = _reading("perspective_transform", "constant", fill_value, interpolation)
    batch = images.shape[0] if images.ndim == 4 else 1
    shape = start_points.shape
    if shape != end_points.shape or shape[-2:] != (4, 2) or shape[:-2] not in ((), (1,), (batch,)):
        raise ValueError(
            "ops.image.perspective_transform expects start_points and end_points of shape [4, 2], or [batch, 4, 2], "
            f"for images of shape {images.shape}; received {shape} and {end_points.shape}."
        )
    return _perspective(images, start_points, end_points, reading, last)


@functools.partial(jax.jit, static_argnums=(3, 4))
def _perspective(images: Any, start: Any, end: Any, reading: tuple[int, str, float], last: bool) -> Array:
    homographies = jnp.vectorize(homography, signature="(p,c),(p,c)->(k)")  # [..., 8]
    return _affine(images, homographies(start.astype("float32"), end.astype("float32")), reading, last)


@operation("images")
def elastic_transform(
    images: ArrayLike,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: Any = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Array:
    """Images bent at random: each pixel is read at a position displaced by smooth noise.

    The noise is normal with standard deviation `sigma`, blurred by a Gaussian of that width, times `alpha`. Keras on
    JAX moves pixels along the diagonal alone, by the same noise in both directions; here the two are independent.

    Source: Simard et al., "Best Practices for Convolutional Neural Networks", ICDAR 2003.

    Args:
        images: one image or a batch, each bent by its own noise.
        alpha: the factor of the displacements.
        sigma: the standard deviation of noise and blur.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: the values outside; see `map_coordinates`.
        fill_value: of `"constant"`.
        seed: an integer, a `SeedGenerator` or a key; by default the global generator.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.

    Raises:
        ValueError: if a name is unknown, or the number of axes is another.

    Example:
        >>> elastic_transform(jnp.ones((8, 8, 3)), seed=1).shape
        (8, 8, 3)
    """
    last = channels_last("ops.image.elastic_transform", images, data_format)
    reading = _reading("elastic_transform", fill_mode, fill_value, interpolation)
    return bend(images, keys.draw_key(seed), alpha, sigma, int(6 * float(sigma)) | 1, reading, last)


def _reading(function: str, fill_mode: str, fill_value: Any, interpolation: str = "bilinear") -> tuple[int, str, float]:
    """Return the arguments of `read_at`: the order of the interpolation, the mode and the value outside of images."""
    order = _ORDERS[one_of(f"ops.image.{function}", "interpolation", interpolation, list(_ORDERS))]
    return order, one_of(f"ops.image.{function}", "fill_mode", fill_mode, _FILL_MODES), float(fill_value)
