"""What a `FeatureSpace` is made of: columns of a table, and combinations of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxlayers.common import registry
from jaxlayers.saving import deserialize_keras_object, serialize_keras_object


class Cross:
    """Features of which each combination counts; `FeatureSpace.cross` makes one."""

    def __init__(self, feature_names: Sequence[str], crossing_dim: int, output_mode: str = "one_hot"):
        if output_mode not in ("int", "one_hot"):
            raise ValueError(f"A cross has output_mode 'int' or 'one_hot'; received {output_mode!r}.")
        self.feature_names, self.crossing_dim, self.output_mode = tuple(feature_names), crossing_dim, output_mode

    @property
    def name(self) -> str:
        """The names of its features, joined."""
        return "_X_".join(self.feature_names)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        names = ("feature_names", "crossing_dim", "output_mode")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Cross:
        """The cross that `get_config()` describes."""
        return cls(**config)


class Feature:
    """A column: its dtype, the layer for it, and what comes out; `FeatureSpace.feature` makes one."""

    def __init__(self, dtype: str, preprocessor: Any, output_mode: str):
        if output_mode not in ("int", "one_hot", "float"):
            raise ValueError(f"A feature has output_mode 'int', 'one_hot' or 'float'; received {output_mode!r}.")
        self.dtype, self.output_mode = dtype, output_mode
        self.preprocessor = deserialize_keras_object(preprocessor) if isinstance(preprocessor, dict) else preprocessor

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        layer = serialize_keras_object(self.preprocessor)
        return {"dtype": self.dtype, "preprocessor": layer, "output_mode": self.output_mode}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Feature:
        """The feature that `get_config()` describes."""
        return cls(**config)


registry.register("feature", {"Feature": Feature, "Cross": Cross}, "keras.src.layers.preprocessing.feature_space")
