"""Losses and metrics to configs and back: functions are written by name, as Keras writes them, and looked up by it."""

from __future__ import annotations

from typing import Any

from jaxlayers.core import registry


def write(kind: str, value: Any) -> Any:
    """The config of a function or object of a kind; None and names as they are.

    Raises:
        ValueError: when it is a function without a name that it could be found by.
    """
    if value is None or isinstance(value, str):
        return value
    if hasattr(value, "get_config"):
        return registry.describe(kind, value, "keras.losses" if kind == "loss" else "keras.metrics")
    name = getattr(value, "__name__", "<lambda>")
    if name == "<lambda>":
        raise ValueError(f"{value!r} has no name to write to a config. Define it with `def`.")
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


def read(kind: str, identifier: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """What a name, config, function, class or object of a kind stands for; names of `custom_objects` come first.

    Raises:
        ValueError: for an unknown name.
        TypeError: when it is none of these.
    """
    name, config = identifier, None
    if isinstance(identifier, dict):
        name, config = identifier.get("class_name"), identifier.get("config")
        if name == "function":
            return read(kind, config, custom_objects)
    if isinstance(name, str) and name in (custom_objects or {}):
        found = custom_objects[name]  # type: ignore[index]
        return found if config is None else found.from_config(config)
    return registry.lookup(kind, identifier)


def read_fn(config: dict[str, Any], *kinds: str) -> dict[str, Any]:
    """A config in which the function that `"fn"` describes, in one of some tables, stands in the place of that."""
    fn = config.get("fn")
    if not isinstance(fn, dict | str):
        return config
    name = fn if isinstance(fn, str) else fn.get("config" if fn.get("class_name") == "function" else "class_name")
    kind = next((kind for kind in kinds if name in registry.names(kind)), kinds[0])
    return {**config, "fn": read(kind, fn)}
