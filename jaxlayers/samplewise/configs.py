"""Convert losses and metrics to configs and back; functions are written by name, as in Keras, and looked up by name."""

from __future__ import annotations

from typing import Any

from jaxlayers.common import registry
from jaxlayers.saving import serialize_keras_object


def write(value: Any) -> Any:
    """Return the config of a loss, a metric or a function; None and names as they are.

    Raises:
        ValueError: for a lambda, which cannot be found again by its name.
    """
    if getattr(value, "__name__", None) == "<lambda>":
        raise ValueError(f"{value!r} has no name to write to a config. Define it with `def`.")
    return serialize_keras_object(value)


def read_fn(config: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a copy of a config in which the description at `"fn"` is replaced by the function itself."""
    fn = config.get("fn")
    if isinstance(fn, str):
        fn = {"class_name": "function", "config": fn}
    return {**config, "fn": registry.lookup(kind, fn)} if isinstance(fn, dict) else config
