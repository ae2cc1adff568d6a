"""A layer that can be trained."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jax

from jaxlayers.common import registry
from jaxlayers.common.masks import set_mask
from jaxlayers.common.settings import auto_name
from jaxlayers.core import Layer, SymbolicTensor, making, scope, tracking
from jaxlayers.models import _arguments, _states, graph_config
from jaxlayers.models._names import local_names
from jaxlayers.models.graph import Graph, record
from jaxlayers.models.summary import summary
from jaxlayers.saving import serialize_keras_object
from jaxlayers.training.trainer import Trainer


class Model(Trainer, Layer):
    """A layer with `compile`, `fit`, `evaluate` and `predict`: a subclass with a `call`, or a graph.

    Args:
        inputs: for a graph: symbolic tensors, from `Input` or from anywhere in another graph, in any structure.
        outputs: the symbolic tensors that it computes, in any structure.
        name: a name without slashes; one is made up when none is given.
        **kwargs: `dtype`, `trainable`, ... of `Layer`.

    Raises:
        ValueError: when the outputs depend on an input that is not given, or two layers have one name.

    Example:
        A subclass is written as a `Layer` is:

        >>> import jaxlayers as jl, numpy as np
        >>> class Linear(jl.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.dense = jl.layers.Dense(1)
        ...     def call(self, inputs):
        ...         return self.dense(inputs)
        >>> model = Linear()
        >>> model.compile(optimizer="sgd", loss="mse")
        >>> x = np.ones((8, 3), "float32")
        >>> history = model.fit(x, x[:, :1], epochs=2, verbose=0).history
        >>> history["loss"][1] < history["loss"][0]
        True

        A graph is made by calling layers and operations on symbolic tensors:

        >>> inputs = jl.Input((3,))
        >>> hidden = jl.layers.Dense(4, activation="relu")(inputs)
        >>> model = jl.Model(inputs, jl.layers.Dense(1)(hidden) + jl.ops.sum(inputs, axis=-1, keepdims=True))
        >>> model(x).shape
        (8, 1)
        >>> sorted(model.params)
        ['dense', 'dense_1']
    """

    _graph: Graph | None = None
    _tensors: tuple[Any, Any, list[SymbolicTensor]] | None = None  # a graph's symbolic inputs, outputs and losses
    _named: Mapping[str, Any] = {"inputs": [], "outputs": None}  # what inputs and outputs of another model are called

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any):
        if (inputs is None) != (outputs is None):
            raise ValueError(f"{type(self).__name__} as a graph needs both inputs= and outputs=.")
        given = name
        if inputs is not None and type(self) is Model:
            name = name or auto_name("functional")
        super().__init__(name=name, **kwargs)
        self.auto_named = given is None
        if inputs is not None:
            if type(self) is Model:
                object.__setattr__(self, "keras_class", ("keras.src.models.functional", "Functional"))
            self.autocast = False  # each layer inside casts what it is given
            self._set_graph(inputs, outputs, [])

    def _set_graph(self, inputs: Any, outputs: Any, losses: list[SymbolicTensor]) -> None:
        graph = record(inputs, outputs, losses)
        local_names(graph.layers, self.name)  # raises before anything has changed
        object.__setattr__(self, "_graph", graph)
        object.__setattr__(self, "_tensors", (inputs, outputs, losses))
        object.__setattr__(self, "_made_with", ((), {}))
        self._adopt_graph()
        making.claim(self)
        if scope.makes_arrays():
            making.make(variable for _, variable in self._walk.entries)
        self.built = True

    def _adopt_graph(self) -> None:
        for thing in (*self._graph.layers, *self._graph.variables):  # type: ignore[union-attr]
            thing._adopt(self)
        tracking.structure_changed()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self._graph is not None:
            self._adopt_graph()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name not in ("_tensors", "_steps")}

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Compute the outputs: a subclass has its own version; a graph makes its calls one after the other.

        What a call inside a graph was given for `training` it keeps, as a frozen base's `base(x, training=False)`;
        in Keras the model's own argument takes its place. A single output in a list is not in it when it is returned.
        """
        if self._graph is None:
            raise NotImplementedError(f"{type(self).__name__} does not say what it computes: it has no call().")
        values = _arguments.match(self.name, self._graph.inputs, self._graph.sources, inputs)
        if mask is not None:
            given = jax.tree.leaves(mask, is_leaf=lambda leaf: leaf is None)
            for value, one in zip(values, given, strict=False):
                set_mask(value, one)
        outputs, losses = self._graph.run(values)
        for loss in losses:
            self.add_loss(loss)
        return _alone(outputs)

    call.is_default = True  # type: ignore[attr-defined]

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of the outputs; in a graph the layers have put it there."""
        return None if self._graph is not None else previous_mask

    def add_loss(self, loss: Any) -> None:
        """Add a scalar (or a list of them) to the losses; in a graph also symbolic ones, once and for all.

        Raises:
            ValueError: for a symbolic tensor, when this is no graph, or it depends on another input.
        """
        losses = list(loss) if isinstance(loss, list | tuple) else [loss]
        symbolic = [one for one in losses if isinstance(one, SymbolicTensor)]
        if not symbolic:
            return super().add_loss(loss)
        if self._graph is None:
            raise ValueError(
                f"{self.name!r} is no graph, so it cannot add a symbolic loss. Add it in call(), or make the model "
                "with Model(inputs, outputs)."
            )
        inputs, outputs, old = self._symbols()
        self._set_graph(inputs, outputs, [*old, *symbolic])
        return None

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """The layers of a graph by name, then what is assigned to attributes."""
        if self._graph is not None:
            yield from zip(local_names(self._graph.layers, self.name), self._graph.layers, strict=True)
            yield from ((variable.name, variable) for variable in self._graph.variables)
        yield from super()._tracked_children()

    # What a graph starts from and ends in.

    def _symbols(self) -> tuple[Any, Any, list[SymbolicTensor]]:
        """The symbolic inputs, outputs and losses; a copy of a model records its own."""
        if self._graph is None:
            raise AttributeError(f"{self.name!r} is no graph, so it has no symbolic inputs and outputs.")
        if self._tensors is None:
            tensors = [source.output for source in self._graph.sources]
            inputs = jax.tree.unflatten(jax.tree.structure(self._graph.inputs), tensors)
            outputs, losses = self._graph.run(tensors)
            object.__setattr__(self, "_tensors", (inputs, outputs, losses))
        return self._tensors  # type: ignore[return-value]

    def _record_calls(self) -> None:
        """Make the symbolic calls inside again, in a copy."""
        if self._graph is not None:
            self._symbols()

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic inputs of a graph, in a flat list."""
        return jax.tree.leaves(self._symbols()[0])

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic outputs of a graph, in a flat list."""
        return jax.tree.leaves(self._symbols()[1])

    @property
    def input(self) -> Any:
        """The symbolic inputs of a graph, in their structure; of another model, what it was called with."""
        return self._symbols()[0] if self._graph is not None else super().input

    @property
    def output(self) -> Any:
        """The symbolic outputs of a graph, in their structure; of another model, what its symbolic call gave."""
        return self._symbols()[1] if self._graph is not None else super().output

    @property
    def input_shape(self) -> Any:
        """The shapes of the inputs of a graph, in their structure; None is an unknown size."""
        return jax.tree.map(lambda tensor: tensor.shape, _alone(self.input))

    @property
    def output_shape(self) -> Any:
        """The shapes of the outputs of a graph, in their structure; None is an unknown size."""
        return jax.tree.map(lambda tensor: tensor.shape, _alone(self.output))

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self._objective is not None

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs of a graph; of another model, what it says itself."""
        return [source.name for source in self._graph.sources] if self._graph is not None else self._named["inputs"]

    @input_names.setter
    def input_names(self, value: Any) -> None:
        object.__setattr__(self, "_named", {**self._named, "inputs": value})

    @property
    def output_names(self) -> list[str] | None:
        """What the outputs are called in losses, metrics and figures; None where that is known after a call only."""
        if self._graph is None:
            return self._named["outputs"]
        layers = {id(layer): n for n, layer in zip(self._names(), self._graph.layers, strict=True)}
        makers = {s.number: call for call in self._graph.calls for s in jax.tree.leaves(call.outputs)}
        names: list[str] = []
        for slot in jax.tree.leaves(self._graph.outputs):
            call: Any = makers.get(slot.number)
            function = self._graph.sources[slot.number] if call is None else call.function
            names.append(layers.get(id(function)) or str(getattr(function, "__name__", "output")))
        return names

    @output_names.setter
    def output_names(self, value: Any) -> None:
        object.__setattr__(self, "_named", {**self._named, "outputs": value})

    def _names(self) -> list[str]:
        return local_names(self.layers if self._graph is None else self._graph.layers, self.name)

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Print a table of the layers: name, shape of the outputs, number of parameters.

        Args:
            line_length: the width in characters; that of the terminal by default.
            positions: where the columns end, as parts of the width.
            print_fn: called with each line, in the place of printing it.
            expand_nested: whether the layers of models inside are shown too.
            show_trainable: whether there is a column that says what is trained.
            layer_range: the names of the first and the last layer to show, or regular expressions for them.
        """
        summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    def get_config(self) -> dict[str, Any]:
        """What makes the model again, without weights: of a graph, its layers and the calls between them."""
        if self._graph is None or type(self).__init__ is not Model.__init__:
            return super().get_config()
        return {"name": self.name, "trainable": self.trainable, **graph_config.describe(self._graph, self.name)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model that `get_config()`, ours or Keras's, describes; with new weights."""
        if "input_layers" not in config or "output_layers" not in config:
            return super().from_config(config)
        inputs, outputs = graph_config.revive(config, custom_objects)
        return cls(inputs, outputs, name=config.get("name"), trainable=config.get("trainable", True))

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON; `models.model_from_json`, Keras's too, makes the model again, without weights.

        Args:
            **kwargs: for `json.dumps`.
        """
        return json.dumps(serialize_keras_object(self), **kwargs)

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, Any]:
        """All that the model and its training hold, as nested dicts of arrays; `train_state` is the same for steps.

        Args:
            value_format: `"backend_tensor"` for JAX's arrays, `"numpy_array"` for NumPy's.

        Returns:
            `trainable_variables` and `non_trainable_variables` by their paths, `optimizer_variables` and
            `metrics_variables` by the names of their owners.

        Raises:
            ValueError: for another format.
        """
        return _states.read(self, value_format)

    def set_state_tree(self, state_tree: Mapping[str, Any]) -> None:
        """Put arrays of a tree like that of `get_state_tree`, or of a part of one, into the model.

        Raises:
            ValueError: when one belongs to nothing or has another shape; then nothing has changed. Keras passes over
                what it does not know.
        """
        _states.write(self, state_tree)

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside, however they are held."""
        found: dict[int, Layer] = {}

        def visit(value: Any) -> None:
            if isinstance(value, Layer):
                found.setdefault(id(value), value)
            elif isinstance(value, list | tuple | dict):
                for item in value.values() if isinstance(value, dict) else value:
                    visit(item)

        for _, value in self._tracked_children():
            visit(value)
        return list(found.values())

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """One of `layers`, by its name or its place.

        Raises:
            ValueError: when there is none, or not exactly one of the two is given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer() takes either a name or an index.")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"{self.name!r} has {len(layers)} layers; there is none with index {index}.")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"{self.name!r} has no layer {name!r}; it has {[layer.name for layer in layers]}.")


def _alone(outputs: Any) -> Any:
    """What is in a list with nothing else."""
    return outputs[0] if isinstance(outputs, list | tuple) and len(outputs) == 1 else outputs


registry.register("layer", {"Model": Model, "Functional": Model})
