"""Arguments that have a value for each spatial axis: of windows, kernels and images.

An array with spatial axes is `[batch, *space, channels]` (`"channels_last"`) or `[batch, channels, *space]`
(`"channels_first"`). The checks serve the functions of `ops` and the layers over them; `where` is the name of the
function or class that received the argument.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxlayers.common.settings import image_data_format


def per_axis(where: str, name: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """Return one integer for each axis, from a sequence or array of that length or from one integer for all axes.

    Raises:
        ValueError: if the value is neither, or an integer is smaller than `least`.
    """
    numbers = np.asarray(value).tolist() if hasattr(value, "ndim") else value  # those of an array
    values = (numbers,) * count if _is_integer(numbers) else tuple(numbers) if isinstance(numbers, Sequence) else ()
    if len(values) != count or not all(_is_integer(item) and item.__index__() >= least for item in values):
        kind = "positive integer" if least == 1 else f"integer of at least {least}"
        many = f", or {count} of them," if count > 1 else ""
        raise ValueError(f"{where}: {name} must be one {kind}{many} for its {count} axes; received {value!r}.")
    return tuple(item.__index__() for item in values)


def pair_per_axis(where: str, name: str, value: Any, count: int) -> tuple[tuple[int, int], ...]:
    """Return the numbers of elements at the start and the end of each axis.

    Args:
        where: the name of the function or class.
        name: the name of the argument.
        value: a pair for each axis, one integer for each axis, or one for all.
        count: the number of axes.

    Raises:
        ValueError: if the value is none of these, or an integer is negative.
    """
    values = (value,) * count if _is_integer(value) else value
    try:
        if isinstance(values, str) or len(values) != count:
            raise ValueError
        pairs = [per_axis(where, name, item, 2, least=0) for item in values]
    except (TypeError, ValueError):
        raise ValueError(
            f"{where}: {name} must be an integer of at least 0, one for each of {count} axes, or a pair for each, at "
            f"its start and end; received {value!r}."
        ) from None
    return tuple((start, end) for start, end in pairs)


def one_of(where: str, name: str, value: Any, allowed: Sequence[str | None]) -> Any:
    """Return the value in lower case if it is one of the allowed strings.

    Raises:
        ValueError: if it is not.
    """
    lowered = value.lower() if isinstance(value, str) else value
    if lowered not in allowed:
        raise ValueError(f"{where}: {name} must be one of {', '.join(map(repr, allowed))}; received {value!r}.")
    return lowered


def format_of(where: str, value: Any) -> str:
    """Return a data format, that of the settings for None.

    Raises:
        ValueError: if the value is not a data format.
    """
    if value is None:
        return image_data_format()
    return one_of(where, "data_format", value, ("channels_last", "channels_first"))


def channel_axis(data_format: str) -> int:
    """Return the axis of the channels."""
    return -1 if data_format == "channels_last" else 1


def spatial_axes(rank: int, data_format: str) -> tuple[int, ...]:
    """Return the spatial axes of an array with `rank + 2` axes."""
    first = 1 if data_format == "channels_last" else 2
    return tuple(range(first, first + rank))


def everywhere(values: Sequence[Any], data_format: str, fill: Any) -> tuple[Any, ...]:
    """Return values for all axes: the given ones for the spatial axes, `fill` for batch and channels."""
    return (fill, *values, fill) if data_format == "channels_last" else (fill, fill, *values)


def rank_of(where: str, inputs: Any) -> int:
    """Return the number of spatial axes of inputs.

    Raises:
        ValueError: if there are none.
    """
    if inputs.ndim < 3:
        raise ValueError(
            f"{where} expects inputs with axes for batch, channels and at least one of space; received shape "
            f"{inputs.shape}."
        )
    return inputs.ndim - 2


def refuse_empty_outputs(where: str, inputs: Any, outputs: Any, window: str, sizes: Any) -> None:
    """Raise an error if a window does not fit into the inputs.

    Raises:
        ValueError: if the outputs are empty and the inputs are not.
    """
    if inputs.size and not outputs.size:
        raise ValueError(
            f"{where} has no outputs for inputs of shape {inputs.shape}: a {window} of {sizes} does not fit into them. "
            "Use a smaller one, or padding='same'."
        )


def _is_integer(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool) and getattr(value, "ndim", 0) == 0
