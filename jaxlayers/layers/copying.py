"""Copies of layers made from their configs."""

from __future__ import annotations

import types
from typing import Any

from jaxlayers.saving import custom_object_scope


def copy_from_config(layer: Any, **changed: Any) -> Any:
    """Return a new layer with the config of another layer, without its weights.

    Custom classes and functions in the config need not be registered: they are taken from the existing layer.

    Args:
        layer: the layer to copy.
        **changed: entries that replace those of the config.
    """
    custom_objects = {}
    objects = list(layer._tracked_objects)
    for owner in objects:  # grows while it is iterated over
        objects += [inner for template in getattr(owner, "_apart", ()) for inner in template._tracked_objects]
        for value in (owner, *vars(owner).values()):
            thing = value if isinstance(value, types.FunctionType) else type(value)
            if (thing is value or hasattr(value, "get_config")) and not thing.__module__.startswith("jaxlayers."):
                custom_objects[thing.__name__] = thing
    with custom_object_scope(custom_objects):
        return type(layer).from_config({**layer.get_config(), **changed})
