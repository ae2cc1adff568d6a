"""Convert losses and metrics to configs and back; functions are written by name, as in Keras, and looked up by name."""

from __future__ import annotations

from typing import Any

from jaxlayers.common import registry
from jaxlayers.saving import serialize_keras_object


def write(kind: str, value: Any) -> Any:
    """The config of a function or object of a kind; None and names as they are.

    Raises:
        ValueError: when it is a function without a name that it could be found by.
    """
    if getattr(value, "__name__", None) == "<lambda>":
        raise ValueError(f"{value!r} has no name to write to a config. Define it with `def`.")
    return serialize_keras_object(value)


def read(kind: str, identifier: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """What a name, config, function, class or object of a kind stands for; names of `custom_objects` come first.

    Raises:
        ValueError: for an unknown name.
        TypeError: when it is none of these.
    """
    return registry.lookup(kind, identifier, custom_objects)


def read_fn(config: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a copy of a config in which the description at `"fn"` is replaced by the function itself."""
    fn = config.get("fn")
    if isinstance(fn, str):
        fn = {"class_name": "function", "config": fn}
    return {**config, "fn": registry.lookup(kind, fn)} if isinstance(fn, dict) else config
