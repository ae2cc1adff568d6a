"""Images sampled at computed positions between pixels. Callers check all arguments."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.ndimage
import numpy as np

from jaxlayers.numerics.image_filters import gaussian, weighted_neighbors
from jaxlayers.numerics.image_layout import as_batch
from jaxlayers.numerics.types import Array, wide


def projected_positions(coefficients: Any, shape: tuple[int, ...]) -> list[Any]:
    """Return the rows and the columns at which the pixels of a result of this shape are read."""
    y, x = jnp.asarray(np.mgrid[: shape[0], : shape[1]], coefficients.dtype)
    a0, a1, a2, b0, b1, b2, c0, c1 = coefficients
    scale = c0 * x + c1 * y + 1
    return [(b0 * x + b1 * y + b2) / scale, (a0 * x + a1 * y + a2) / scale]


def read_at(image: Any, coordinates: list[Any], reading: tuple[int, str, float]) -> Array:
    """Return an image read at the same positions in all its channels; `reading` is (order, mode, constant)."""

    def read_channel(channel: Any) -> Any:
        values = wide(channel) if jnp.issubdtype(channel.dtype, jnp.floating) else channel  # integers are rounded
        return jax.scipy.ndimage.map_coordinates(values, coordinates, *reading).astype(channel.dtype)

    return jax.vmap(read_channel, in_axes=-1, out_axes=-1)(image)


def homography(start: Any, end: Any) -> Array:
    """Return the eight coefficients of the projection that takes the end points to the start points."""
    x, y = end.T
    ones, zeros = jnp.ones_like(x), jnp.zeros_like(x)
    rows = [
        jnp.stack([x, y, ones, zeros, zeros, zeros, -start[:, 0] * x, -start[:, 0] * y], -1),
        jnp.stack([zeros, zeros, zeros, x, y, ones, -start[:, 1] * x, -start[:, 1] * y], -1),
    ]
    return jnp.linalg.solve(jnp.concatenate(rows), start.T.reshape(8))


@functools.partial(jax.jit, static_argnums=(4, 5, 6))
def bend(
    images: Any, key: Any, alpha: Any, sigma: Any, size: int, reading: tuple[int, str, float], last: bool
) -> Array:
    """Return images bent by noise blurred over `size` pixels; alpha and sigma are numbers, or one for each image."""
    images, restore = as_batch(images, last)
    batch, height, width, _ = images.shape
    alpha, sigma = (jnp.broadcast_to(jnp.asarray(value, "float32"), (batch,)) for value in (alpha, sigma))
    grid = jnp.asarray(np.mgrid[:height, :width], "float32")

    def move(image: Any, noise: Any, alpha: Any, sigma: Any) -> Any:
        weights = gaussian(size, jnp.maximum(sigma, 1e-6), "float32")
        smooth = weighted_neighbors(weighted_neighbors(noise * sigma, weights, 1), weights, 2)
        return read_at(image, list(grid + alpha * smooth), reading)

    noise = jax.random.normal(key, (batch, 2, height, width), "float32")
    return restore(jax.vmap(move)(images, noise, alpha, sigma))
