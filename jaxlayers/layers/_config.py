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
