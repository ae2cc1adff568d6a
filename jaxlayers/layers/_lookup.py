"""Layers as plain data, and back."""

from __future__ import annotations

from typing import Any

from jaxlayers.core import Layer
from jaxlayers.saving import deserialize_keras_object, serialize_keras_object


def serialize(layer: Any) -> Any:
    """The config of a layer or model, in the form that `deserialize` takes and Keras writes; without weights.

    Args:
        layer: the layer.

    Example:
        >>> import jaxlayers as jl
        >>> jl.layers.serialize(jl.layers.Flatten())["class_name"]
        'Flatten'
    """
    return serialize_keras_object(layer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The layer or model that a config describes, ours or Keras's; without weights.

    Args:
        config: what `serialize` returned.
        custom_objects: classes and functions of your own by name, looked up first.

    Raises:
        ValueError: when a name is unknown, or it is the config of something else.

    Example:
        >>> import jaxlayers as jl
        >>> jl.layers.deserialize(jl.layers.serialize(jl.layers.Dense(3))).units
        3
    """
    layer = deserialize_keras_object(config, custom_objects)
    if not isinstance(layer, Layer):
        raise ValueError(f"layers.deserialize needs the config of a layer; received {config!r}, which is {layer!r}.")
    return layer
