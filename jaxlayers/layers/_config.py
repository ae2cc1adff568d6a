"""Helpers for the arguments of layers: checks, and new layers from the configs of others."""

from __future__ import annotations

import types
from typing import Any

from jaxlayers.saving import custom_object_scope


def activated(layer: Any, outputs: Any) -> Any:
    """Apply the activation of a layer to outputs; return them unchanged when the activation is None."""
    return outputs if layer.activation is None else layer.activation(outputs)


def made_again(layer: Any, **changed: Any) -> Any:
    """A new layer with the config of another layer, and without its weights.

    Custom classes and functions in the config need not be registered: they are taken from the existing layer.

    Args:
        layer: the layer to copy.
        **changed: entries that replace those of the config.
    """
    custom_objects = {}
    objects = list(layer._objects)
    for owner in objects:  # grows while it is iterated over
        objects += [inner for template in getattr(owner, "_apart", ()) for inner in template._objects]
        for value in (owner, *vars(owner).values()):
            thing = value if isinstance(value, types.FunctionType) else type(value)
            if (thing is value or hasattr(value, "get_config")) and not thing.__module__.startswith("jaxlayers."):
                custom_objects[thing.__name__] = thing
    with custom_object_scope(custom_objects):
        return type(layer).from_config({**layer.get_config(), **changed})


def positive(layer: Any, name: str, value: Any) -> int:
    """Return the argument `name` of a layer as an int.

    Raises:
        ValueError: when it is not a positive integer.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() <= 0:
        raise ValueError(f"{type(layer).__name__}: {name} must be a positive integer; received {value!r}.")
    return value.__index__()
