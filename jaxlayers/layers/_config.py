"""What several layers do with their arguments: check them, make a layer from those of another."""

from __future__ import annotations

import types
from typing import Any

from jaxlayers.saving import custom_object_scope


def activated(layer: Any, outputs: Any) -> Any:
    """The layer's activation of its outputs; it may have been set to None since it was made."""
    return outputs if layer.activation is None else layer.activation(outputs)


def made_again(layer: Any, **changed: Any) -> Any:
    """A new layer with the config of another. The classes and functions in it are known, for the other one has them."""
    known = {}
    inside = list(layer._walk.objects)
    for one in inside:
        inside += [other for apart in getattr(one, "_apart", ()) for other in apart._walk.objects]
        for value in (one, *vars(one).values()):
            thing = value if isinstance(value, types.FunctionType) else type(value)
            if (thing is value or hasattr(value, "get_config")) and not thing.__module__.startswith("jaxlayers."):
                known[thing.__name__] = thing
    with custom_object_scope(known):
        return type(layer).from_config({**layer.get_config(), **changed})


def positive(layer: Any, name: str, value: Any) -> int:
    """A positive integer argument.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() <= 0:
        raise ValueError(f"{type(layer).__name__}: {name} must be a positive integer; received {value!r}.")
    return value.__index__()
