"""How layers read and write the arguments that stand for other objects."""

from __future__ import annotations

import types
from typing import Any

from jaxlayers import activations
from jaxlayers.saving import custom_object_scope, serialize_keras_object

_KINDS = ("activation", "initializer", "regularizer", "constraint")


def kind_of(name: str) -> str | None:
    """Which table an argument's values come from, told by its name: `kernel_initializer`, `beta_constraint`, ..."""
    last = name.rpartition("_")[2]
    return last if last in _KINDS else None


def describe(layer: Any, *names: str) -> dict[str, Any]:
    """The attributes with these names as plain data."""
    described = {}
    for name in names:
        value, kind = getattr(layer, name), kind_of(name)
        if kind is not None and value is not None:
            value = activations.serialize(value) if kind == "activation" else serialize_keras_object(value)
        described[name] = value
    return described


def activated(layer: Any, outputs: Any) -> Any:
    """The layer's activation of its outputs; it may have been set to None since it was made."""
    return outputs if layer.activation is None else layer.activation(outputs)


def made_again(layer: Any, **changed: Any) -> Any:
    """A new layer with the config of another. The classes and functions in it are known, for the other one has them."""
    known = {}
    inside = list(layer._objects)
    for one in inside:
        inside += [other for apart in getattr(one, "_apart", ()) for other in apart._objects]
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
