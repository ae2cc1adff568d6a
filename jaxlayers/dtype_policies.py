"""Dtype policies, under Keras's names: what layers compute in, and what they keep their variables in."""

from __future__ import annotations

from typing import Any

from jaxlayers.core.dtype_policies import DTypePolicy, get, serialize

__all__ = ["DTypePolicy", "FloatDTypePolicy", "deserialize", "get", "serialize"]

FloatDTypePolicy = DTypePolicy


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> DTypePolicy:
    """The policy that a config describes.

    Args:
        config: what `serialize` returned.
        custom_objects: classes of your own by name, looked up first.

    Raises:
        ValueError: when the class is unknown.

    Example:
        >>> from jaxlayers import dtype_policies
        >>> dtype_policies.deserialize({"class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}})
        <DTypePolicy "mixed_bfloat16">
    """
    known = {"DTypePolicy": DTypePolicy, "FloatDTypePolicy": DTypePolicy, **(custom_objects or {})}
    name = config.get("class_name")
    if name not in known:
        raise ValueError(f"Unknown dtype policy: {name!r}. Known: {', '.join(sorted(known))}.")
    return known[name].from_config(config["config"])
