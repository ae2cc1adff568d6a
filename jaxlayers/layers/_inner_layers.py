"""The base of layers whose constructor takes other layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxlayers.common import registry
from jaxlayers.core import Layer


class InnerLayers(Layer):
    """A layer made from other layers: their configs are a part of its config."""

    _inner_layers: ClassVar[tuple[str, ...]]  # the arguments of the constructor that are layers, or lists of layers

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A new layer from a config that `get_config` returned; without weights."""

        def make(value: Any) -> Any:
            return [*map(make, value)] if isinstance(value, list) else registry.lookup("layer", value, custom_objects)

        inner = {name: make(config[name]) for name in cls._inner_layers if name in config}
        return super().from_config({**config, **inner})
