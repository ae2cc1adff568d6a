"""The parts of a `FeatureSpace`: features, which are columns of a table, and crosses of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxlayers.common import registry
from jaxlayers.common.constructors import constructor_config
from jaxlayers.numerics.spatial import one_of
from jaxlayers.saving import deserialize_keras_object, serialize_keras_object


class Cross:
    """A cross of features, whose combinations of values are hashed into bins; `FeatureSpace.cross` returns one.

    Args:
        feature_names: the names of two or more features.
        crossing_dim: the number of bins.
        output_mode: `"one_hot"` (default) or `"int"`.

    Raises:
        ValueError: if the output mode is unknown.
    """

    def __init__(self, feature_names: Sequence[str], crossing_dim: int, output_mode: str = "one_hot"):
        self.feature_names, self.crossing_dim = tuple(feature_names), crossing_dim
        self.output_mode = one_of("Cross", "output_mode", output_mode, ("int", "one_hot"))

    @property
    def name(self) -> str:
        """The names of the features, joined by `_X_`."""
        return "_X_".join(self.feature_names)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data."""
        return constructor_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Cross:
        """Return the cross that a result of `get_config()` describes."""
        return cls(**config)


class Feature:
    """A column of a table with the layer that preprocesses it; `FeatureSpace.feature` returns one.

    Args:
        dtype: the dtype of the column, such as `"float32"`, `"int32"` or `"string"`.
        preprocessor: a layer, or its serialized config.
        output_mode: `"one_hot"`: the outputs of the layer are integers, and are encoded as one-hot vectors; `"int"` or
            `"float"`: the outputs are used as they are.

    Raises:
        ValueError: if the output mode is unknown.
    """

    def __init__(self, dtype: str, preprocessor: Any, output_mode: str):
        self.dtype = dtype
        self.output_mode = one_of("Feature", "output_mode", output_mode, ("int", "one_hot", "float"))
        self.preprocessor = deserialize_keras_object(preprocessor) if isinstance(preprocessor, dict) else preprocessor

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data."""
        layer = serialize_keras_object(self.preprocessor)
        return {"dtype": self.dtype, "preprocessor": layer, "output_mode": self.output_mode}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Feature:
        """Return the feature that a result of `get_config()` describes."""
        return cls(**config)


registry.register("feature", {"Feature": Feature, "Cross": Cross}, "keras.src.layers.preprocessing.feature_space")
