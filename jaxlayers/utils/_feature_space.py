"""Tables as vectors: each column of a data set by a layer of its own, and all of them next to each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers import layers
from jaxlayers.common import registry
from jaxlayers.common.settings import auto_name
from jaxlayers.layers.preprocessing.encoding import encode
from jaxlayers.layers.preprocessing.host import HostArray, HostLayer, as_host
from jaxlayers.layers.preprocessing.vocabulary import IndexLookup
from jaxlayers.saving import deserialize_keras_object, serialize_keras_object
from jaxlayers.utils._features import Cross, Feature

_BATCH = 32  # how many single rows a layer adapts to at a time


class FeatureSpace(HostLayer):
    """Encodes the columns of a table: a dict of features in, one vector for each row out, or a dict of encodings.

    A feature is named by its kind (`"float"`, `"float_normalized"`, `"float_rescaled"`, `"float_discretized"`,
    `"integer_categorical"`, `"string_categorical"`, `"integer_hashed"`, `"string_hashed"`) or made by the method of
    that name. With numbers alone it is a layer like any other; with strings it runs on the host.

    Args:
        features: what each column is.
        output_mode: `"concat"` for one vector, `"dict"` for a dict by the names of features and crosses.
        crosses: tuples of the names of features, or what `FeatureSpace.cross` makes: their combinations, hashed.
        crossing_dim: how many bins combinations have.
        hashing_dim: how many bins hashed features have.
        num_discretization_bins: how many bins discretized features have.
        name: see `Layer`.

    Shapes:
        inputs: a dict of `[batch]` or `[batch, 1]`, or of single values; outputs: `[batch, size]` each, or `[size]`.
        Features come in the order of their names, then crosses likewise.

    Raises:
        ValueError: for unknown kinds and features; without `adapt`, where a feature needs it.

    Example:
        >>> import jaxlayers as jl
        >>> table = {"height": [1.0, 3.0], "colour": ["red", "blue"]}
        >>> space = jl.utils.FeatureSpace({"height": "float_normalized", "colour": "string_categorical"})
        >>> space.adapt(table)
        >>> space(table).tolist()
        [[0.0, 1.0, 0.0, -1.0], [0.0, 0.0, 1.0, 1.0]]
    """

    def __init__(
        self,
        features: dict[str, Any],
        output_mode: str = "concat",
        crosses: Any = None,
        crossing_dim: int = 32,
        hashing_dim: int = 32,
        num_discretization_bins: int = 32,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if not features:
            raise ValueError("FeatureSpace needs features; received none.")
        if output_mode not in ("dict", "concat"):
            raise ValueError(f"FeatureSpace: output_mode must be 'dict' or 'concat'; received {output_mode!r}.")
        self.output_mode, self.crossing_dim, self.hashing_dim = output_mode, crossing_dim, hashing_dim
        self.num_discretization_bins = num_discretization_bins
        self.features = {name: self._standardize_feature(name, feature) for name, feature in features.items()}
        self.crosses = [self._standardize_cross(cross) for cross in crosses or ()]
        self.crosses_by_name = {cross.name: cross for cross in self.crosses}
        self.preprocessors = {name: feature.preprocessor for name, feature in self.features.items()}
        self.crossers = {
            cross.name: layers.HashedCrossing(cross.crossing_dim, name=cross.name) for cross in self.crosses
        }
        self._is_adapted = False
        self._inputs: Any = None
        self._encoded: Any = None

    # The kinds of features.

    @classmethod
    def cross(cls, feature_names: Sequence[str], crossing_dim: int, output_mode: str = "one_hot") -> Cross:
        """Combinations of features, hashed into `crossing_dim` bins."""
        return Cross(feature_names, crossing_dim, output_mode)

    @classmethod
    def feature(cls, dtype: str, preprocessor: Any, output_mode: str) -> Feature:
        """Any layer for a column; what it makes is taken as it is, or one-hot encoded where it is an integer."""
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name: str | None = None) -> Feature:
        """Numbers as they are."""
        return Feature("float32", layers.Identity(dtype="float32", name=_named(name, "float")), "float")

    @classmethod
    def float_rescaled(cls, scale: Any = 1.0, offset: Any = 0.0, name: str | None = None) -> Feature:
        """Numbers times a scale, plus an offset."""
        return Feature("float32", layers.Rescaling(scale, offset, name=_named(name, "float_rescaled")), "float")

    @classmethod
    def float_normalized(cls, name: str | None = None) -> Feature:
        """Numbers with the mean 0 and the variance 1 of what was adapted to."""
        return Feature("float32", layers.Normalization(axis=-1, name=_named(name, "float_normalized")), "float")

    @classmethod
    def float_discretized(
        cls, num_bins: int | None, bin_boundaries: Any = None, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Numbers as bins, between boundaries that are given or found; see `Discretization`."""
        layer = layers.Discretization(bin_boundaries, num_bins, name=_named(name, "float_discretized"))
        return Feature("float32", layer, output_mode)

    @classmethod
    def integer_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Integers as categories of a vocabulary; see `IntegerLookup`."""
        layer = layers.IntegerLookup(max_tokens, num_oov_indices, name=_named(name, "integer_categorical"))
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Strings as categories of a vocabulary; see `StringLookup`."""
        layer = layers.StringLookup(max_tokens, num_oov_indices, name=_named(name, "string_categorical"))
        return Feature("string", layer, output_mode)

    @classmethod
    def string_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """Strings hashed into bins; see `Hashing`."""
        return Feature("string", layers.Hashing(num_bins, name=_named(name, "string_hashed")), output_mode)

    @classmethod
    def integer_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """Integers hashed into bins; see `Hashing`."""
        return Feature("int32", layers.Hashing(num_bins, name=_named(name, "integer_hashed")), output_mode)

    def _standardize_feature(self, name: str, feature: Any) -> Feature:
        if isinstance(feature, dict):
            feature = deserialize_keras_object(feature)
        if isinstance(feature, Feature):
            return feature
        sizes = {
            "float_discretized": (self.num_discretization_bins,),
            "integer_hashed": (self.hashing_dim,),
            "string_hashed": (self.hashing_dim,),
        }
        kinds = ("float", "float_normalized", "float_rescaled", "integer_categorical", "string_categorical", *sizes)
        if feature not in kinds:
            raise ValueError(f"FeatureSpace: feature {name!r} must be one of {kinds}; received {feature!r}.")
        return getattr(self, feature)(*sizes.get(feature, ()), name=name)

    def _standardize_cross(self, cross: Any) -> Cross:
        cross = deserialize_keras_object(cross) if isinstance(cross, dict) else cross
        cross = cross if isinstance(cross, Cross) else Cross(cross, self.crossing_dim)
        unknown = [name for name in cross.feature_names if name not in self.features]
        if unknown:
            raise ValueError(f"FeatureSpace: a cross names features that are not there: {unknown}.")
        return cross

    # Adapting.

    def adapt(self, dataset: Any) -> None:
        """Let each layer that learns from data do so; those that were given what they need are left alone.

        Args:
            dataset: a dict of arrays or lists, or an iterable of dicts: rows, or batches of them.

        Raises:
            ValueError: for anything else; for a data set without one of the features.
        """
        if not isinstance(dataset, dict) and (not isinstance(dataset, Iterable) or hasattr(dataset, "shape")):
            raise ValueError(
                f"{self.path!r} adapts to a dict of arrays or an iterable of dicts; received {type(dataset).__name__}."
            )
        if isinstance(dataset, Iterator):  # it is gone through once for each feature
            dataset = list(dataset)
        for name in self._learning():
            if isinstance(dataset, dict):
                rows = as_host(self, self._column(dataset, name))
                found = _in_batches(rows) if rows.ndim == 1 else iter(rows)
            else:
                found = (as_host(self, self._column(row, name)) for row in dataset)
            self.preprocessors[name].adapt(_columns(found))
        self._is_adapted = True
        self._encoded = None

    def _learning(self) -> list[str]:
        """The features whose layers learn from data."""

        def learns(layer: Any) -> bool:
            if isinstance(layer, layers.Normalization):
                return layer.input_mean is None
            return hasattr(layer, "adapt") and getattr(layer, "adaptable", True)

        return [name for name, layer in self.preprocessors.items() if learns(layer)]

    def _column(self, row: Any, name: str) -> Any:
        row = row[0] if isinstance(row, tuple) else row
        if not isinstance(row, dict) or name not in row:
            found = sorted(row) if isinstance(row, dict) else type(row).__name__
            raise ValueError(f"{self.path!r} expects a dict with the feature {name!r}; received {found}.")
        return row[name]

    def _check_adapted(self) -> None:
        if not self._is_adapted and self._learning():
            raise ValueError(
                f"{self.path!r} has features that learn from data, {self._learning()}: call adapt() first."
            )

    # Encoding.

    def hosted(self, value: Any) -> Any:
        """Each feature for itself."""
        self._check_adapted()
        if not isinstance(value, dict):
            raise ValueError(f"{self.path!r} encodes a dict of features; received {type(value).__name__}.")
        unknown = sorted(value.keys() - self.features.keys())
        if unknown:
            raise ValueError(f"{self.path!r} received features that it does not have: {unknown}.")
        return {name: super(FeatureSpace, self).hosted(self._column(value, name)) for name in self.features}

    def call(self, inputs: dict[str, Any]) -> Any:
        """Apply each feature's layer, cross, encode, and join."""
        single = any(np.ndim(_values(one)) == 0 for one in inputs.values())
        found = {name: self.preprocessors[name](_as_column(one)) for name, one in inputs.items()}
        crossed = {
            name: self.crossers[name]([found[feature] for feature in cross.feature_names])
            for name, cross in self.crosses_by_name.items()
        }
        encoded = {name: self._encode(name, found[name]) for name in sorted(found)}
        encoded |= {name: self._encode(name, crossed[name]) for name in sorted(crossed)}
        if self.output_mode == "concat":
            joined = jnp.concatenate(list(encoded.values()), -1)
            return joined[0] if single else joined
        if single:
            encoded = {name: one[0] if one.ndim == 2 and one.shape[0] == 1 else one for name, one in encoded.items()}
        return encoded

    def _encode(self, name: str, values: jax.Array) -> jax.Array:
        mode = (self.features.get(name) or self.crosses_by_name[name]).output_mode
        whole = jnp.issubdtype(values.dtype, jnp.integer)
        if mode == "one_hot":
            if not whole:
                raise ValueError(f"{self.path!r} one-hot encodes integers; feature {name!r} has {values.dtype}.")
            return encode(values, "multi_hot", self._cardinality(name), self.compute_dtype)
        if self.output_mode == "concat" and whole:
            raise ValueError(
                f"{self.path!r} joins vectors of floats, and feature {name!r} is {values.dtype}: encode it, or set "
                "output_mode='dict'."
            )
        return values

    def _cardinality(self, name: str) -> int:
        """How many integers the layer of a feature or a cross makes."""
        layer = self.preprocessors.get(name) or self.crossers[name]
        if isinstance(layer, IndexLookup):
            return layer.vocabulary_size()
        if isinstance(layer, layers.CategoryEncoding):
            return layer.num_tokens
        if isinstance(layer, layers.Discretization):
            return layer.num_bins or len(layer.bin_boundaries or ()) + 1
        if isinstance(layer, layers.Hashing | layers.HashedCrossing):
            return layer.num_bins
        raise ValueError(
            f"{self.path!r} cannot one-hot encode feature {name!r}: how many integers its {type(layer).__name__} makes "
            "is not known. Set the feature's output_mode to 'int'."
        )

    def get_inputs(self) -> dict[str, Any]:
        """A symbolic tensor for each feature, for the functional API.

        Raises:
            ValueError: without `adapt`, where a feature needs it.
            TypeError: for features that are strings, which no symbolic tensor stands for.
        """
        self._check_adapted()
        if self._inputs is None:
            texts = [name for name, feature in self.features.items() if feature.dtype == "string"]
            if texts:
                raise TypeError(
                    f"{self.path!r} has features that are strings, {texts}, which run on the host: no symbolic tensor "
                    "stands for them. Encode the data by calling it, and let the model begin with an Input of its "
                    "outputs' shape."
                )
            self._inputs = {
                name: layers.Input((1,), dtype=feature.dtype, name=name) for name, feature in self.features.items()
            }
        return dict(self._inputs)

    def get_encoded_features(self) -> Any:
        """What `get_inputs()` becomes: a symbolic tensor, or a dict of them.

        Raises:
            ValueError: see `get_inputs`.
            TypeError: likewise.
        """
        inputs = self.get_inputs()
        if self._encoded is None:
            self._encoded = self(inputs)
        return self._encoded

    # Configs.

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again, with the vocabularies and boundaries that were found."""
        names = ("output_mode", "crossing_dim", "hashing_dim", "num_discretization_bins")
        return {
            "features": serialize_keras_object(dict(self.features)),
            "crosses": serialize_keras_object(list(self.crosses)),
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FeatureSpace:
        """The feature space that `get_config()` describes."""
        return cls(**config)

    def get_build_config(self) -> dict[str, Any] | None:
        """What `build_from_config` needs, once it has adapted."""
        if not self._is_adapted and self._learning():
            return None
        return {name: feature.preprocessor.get_build_config() for name, feature in self.features.items()}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Make the weights of the features' layers, which then wait for their values."""
        for name, shapes in config.items():
            if shapes and not self.preprocessors[name].built:
                self.preprocessors[name].build_from_config(shapes)
        self._is_adapted = True


def _named(name: str | None, kind: str) -> str:
    return f"{name or auto_name(kind)}_preprocessor"


def _values(one: Any) -> Any:
    return one.values if isinstance(one, HostArray) else one


def _as_column(one: Any) -> Any:
    """Single values and vectors with axes for the batch and for the feature."""
    values = _values(one)
    if np.ndim(values) < 2:
        values = values.reshape(-1, 1)
    return HostArray(values) if isinstance(one, HostArray) else values


def _in_batches(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))


def _columns(found: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Batches with an axis for the feature; single values are put together first."""
    single: list[Any] = []
    for batch in found:
        if batch.ndim == 0:
            single.append(batch[()])
        else:
            yield batch[:, None] if batch.ndim == 1 else batch
    yield from (batch[:, None] for batch in _in_batches(np.asarray(single)))


registry.register("layer", {"FeatureSpace": FeatureSpace}, "keras.utils")
registry.register("layer", {"TFDIdentity": layers.Identity})  # what Keras's configs call the layer of "float"
