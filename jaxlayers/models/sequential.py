"""`Sequential`: a model that calls its layers one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jax

from jaxlayers.common import registry
from jaxlayers.common.explanations import describe
from jaxlayers.core import Layer, SymbolicTensor, building
from jaxlayers.layers import Input, InputLayer, Lambda
from jaxlayers.models import _arguments
from jaxlayers.models.graph import source_of
from jaxlayers.models.model import Model
from jaxlayers.saving import custom_object_scope, deserialize_keras_object, serialize_keras_object
from jaxlayers.saving.legacy_configs import convert_sequential


class Sequential(Model):
    """A model that calls each layer on the output of the layer before it.

    The keys of its parameter trees are the names of the layers. Automatic names are numbered within the model.

    Args:
        layers: the layers, first to last. A function is wrapped in a `Lambda` layer. The first entry may be an
            `Input`: then the model is built at once. A first layer with `input_shape=`, or a first layer that is a
            model with a known input, has the same effect.
        trainable: if True (the default), the weights are trained.
        name: a name without slashes. By default a unique name is made.
        **kwargs: the other arguments of `Layer`.

    Raises:
        ValueError: if two layers have the same name, an entry is neither a layer nor a function, or an `Input` is not
            the first entry.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(4, activation="relu"), jl.layers.Dense(1)])
        >>> model(jnp.ones((2, 3))).shape
        (2, 1)
        >>> sorted(model.params)
        ['dense', 'dense_1']
    """

    _runs_layers = True

    def __init__(self, layers: Any = None, trainable: bool = True, name: str | None = None, **kwargs: Any):
        if isinstance(layers, Layer | type):
            raise TypeError(f"{type(self).__name__} expects its layers in a list; received {type(layers).__name__}.")
        super().__init__(trainable=trainable, name=name, **kwargs)
        self._declared_input: SymbolicTensor | None = None
        self._layer_chain: list[Layer] = []
        for layer in layers or []:
            self.add(layer, rebuild=False)
        self._build_on_input()

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Add a layer at the end.

        Args:
            layer: a layer, a function, or, in an empty model, an `Input`.
            rebuild: if True (the default), build the model if its input is known.

        Raises:
            ValueError: if `layer` is neither a layer nor a function, its name is taken, or it is an `Input` and not the
                first entry.
        """
        if isinstance(layer, InputLayer):
            layer = layer.output
        if isinstance(layer, SymbolicTensor):
            if self._layer_chain or self._declared_input is not None:
                raise ValueError(f"{self.name!r}: an Input must come first, and there can be only one.")
            self._declared_input = layer
            return
        if not isinstance(layer, Layer):
            is_class = isinstance(layer, type) and issubclass(layer, Layer)
            if not callable(layer) or is_class:
                received = describe(layer) if is_class or hasattr(layer, "shape") else repr(layer)
                raise ValueError(f"{self.name!r} is made of layers and functions; received {received}.")
            layer = Lambda(layer)
        if not layer.auto_named and any(layer.name == other.name and layer is not other for other in self._layer_chain):
            raise ValueError(f"{self.name!r} already has a layer {layer.name!r}. Give one of them another name.")
        before = (self._declared_input, self.built)
        if self._declared_input is None and not self._layer_chain:
            self._declared_input = _input_of(layer)
        self._layer_chain.append(layer)
        try:
            self._forget_build(rebuild)
        except Exception:
            self._layer_chain.pop()
            self._declared_input, self.built = before
            raise

    def pop(self, rebuild: bool = True) -> Layer:
        """Remove and return the last layer.

        Args:
            rebuild: if True (the default), build the model if its input is known.

        Raises:
            ValueError: if the model has no layers.

        Example:
            >>> import jaxlayers as jl
            >>> model = jl.Sequential([jl.Input((2,)), jl.layers.Dense(3), jl.layers.Dense(1)])
            >>> model.pop().name.startswith("dense")
            True
            >>> model.output_shape
            (None, 3)
        """
        if not self._layer_chain:
            raise ValueError(f"{self.name!r} has no layers to remove.")
        layer = self._layer_chain.pop()
        self._forget_build(rebuild)
        return layer

    def _forget_build(self, rebuild: bool) -> None:
        """Drop what was known about the model before its layers changed; build it again if `rebuild` is True."""
        self.built = False
        object.__setattr__(self, "_graph_tensors", None)
        if rebuild:
            self._build_on_input()

    def _build_on_input(self) -> None:
        """Build the model if its input is known."""
        start = self._start_tensor()
        if start is None or not self._layer_chain:
            return
        # No array has a shape with unknown sizes; the layers may be built without knowing them. The constructor of a
        # subclass may not have set yet what its `call` needs.
        if None in start.shape[1:] or type(self).call is not Sequential.call:
            self._graph_symbols()
            self.built = all(layer.built for layer in self._layer_chain)
        else:
            building.build_for_call(self, (start,), {})

    def _start_tensor(self) -> SymbolicTensor | None:
        """Return the declared symbolic input; if there is none, one like the array that the model was built for."""
        if self._declared_input is not None or self._graph_tensors is not None:
            return self._declared_input if self._graph_tensors is None else self._graph_tensors[0]
        shapes = list(self.__dict__.get("_build_shapes", {}).values())
        if (
            len(shapes) != 1
            or not self._layer_chain
            or not all(size is None or isinstance(size, int) for size in shapes[0])
        ):
            return None
        return Input(batch_shape=(None, *shapes[0][1:]), dtype=self._layer_chain[0].compute_dtype)

    @property
    def layers(self) -> list[Layer]:
        """The layers, first to last."""
        return list(self._layer_chain)

    def _graph_symbols(self) -> tuple[Any, Any, list[SymbolicTensor]]:
        """Return the symbolic input, the symbolic output, and an empty list of losses."""
        if self._graph_tensors is None:
            tensor = start = self._start_tensor()
            if start is None:
                raise AttributeError(
                    f"{self.name!r} was given no Input and is not built, so its symbolic input and output are not "
                    "known. Put jl.Input(shape) first."
                )
            try:
                for layer in self._layer_chain:
                    tensor = layer(tensor)
            except Exception as error:
                if self._declared_input is not None:
                    raise
                # The input is only a guess from an array, so an error in its call is no error of the user.
                raise AttributeError(
                    f"{self.name!r} was given no Input, and its layers cannot be called on a symbolic tensor like the "
                    "arrays it was built on, so its symbolic input and output are not known. Put jl.Input(shape) first."
                ) from error
            object.__setattr__(self, "_graph_tensors", (start, tensor, []))
        return self._graph_tensors  # type: ignore[return-value]

    def _record_calls(self) -> None:
        """Call the layers on the symbolic input, if it is known.

        Errors are raised for a declared input, and ignored for one that is guessed from an array.
        """
        with contextlib.suppress(*([] if self._declared_input is not None else [AttributeError])):
            self._graph_symbols()

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """The attributes of a subclass, then the layers by name."""
        for key, value in super()._tracked_children():
            if value is not self._layer_chain:
                yield key, value
        yield from zip(self._layer_names(), self._layer_chain, strict=True)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Call the layers one after the other.

        Args:
            inputs: the input of the first layer.
            training: True in training, False in inference; None (the default) takes the value of the surrounding call.
            mask: the mask of the input, or None.

        Raises:
            ValueError: if the model has no layers, or the input has another shape than the declared one.
        """
        if self._declared_input is None and not self._layer_chain:
            raise ValueError(f"{self.name!r} has no layers, so it cannot be called. Add layers with add(layer).")
        if self._declared_input is not None:
            sources = [source_of(self._declared_input)]
            inputs = _arguments.match_inputs(self.name, self._declared_input, sources, inputs)[0]
        for layer in self._layer_chain:
            inputs = (
                layer(inputs, mask=mask) if mask is not None and "mask" in layer._call_spec.all_names else layer(inputs)
            )
            mask = None
        return inputs

    def get_config(self) -> dict[str, Any]:
        """Return a dict from which `from_config` makes the model again, without its weights."""
        self._record_calls()  # the shapes that layers were built for then have None for the batch size
        configs = [serialize_keras_object(layer) for layer in self._layer_chain]
        for name, layer_config in zip(self._layer_names(), configs, strict=True):
            if "name" in layer_config["config"]:  # a get_config of the user's own may leave the name out
                layer_config["config"]["name"] = name  # the layer made from it then has the same path in the trees
        config = {**super().get_config(), "layers": configs}
        if self._graph_tensors is not None:
            start = self._graph_tensors[0]
            layer = InputLayer(batch_shape=start.shape, dtype=start.dtype, name=start.name)
            configs.insert(0, serialize_keras_object(layer))
            config["build_input_shape"] = start.shape
        return config

    def get_build_config(self) -> dict[str, Any] | None:
        """Return a dict with the declared input shape, or with the shapes that the model was built for."""
        return (
            super().get_build_config() if self._declared_input is None else {"input_shape": self._declared_input.shape}
        )

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Sequential:
        """Return a model, with new weights, from the dict of `get_config()`.

        Args:
            config: the dict.
            custom_objects: a dict from names to your own classes and functions, unless they are registered.
        """
        with custom_object_scope(custom_objects):
            config = convert_sequential(config)
            layers = [deserialize_keras_object(layer) for layer in config["layers"]]
        rest = {name: value for name, value in config.items() if name not in ("layers", "build_input_shape")}
        return cls([layer.output if isinstance(layer, InputLayer) else layer for layer in layers], **rest)


def _input_of(layer: Layer) -> SymbolicTensor | None:
    """Return the symbolic input that a first layer asks for: by `input_shape=`, or as a model with one input."""
    if layer._input_shape_argument is not None:
        return Input(layer._input_shape_argument)
    tensors = jax.tree.leaves(layer.input) if isinstance(layer, Model) and hasattr(layer, "inputs") else []
    return Input(batch_shape=tensors[0].shape, dtype=tensors[0].dtype) if len(tensors) == 1 else None


registry.register("layer", {"Sequential": Sequential})
