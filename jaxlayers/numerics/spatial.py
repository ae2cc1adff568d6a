"""What windows, kernels and images have in common: arguments that say something for each spatial axis.

An array with spatial axes is `[batch, *space, channels]` (`"channels_last"`) or `[batch, channels, *space]`
(`"channels_first"`). The checks here serve the functions of `ops` and the layers over them; `where` is the name of
the function or class that was given the argument.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxlayers.common.settings import image_data_format


def per_axis(where: str, name: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """One integer for each axis, from that many of them or from one for all.

    Raises:
        ValueError: for anything else, and for integers smaller than `least`.
    """
    several = isinstance(value, Sequence | np.ndarray)
    values = (value,) * count if _is_integer(value) else tuple(value) if several else ()
    if len(values) != count or not all(_is_integer(one) and one.__index__() >= least for one in values):
        kind = "positive integer" if least == 1 else f"integer of at least {least}"
        many = f", or {count} of them," if count > 1 else ""
        raise ValueError(f"{where}: {name} must be one {kind}{many} for its {count} axes; received {value!r}.")
    return tuple(one.__index__() for one in values)


def pair_per_axis(where: str, name: str, value: Any, count: int) -> tuple[tuple[int, int], ...]:
    """How many elements at the start and the end of each axis: from pairs, from one number an axis, or from one.

    Raises:
        ValueError: for anything else, and for negative numbers.
    """
    values = (value,) * count if _is_integer(value) else value
    try:
        if isinstance(values, str) or len(values) != count:
            raise ValueError
        pairs = [per_axis(where, name, one, 2, least=0) for one in values]
    except (TypeError, ValueError):
        raise ValueError(
            f"{where}: {name} must be an integer of at least 0, one for each of {count} axes, or a pair for each, at "
            f"its start and end; received {value!r}."
        ) from None
    return tuple((start, end) for start, end in pairs)


def one_of(where: str, name: str, value: Any, allowed: Sequence[str]) -> str:
    """One of several words, in lower case.

    Raises:
        ValueError: for anything else.
    """
    word = value.lower() if isinstance(value, str) else value
    if word not in allowed:
        raise ValueError(f"{where}: {name} must be one of {', '.join(map(repr, allowed))}; received {value!r}.")
    return word


def format_of(where: str, value: Any) -> str:
    """A data format; the global one for None.

    Raises:
        ValueError: when it is none.
    """
    if value is None:
        return image_data_format()
    return one_of(where, "data_format", value, ("channels_last", "channels_first"))


def channel_axis(data_format: str) -> int:
    """Which axis the channels are."""
    return -1 if data_format == "channels_last" else 1


def spatial_axes(rank: int, data_format: str) -> tuple[int, ...]:
    """Which axes of an array with `rank + 2` of them are spatial."""
    first = 1 if data_format == "channels_last" else 2
    return tuple(range(first, first + rank))


def everywhere(values: Sequence[Any], data_format: str, fill: Any) -> tuple[Any, ...]:
    """Values of the spatial axes as values of all axes, with another for batch and channels."""
    return (fill, *values, fill) if data_format == "channels_last" else (fill, fill, *values)


def rank_of(where: str, inputs: Any) -> int:
    """How many spatial axes inputs have.

    Raises:
        ValueError: when they have none.
    """
    if inputs.ndim < 3:
        raise ValueError(
            f"{where} expects inputs with axes for batch, channels and at least one of space; received shape "
            f"{inputs.shape}."
        )
    return inputs.ndim - 2


def refuse_nothing(where: str, inputs: Any, outputs: Any, window: str, sizes: Any) -> None:
    """Say that a window does not fit.

    Raises:
        ValueError: when nothing came out of something.
    """
    if inputs.size and not outputs.size:
        raise ValueError(
            f"{where} leaves nothing of inputs of shape {inputs.shape}: a {window} of {sizes} does not fit into them. "
            "Use a smaller one, or padding='same'."
        )


def _is_integer(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool) and getattr(value, "ndim", 0) == 0
