"""The part of a layer that is plain data: its dtype policy, and the configs that create and build it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import jax.numpy as jnp

from jaxlayers.common import dtype_policies, registry
from jaxlayers.common.call_spec import CallSpec
from jaxlayers.common.constructors import (
    constructor_config,
    constructor_parameters,
    defined_in_library,
    library_class,
)

# Arguments in Keras's configs that jaxlayers lacks. They are dropped if they have the value that has no effect.
_ABSENT = {"quantization_config": None, "rms_scaling": False}


class Described:
    """The base class of `Layer` that holds its dtype policy and its configs."""

    # The parameters of every layer and model that `get_config` writes by itself, or that are not written.
    _config_attributes: ClassVar[dict[str, str | None]] = dict.fromkeys(
        ["activity_regularizer", "trainable", "dtype", "autocast", "name", "inputs", "outputs"]
    )
    _call_spec: CallSpec
    _made_with: tuple[tuple[Any, ...], dict[str, Any]]
    activity_regularizer: Any
    name: str

    if TYPE_CHECKING:  # members of `Layer` that its other bases define
        trainable: bool
        built: bool
        weights: list[Any]

        def build(self, *args: Any, **kwargs: Any) -> None: ...

    @property
    def dtype_policy(self) -> dtype_policies.DTypePolicy:
        """The dtype policy: the dtype of computations and the dtype of weights."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        self._dtype_policy = dtype_policies.get(value)
        self._compute_type = jnp.dtype(self._dtype_policy.compute_dtype)

    @property
    def compute_dtype(self) -> str:
        """The dtype of the layer's computations."""
        return self._dtype_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of the layer's weights."""
        return self._dtype_policy.variable_dtype

    dtype = variable_dtype

    @property
    def input_dtype(self) -> str:
        """The dtype that float inputs are cast to."""
        return self.compute_dtype

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data.

        A subclass that adds arguments may override this method to add them. Otherwise its config has the arguments that
        its `__init__` was given, which must be numbers, strings, layers or other objects with a config.
        """
        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": dtype_policies.serialize(self.dtype_policy),
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = registry.describe(self.activity_regularizer)
        config |= constructor_config(self)
        if not _adds_arguments(type(self)):
            return config
        of_library = {*constructor_parameters(library_class(type(self)))} - {*Described._config_attributes}
        return {**self._call_spec.made_with(*self._made_with, without=of_library), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return a new layer from the config of `get_config()`, jaxlayers' or Keras's; without its weights."""
        config = {name: value for name, value in config.items() if name not in _ABSENT or value != _ABSENT[name]}
        if not _adds_arguments(cls):
            return cls(**config)
        config = registry.revive(config)
        layer = cls(**{name: value for name, value in config.items() if cls._call_spec.takes(name)})
        for name in ("name", "trainable", "dtype"):
            if name in config and not cls._call_spec.takes(name):
                setattr(layer, "dtype_policy" if name == "dtype" else name, config[name])
        return layer

    def get_build_config(self) -> dict[str, Any] | None:
        """Return the config of `build_from_config`: by default the input shapes; None if the layer is not built."""
        shapes = self.__dict__.get("_build_shapes")
        if not self.built or not shapes or (getattr(type(self).build, "is_default", False) and not self.weights):
            return None
        return {"shapes_dict": dict(shapes)} if len(shapes) > 1 else {"input_shape": next(iter(shapes.values()))}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build the layer from the config of `get_build_config()`, jaxlayers' or Keras's."""
        if "input_shape" in config:
            self.build(config["input_shape"])
        elif "shapes_dict" in config:
            self.build(**config["shapes_dict"])


def _adds_arguments(cls: type) -> bool:
    """True if a class is a user's, and defines `__init__` but not `get_config`."""
    return defined_in_library(cls, "get_config") and not defined_in_library(cls, "__init__")
