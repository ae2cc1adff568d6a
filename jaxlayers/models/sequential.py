"""A model that is a chain of layers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jax

from jaxlayers.common import registry
from jaxlayers.core import Layer, SymbolicTensor, building, symbolic
from jaxlayers.layers import Input, InputLayer, Lambda
from jaxlayers.models import _arguments
from jaxlayers.models.graph import source_of
from jaxlayers.models.model import Model
from jaxlayers.saving import deserialize_keras_object, serialize_keras_object


class Sequential(Model):
    """A chain of layers: each is called with what the one before returned.

    Its trees are keyed by the layers' names; a name made up for a layer is counted within the model.

    Args:
        layers: the layers, first to last; also functions, and at the beginning an `Input`, with which the weights
            are known at once. A first layer that was given `input_shape=`, or is a model that knows its input, says
            it as well.
        trainable: whether its weights are trained.
        name: a name without slashes; one is made up when none is given.

    Raises:
        ValueError: when two layers have one name.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(4, activation="relu"), jl.layers.Dense(1)])
        >>> model(jnp.ones((2, 3))).shape
        (2, 1)
        >>> sorted(model.params)
        ['dense', 'dense_1']
    """

    def __init__(self, layers: Any = None, trainable: bool = True, name: str | None = None, **kwargs: Any):
        super().__init__(trainable=trainable, name=name, **kwargs)
        self._input: SymbolicTensor | None = None
        self._chain: list[Layer] = []
        for layer in layers or []:
            self.add(layer, rebuild=False)
        self._build_on_input()

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer (or a function, or first of all an `Input`) at the end.

        Raises:
            ValueError: when it is no layer, its name is taken, or an `Input` does not come first.
        """
        if isinstance(layer, InputLayer):
            layer = layer.output
        if isinstance(layer, SymbolicTensor):
            if self._chain or self._input is not None:
                raise ValueError(f"{self.name!r}: an Input must come first, and once.")
            self._input = layer
            return
        if not isinstance(layer, Layer):
            if not callable(layer):
                raise ValueError(f"{self.name!r} is made of layers and functions; received {layer!r}.")
            layer = Lambda(layer)
        if not layer.auto_named and any(layer.name == other.name and layer is not other for other in self._chain):
            raise ValueError(f"{self.name!r} already has a layer {layer.name!r}. Give one of them another name.")
        before = (self._input, self.built)
        if self._input is None and not self._chain:
            self._input = _input_of(layer)
        self._chain.append(layer)
        try:
            self._changed(rebuild)
        except Exception:
            self._chain.pop()
            self._input, self.built = before
            raise

    def pop(self, rebuild: bool = True) -> Layer:
        """Take the last layer away, and return it.

        Raises:
            ValueError: when there is none.
        """
        if not self._chain:
            raise ValueError(f"{self.name!r} has no layers to take away.")
        layer = self._chain.pop()
        self._changed(rebuild)
        return layer

    def _changed(self, rebuild: bool) -> None:
        self.built = False
        object.__setattr__(self, "_tensors", None)
        if rebuild:
            self._build_on_input()

    def _build_on_input(self) -> None:
        start = self._start()
        if start is None or not self._chain:
            return
        if None in start.shape[1:]:  # which no number stands for: the layers may do without
            self._symbols()
            self.built = all(layer.built for layer in self._chain)
        else:
            building.build_for_call(self, (symbolic.fill(start.shape, start.dtype),), {})

    def _start(self) -> SymbolicTensor | None:
        """The declared input; or one like what it was built for, if that was an array."""
        if self._input is not None or self._tensors is not None:
            return self._input if self._tensors is None else self._tensors[0]
        shapes = list(self.__dict__.get("_build_shapes", {}).values())
        if len(shapes) != 1 or not self._chain or not all(size is None or isinstance(size, int) for size in shapes[0]):
            return None
        return Input(batch_shape=(None, *shapes[0][1:]), dtype=self._chain[0].compute_dtype)

    @property
    def layers(self) -> list[Layer]:
        """The layers, first to last."""
        return list(self._chain)

    def _symbols(self) -> tuple[Any, Any, list[SymbolicTensor]]:
        """The input, and what the chain makes of it."""
        if self._tensors is None:
            tensor = start = self._start()
            if start is None:
                raise AttributeError(
                    f"{self.name!r} was given no Input and is not built, so its symbolic input and output are not "
                    "known. Put jl.Input(shape) first."
                )
            try:
                for layer in self._chain:
                    tensor = layer(tensor)
            except Exception as error:
                if self._input is not None:
                    raise
                # Nobody has said that there is such an input: it was made up after an array.
                raise AttributeError(
                    f"{self.name!r} was given no Input, and its layers cannot be called on one like the arrays that it "
                    "was built on, so its symbolic input and output are not known."
                ) from error
            object.__setattr__(self, "_tensors", (start, tensor, []))
        return self._tensors  # type: ignore[return-value]

    def _record_calls(self) -> None:
        """Call the layers on the input, if it is known and was declared, or they can be called so."""
        with contextlib.suppress(*([] if self._input is not None else [AttributeError])):
            self._symbols()

    @property
    def input(self) -> Any:
        """The symbolic input."""
        return self._symbols()[0]

    @property
    def output(self) -> Any:
        """The symbolic output."""
        return self._symbols()[1]

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """The layers by name, then whatever else a subclass keeps."""
        for key, value in super()._tracked_children():
            if value is not self._chain:
                yield key, value
        yield from zip(self._names(), self._chain, strict=True)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Call the layers one after the other, on an array like the declared input if there is one."""
        if self._input is not None:
            inputs = _arguments.match(self.name, self._input, [source_of(self._input)], inputs)[0]
        for layer in self._chain:
            inputs = (
                layer(inputs, mask=mask) if mask is not None and "mask" in layer._call_spec.all_names else layer(inputs)
            )
            mask = None
        return inputs

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of the outputs: whatever the last layer left on them."""
        return None

    def get_config(self) -> dict[str, Any]:
        """What makes the chain again: the configs of its layers."""
        self._record_calls()  # so that layers know which of the sizes they were built for are known
        found = [serialize_keras_object(layer) for layer in self._chain]
        for key, one in zip(self._names(), found, strict=True):
            if "name" in one["config"]:  # of a class with a get_config of its own, perhaps not
                one["config"]["name"] = key  # so that what is made from this has the same trees
        config = {**super().get_config(), "layers": found}
        if self._tensors is not None:
            start = self._tensors[0]
            layer = InputLayer(batch_shape=start.shape, dtype=start.dtype, name=start.name)
            found.insert(0, serialize_keras_object(layer))
            config["build_input_shape"] = start.shape
        return config

    def get_build_config(self) -> dict[str, Any] | None:
        """The shape it was declared for, or built for."""
        return super().get_build_config() if self._input is None else {"input_shape": self._input.shape}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Sequential:
        """The model that `get_config()` describes; without weights."""
        rest = {name: value for name, value in config.items() if name not in ("layers", "build_input_shape")}
        layers = [deserialize_keras_object(one, custom_objects) for one in config["layers"]]
        return cls([one.output if isinstance(one, InputLayer) else one for one in layers], **rest)


def _input_of(layer: Layer) -> SymbolicTensor | None:
    """The input that a first layer says: by `input_shape=`, or as a model that has one."""
    if layer._input_shape_argument is not None:
        return Input(layer._input_shape_argument)
    tensors = jax.tree.leaves(layer.input) if isinstance(layer, Model) and hasattr(layer, "inputs") else []
    return Input(batch_shape=tensors[0].shape, dtype=tensors[0].dtype) if len(tensors) == 1 else None


registry.register("layer", {"Sequential": Sequential})
