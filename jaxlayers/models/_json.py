"""Models from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxlayers.saving import custom_object_scope, deserialize_keras_object, legacy_configs
from jaxlayers.saving.limits import parse_json
from jaxlayers.saving.objects import of_file


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return a new model from the JSON of `model.to_json()`, written by jaxlayers, by Keras 3 or by Keras 2.

    JSON holds the architecture alone: the new model has new weights.

    Args:
        json_string: the return value of `to_json`.
        custom_objects: a dict from names to your own classes and functions. Registered ones are found without it.

    Raises:
        ValueError: if the JSON names an unknown class, or is not valid.

    Example:
        >>> import jaxlayers as jl
        >>> model = jl.Sequential([jl.Input((2,)), jl.layers.Dense(3)])
        >>> jl.models.model_from_json(model.to_json()).output_shape
        (None, 3)
    """
    with of_file(safe_mode=True), custom_object_scope(custom_objects):
        return deserialize_keras_object(legacy_configs.convert(parse_json(json_string.encode(), "The JSON")))
