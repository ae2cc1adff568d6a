"""The layout of image arrays: channels last or first, one image or a batch."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxlayers.common.settings import image_data_format
from jaxlayers.numerics.types import Array


def channels_last(function: str, data_format: str | None) -> bool:
    """True if the channels are the last axis; `data_format=None` stands for the setting.

    Raises:
        ValueError: for any `data_format` but `"channels_last"`, `"channels_first"` and None.
    """
    layout = image_data_format() if data_format is None else str(data_format).lower()
    if layout not in ("channels_last", "channels_first"):
        raise ValueError(
            f"{function} expects data_format 'channels_last', 'channels_first' or None; received {data_format!r}."
        )
    return layout == "channels_last"


def check_rank(function: str, shape: tuple[int, ...], name: str = "images") -> None:
    """Raise a ValueError if the shape is neither that of an image nor that of a batch of images."""
    if len(shape) not in (3, 4):
        raise ValueError(f"{function} expects {name} of 3 axes, or 4 axes for a batch; received shape {shape}.")


def as_batch(images: Any, last: bool) -> tuple[Array, Callable[[Array], Array]]:
    """Convert images to `[batch, height, width, channels]`; also return a function that converts results back."""
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
