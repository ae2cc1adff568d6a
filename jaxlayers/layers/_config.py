"""Helpers for the arguments of layers."""

from __future__ import annotations

from typing import Any


def activated(layer: Any, outputs: Any) -> Any:
    """Apply the activation of a layer to outputs; return them unchanged when the activation is None."""
    return outputs if layer.activation is None else layer.activation(outputs)


def positive(layer: Any, name: str, value: Any) -> int:
    """Return the argument `name` of a layer as an int.

    Raises:
        ValueError: when it is not a positive integer.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() <= 0:
        raise ValueError(f"{type(layer).__name__}: {name} must be a positive integer; received {value!r}.")
    return value.__index__()


def not_negative(layer: Any, name: str, value: Any) -> Any:
    """Return the argument `name` of a layer.

    Raises:
        ValueError: when it is not a number of at least 0.
    """
    if not hasattr(value, "__float__") or not value >= 0:
        raise ValueError(f"{type(layer).__name__}: {name} must be a number of at least 0; received {value!r}.")
    return value


def checked_axes(layer: Any, axis: Any) -> Any:
    """Return the argument `axis` of a layer: an integer, or a list of integers.

    Raises:
        TypeError: when it is neither.
    """
    if not all(hasattr(number, "__index__") for number in (axis if isinstance(axis, list | tuple) else [axis])):
        raise TypeError(f"{type(layer).__name__}: axis must be an integer or a list of integers; received {axis!r}.")
    return axis
