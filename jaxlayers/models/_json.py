"""The architecture of a model as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jaxlayers.saving import deserialize_keras_object


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model that `model.to_json()`, ours or Keras's, describes; with new weights.

    Args:
        json_string: what `to_json` returned.
        custom_objects: classes and functions of your own by name, unless they are registered.

    Raises:
        ValueError: for an unknown class; when this is no JSON.

    Example:
        >>> import jaxlayers as jl
        >>> model = jl.Sequential([jl.Input((2,)), jl.layers.Dense(3)])
        >>> jl.models.model_from_json(model.to_json()).output_shape
        (None, 3)
    """
    return deserialize_keras_object(json.loads(json_string), custom_objects)
