"""The conversion of layers to plain data and back."""

from __future__ import annotations

from typing import Any

from jaxlayers.core import Layer
from jaxlayers.saving import deserialize_keras_object, serialize_keras_object


def serialize(layer: Any) -> Any:
    """The config of a layer or model as plain data, in the format of Keras 3; without weights.

    Args:
        layer: the layer or model.

    Example:
        >>> import jaxlayers as jl
        >>> jl.layers.serialize(jl.layers.Flatten())["class_name"]
        'Flatten'
    """
    return serialize_keras_object(layer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """A new layer or model from a config that `serialize` or Keras 3 returned; without weights.

    Args:
        config: the config.
        custom_objects: your own classes and functions by name; they are looked up first.

    Raises:
        ValueError: when the config names an unknown class or function, or describes something other than a layer.

    Example:
        >>> import jaxlayers as jl
        >>> jl.layers.deserialize(jl.layers.serialize(jl.layers.Dense(3))).units
        3
    """
    layer = deserialize_keras_object(config, custom_objects)
    if not isinstance(layer, Layer):
        raise ValueError(
            f"layers.deserialize expects the config of a layer; received {config!r}, which describes {layer!r}."
        )
    return layer
