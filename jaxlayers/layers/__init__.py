"""Layers: state and computation in one object, a pair of pure functions underneath."""

from jaxlayers.core import InputSpec, Layer, registry
from jaxlayers.layers.dense import Dense
from jaxlayers.layers.dropout import Dropout
from jaxlayers.layers.embedding import Embedding
from jaxlayers.layers.functional import Activation, Lambda
from jaxlayers.layers.normalization import BatchNormalization, LayerNormalization
from jaxlayers.layers.shaping import Flatten, Identity, Reshape

__all__ = [
    "Activation",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "Identity",
    "InputSpec",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "Reshape",
]

registry.register("layer", {name: globals()[name] for name in __all__ if isinstance(globals()[name], type)})
