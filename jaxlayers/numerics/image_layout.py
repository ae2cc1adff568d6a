"""The layout of images: the axis of the channels, and one image or a batch of them."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxlayers.common.settings import image_data_format
from jaxlayers.numerics.types import Array


def channels_last(function: str, data_format: str | None) -> bool:
    """Return True if channels are the last axis; None stands for the setting.

    Raises:
        ValueError: for an unknown layout.
    """
    layout = image_data_format() if data_format is None else str(data_format).lower()
    if layout not in ("channels_last", "channels_first"):
        raise ValueError(
            f"{function} expects data_format 'channels_last', 'channels_first' or None; received {data_format!r}."
        )
    return layout == "channels_last"


def check_rank(function: str, shape: tuple[int, ...], name: str = "images") -> None:
    """Raise ValueError if a shape is neither of an image nor of a batch of images."""
    if len(shape) not in (3, 4):
        raise ValueError(f"{function} expects {name} of 3 axes, or of 4 with a batch in front; received shape {shape}.")


def as_batch(images: Any, last: bool) -> tuple[Array, Callable[[Array], Array]]:
    """Return images as `[batch, height, width, channels]`, and the function that brings a result to their layout."""
    single = images.ndim == 3
    if single:
        images = images[None]
    if not last:
        images = jnp.moveaxis(images, 1, -1)

    def restore(result: Array) -> Array:
        if not last:
            result = jnp.moveaxis(result, 3, 1)
        return result[0] if single else result

    return images, restore
