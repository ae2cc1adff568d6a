"""The layout of image arrays: channels last or first, one image or a batch."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxlayers.numerics.spatial import format_of
from jaxlayers.numerics.types import Array


def channels_last(function: str, images: Any, data_format: str | None, name: str = "images") -> bool:
    """Return True if the channels are the last axis of images; `data_format=None` stands for the setting.

    Raises:
        ValueError: if the array is neither an image nor a batch of images, or if there is no such data format.
    """
    if images.ndim not in (3, 4):
        raise ValueError(f"{function} expects {name} of 3 axes, or 4 axes for a batch; received shape {images.shape}.")
    return format_of(function, data_format) == "channels_last"


def as_batch(images: Any, last: bool, rank: int = 2) -> tuple[Array, Callable[[Array], Array]]:
    """Convert images to `[batch, *space, channels]`; also return a function that converts results back.

    Args:
        images: one image or a batch of them.
        last: If True, the channels are the last axis; if False, they come before the axes of space.
        rank: the number of axes of space; 2 by default.
    """
    single = images.ndim == rank + 1
    if single:
        images = images[None]
    if not last:
        images = jnp.moveaxis(images, 1, -1)

    def restore(result: Array) -> Array:
        if not last:
            result = jnp.moveaxis(result, -1, 1)
        return result[0] if single else result

    return images, restore
