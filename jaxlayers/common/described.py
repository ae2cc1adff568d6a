"""What can be said of a layer as plain data: its dtype policy, and the configs that make and build it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from jaxlayers.common import dtype_policies, registry
from jaxlayers.common.call_spec import CallSpec

# What Keras's configs hold and we have not, at the value at which it does nothing.
_ABSENT = {"quantization_config": None, "rms_scaling": False}


class Described:
    """The part of a layer that describes it."""

    _call_spec: CallSpec
    _made_with: tuple[tuple[Any, ...], dict[str, Any]]
    activity_regularizer: Any
    name: str

    if TYPE_CHECKING:  # the rest of a layer
        trainable: bool
        built: bool
        weights: list[Any]

        def build(self, *args: Any, **kwargs: Any) -> None: ...

    @property
    def dtype_policy(self) -> dtype_policies.DTypePolicy:
        """What it computes in, and what it keeps its weights in."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        self._dtype_policy = dtype_policies.get(value)
        self._compute = jnp.dtype(self._dtype_policy.compute_dtype)

    @property
    def compute_dtype(self) -> str:
        """The dtype of its computations."""
        return self._dtype_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of its weights."""
        return self._dtype_policy.variable_dtype

    dtype = variable_dtype

    @property
    def input_dtype(self) -> str:
        """The dtype that float inputs are cast to."""
        return self.compute_dtype

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again: plain data.

        A subclass that adds arguments adds them here; one that does not gets those that its `__init__` was given:
        numbers, strings, layers and whatever else has a config.
        """
        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": dtype_policies.serialize(self.dtype_policy),
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = registry.describe(self.activity_regularizer)
        own_arguments = not getattr(type(self).__init__, "is_default", False)
        if own_arguments and getattr(type(self).get_config, "is_default", False):
            return {**self._call_spec.made_with(*self._made_with), **config}
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer that `get_config()` describes, ours or Keras's; without weights."""
        config = {name: value for name, value in config.items() if name not in _ABSENT or value != _ABSENT[name]}
        if not getattr(cls.get_config, "is_default", False):
            return cls(**config)
        config = registry.revive(config)
        layer = cls(**{name: value for name, value in config.items() if cls._call_spec.takes(name)})
        for name in ("name", "trainable", "dtype"):
            if name in config and not cls._call_spec.takes(name):
                setattr(layer, "dtype_policy" if name == "dtype" else name, config[name])
        return layer

    def get_build_config(self) -> dict[str, Any] | None:
        """What `build_from_config` builds the layer from: by default the shapes it was built for, if it is."""
        shapes = self.__dict__.get("_build_shapes")
        if not self.built or not shapes or (getattr(type(self).build, "is_default", False) and not self.weights):
            return None
        return {"shapes_dict": dict(shapes)} if len(shapes) > 1 else {"input_shape": next(iter(shapes.values()))}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build the layer as `get_build_config` says, ours or Keras's."""
        if "input_shape" in config:
            self.build(config["input_shape"])
        elif "shapes_dict" in config:
            self.build(**config["shapes_dict"])
