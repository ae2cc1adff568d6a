"""`Model`: a layer with `compile`, `fit`, `evaluate` and `predict`."""

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
from jaxlayers.models._derived import Derived
from jaxlayers.models._export import Exportable
from jaxlayers.models._files import InFiles
from jaxlayers.models._names import local_names
from jaxlayers.models.graph import Graph, record
from jaxlayers.models.summary import summary
from jaxlayers.saving import serialize_keras_object
from jaxlayers.training.trainer import Trainer


class Model(InFiles, Exportable, Trainer, Layer):
    """A layer with `compile`, `fit`, `evaluate` and `predict`.

    There are two ways to make one: write a subclass with a `call` method, or pass symbolic inputs and outputs. The
    second is called a functional model; it runs the graph of layers and operations between its inputs and outputs.

    Args:
        inputs: the symbolic inputs of a functional model, in any structure: from `Input`, or from the middle of another
            functional model. None for a subclass with its own `call`.
        outputs: the symbolic outputs of a functional model, in any structure.
        name: a name without slashes. By default a unique name is made from the name of the class.
        **kwargs: the other arguments of `Layer`: `dtype`, `trainable`, ...

    Raises:
        ValueError: if only one of `inputs` and `outputs` is given, the outputs depend on an input that is not in
            `inputs`, or two layers have the same name.

    Example:
        A subclass is written like a `Layer`:

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

        A functional model is made by calling layers and operations on symbolic tensors:

        >>> inputs = jl.Input((3,))
        >>> hidden = jl.layers.Dense(4, activation="relu")(inputs)
        >>> model = jl.Model(inputs, jl.layers.Dense(1)(hidden) + jl.ops.sum(inputs, axis=-1, keepdims=True))
        >>> sorted(model.params)
        ['dense', 'dense_1']
    """

    _layer_graph: Graph | None = None
    _graph_tensors: tuple[Any, Any, list[SymbolicTensor]] | None = None  # a graph's symbolic inputs, outputs and losses

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any):
        if (inputs is None) != (outputs is None):
            raise ValueError(f"{type(self).__name__} needs both inputs= and outputs=, or neither.")
        auto_named = name is None
        if inputs is not None and type(self) is Model:
            name = name or auto_name("functional")
        super().__init__(name=name, **kwargs)
        self.auto_named = auto_named
        if inputs is not None:
            if type(self) is Model:
                object.__setattr__(self, "keras_class", ("keras.src.models.functional", "Functional"))
            self.autocast = False  # each layer of the graph casts its own inputs
            self._set_graph(inputs, outputs, [])

    def _set_graph(self, inputs: Any, outputs: Any, losses: list[SymbolicTensor]) -> None:
        graph = record(inputs, outputs, losses)
        local_names(graph.layers, self.name)  # raises for a duplicate name before the model changes
        object.__setattr__(self, "_layer_graph", graph)
        object.__setattr__(self, "_graph_tensors", (inputs, outputs, losses))
        if graph_config.is_all_of(type(self)):  # its config is that of the graph
            object.__setattr__(self, "_made_with", ((), {}))
        self._adopt_graph()
        making.claim(self)
        if scope.makes_arrays():
            making.make(variable for _, variable in self._tracked_walk.entries)
        self.built = True

    def _adopt_graph(self) -> None:
        for child in (*self._layer_graph.layers, *self._layer_graph.variables):  # type: ignore[union-attr]
            child._add_owner(self)
        tracking.structure_changed()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self._layer_graph is not None:
            self._adopt_graph()

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in super().__getstate__().items()
            if name not in ("_graph_tensors", "_compiled_steps")
        }

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Compute the outputs. A subclass overrides this method; a functional model runs its graph.

        A layer of the graph that was called with an explicit `training`, such as a frozen `base(x, training=False)`,
        keeps it; in Keras the `training` of the model overrides it. If the outputs are a list with one entry, that
        entry is returned without the list.

        Args:
            inputs: a value for each input: in the structure of the inputs, in a list in their order, or in a dict by
                name.
            training: True in training, False in inference; None (the default) takes the value of the surrounding call.
            mask: a mask for each input, or None.

        Raises:
            NotImplementedError: if a subclass has no `call`.
            ValueError: if an input is missing or has another shape than declared.
        """
        if self._layer_graph is None:
            raise NotImplementedError(f"{type(self).__name__} has no call(). Write one, or pass inputs= and outputs=.")
        values = _arguments.match_inputs(self.name, self._layer_graph.inputs, self._layer_graph.sources, inputs)
        if mask is not None:
            masks = jax.tree.leaves(mask, is_leaf=lambda leaf: leaf is None)
            for value, input_mask in zip(values, masks, strict=False):
                set_mask(value, input_mask)
        outputs, losses = self._layer_graph.run(values)
        for loss in losses:
            self.add_loss(loss)
        return _unwrap_single(outputs)

    call.is_default = True  # type: ignore[attr-defined]

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of the outputs; None for a functional model, whose layers set the masks of its outputs."""
        return None if self._runs_layers else previous_mask

    def add_loss(self, loss: Any) -> None:
        """Add a scalar loss, or a list of them.

        A functional model also takes a symbolic loss, outside of any call. The loss becomes part of the graph and is
        added in every call.

        Args:
            loss: a scalar, a symbolic tensor computed from the inputs of the model, or a list of these.

        Raises:
            ValueError: if a loss is symbolic and the model has no graph, or depends on an input of another model.
        """
        losses = list(loss) if isinstance(loss, list | tuple) else [loss]
        symbolic = [value for value in losses if isinstance(value, SymbolicTensor)]
        if not symbolic:
            return super().add_loss(loss)
        if self._layer_graph is None:
            raise ValueError(
                f"{self.name!r} is no graph of layers, so it cannot add a symbolic loss. Add it in call(), or make "
                "the model with Model(inputs, outputs)."
            )
        inputs, outputs, old = self._graph_symbols()
        self._set_graph(inputs, outputs, [*old, *symbolic])
        return None

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """The layers and variables of a graph by name, then those assigned to attributes."""
        if self._layer_graph is not None:
            yield from zip(local_names(self._layer_graph.layers, self.name), self._layer_graph.layers, strict=True)
            yield from ((variable.name, variable) for variable in self._layer_graph.variables)
        yield from super()._tracked_children()

    # The symbolic inputs and outputs.

    @property
    def _runs_layers(self) -> bool:
        """True if the model itself calls its layers, as a functional or sequential model does."""
        return self._layer_graph is not None

    def _graph_symbols(self) -> tuple[Any, Any, list[SymbolicTensor]]:
        """Return the symbolic inputs, outputs and losses. A copy of a model records them when first asked."""
        if self._layer_graph is None:
            raise AttributeError(f"{self.name!r} is no graph of layers, so it has no symbolic inputs and outputs.")
        if self._graph_tensors is None:
            tensors = [source.output for source in self._layer_graph.sources]
            inputs = jax.tree.unflatten(jax.tree.structure(self._layer_graph.inputs), tensors)
            outputs, losses = self._layer_graph.run(tensors)
            object.__setattr__(self, "_graph_tensors", (inputs, outputs, losses))
        return self._graph_tensors  # type: ignore[return-value]

    def _record_calls(self) -> None:
        """Make sure that the layers have their symbolic calls, which a copy of a model lacks at first."""
        if self._layer_graph is not None:
            self._graph_symbols()

    @Derived
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic inputs of a functional model, as a flat list."""
        return jax.tree.leaves(self._graph_symbols()[0])

    @Derived
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic outputs of a functional model, as a flat list."""
        return jax.tree.leaves(self._graph_symbols()[1])

    @property
    def input(self) -> Any:
        """The symbolic inputs, in their structure. A subclass has them after a call on a symbolic tensor."""
        return self._graph_symbols()[0] if self._runs_layers else super().input

    @property
    def output(self) -> Any:
        """The symbolic outputs, in their structure. A subclass has them after a call on a symbolic tensor."""
        return self._graph_symbols()[1] if self._runs_layers else super().output

    @Derived
    def input_shape(self) -> Any:
        """The shapes of the symbolic inputs, in their structure; None is an unknown size."""
        return jax.tree.map(lambda tensor: tensor.shape, _unwrap_single(self.input))

    @Derived
    def output_shape(self) -> Any:
        """The shapes of the symbolic outputs, in their structure; None is an unknown size."""
        return jax.tree.map(lambda tensor: tensor.shape, _unwrap_single(self.output))

    @property
    def compiled(self) -> bool:
        """True after `compile`."""
        return self._compiled_objective is not None

    @Derived
    def input_names(self) -> list[str]:
        """The names of the inputs of a functional model, an empty list for other models; may be assigned."""
        return [source.name for source in self._layer_graph.sources] if self._layer_graph is not None else []

    @Derived
    def output_names(self) -> list[str] | None:
        """The names of the outputs in losses, metrics and logs.

        None for a model that is no graph, unless it assigned them: its outputs are known after a call only.
        """
        if self._layer_graph is None:
            return None
        layers = {id(layer): n for n, layer in zip(self._layer_names(), self._layer_graph.layers, strict=True)}
        makers = {s.number: call for call in self._layer_graph.calls for s in jax.tree.leaves(call.outputs)}
        names: list[str] = []
        for slot in jax.tree.leaves(self._layer_graph.outputs):
            call: Any = makers.get(slot.number)
            function = self._layer_graph.sources[slot.number] if call is None else call.function
            names.append(layers.get(id(function)) or str(getattr(function, "__name__", "output")))
        return names

    def _layer_names(self) -> list[str]:
        """Return the name of each layer in the trees of the model."""
        return local_names(self.layers, self.name)

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
            line_length: the width in characters; by default that of the terminal, or 100 with `print_fn`.
            positions: the right ends of the columns as fractions of the width, such as `[0.4, 0.8, 1.0]`.
            print_fn: called with each line instead of printing it.
            expand_nested: if True, show the layers of nested models too. False by default.
            show_trainable: if True, add a column that shows if the layer is trainable. False by default.
            layer_range: a pair of names, or of regular expressions, of the first and the last layer to show. All
                layers by default.

        Raises:
            ValueError: if `layer_range` names no layer.
        """
        summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    def get_config(self) -> dict[str, Any]:
        """Return a dict from which `from_config` makes the model again, without its weights.

        That of a functional model holds its layers and the calls between them.
        """
        if self._layer_graph is None or not graph_config.is_all_of(type(self)):
            return super().get_config()
        return {"name": self.name, "trainable": self.trainable, **graph_config.describe(self._layer_graph, self.name)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Return a model, with new weights, from the dict of `get_config()`, written by jaxlayers or by Keras.

        Args:
            config: the dict.
            custom_objects: a dict from names to your own classes and functions, unless they are registered.

        Raises:
            ValueError: if the config names an unknown class or operation, or is incomplete.
        """
        if "input_layers" not in config or "output_layers" not in config:
            return super().from_config(config)
        inputs, outputs = graph_config.revive(config, custom_objects)
        return cls(inputs, outputs, name=config.get("name"), trainable=config.get("trainable", True))

    def to_json(self, **kwargs: Any) -> str:
        """Return the architecture as JSON, which `models.model_from_json` and Keras read. Weights are not included.

        A Python lambda in the model can only be read with `saving.deserialize_keras_object(..., safe_mode=False)`.

        Args:
            **kwargs: passed to `json.dumps`.
        """
        return json.dumps(serialize_keras_object(self), **kwargs)

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, Any]:
        """Return the values of all variables of the model, its optimizer and its metrics, as nested dicts.

        For a training step as a pure function use `train_state`, which holds the same values.

        Args:
            value_format: `"backend_tensor"` (the default) for JAX arrays, `"numpy_array"` for NumPy arrays.

        Returns:
            A dict with the entries `trainable_variables` and `non_trainable_variables`, keyed by path, and
            `optimizer_variables` and `metrics_variables`, keyed by the name of the optimizer or metric.

        Raises:
            ValueError: if `value_format` is neither of the two.
        """
        return _states.read(self, value_format)

    def set_state_tree(self, state_tree: Mapping[str, Any]) -> None:
        """Assign the values of a tree like that of `get_state_tree`, or of a part of it.

        Args:
            state_tree: nested dicts of arrays. Names of optimizers may differ in their last numbers (`adam_1`).

        Raises:
            ValueError: if an entry matches no variable, or has another shape than its variable. Nothing is assigned
                then. Keras ignores entries that match no variable.
        """
        _states.write(self, state_tree)

    @property
    def layers(self) -> list[Layer]:
        """The layers of the graph of a functional model; otherwise those in attributes, in lists and dicts too."""
        if self._layer_graph is not None:
            return list(self._layer_graph.layers)
        unique: dict[int, Layer] = {}
        stack = [value for _, value in self._tracked_children()][::-1]
        while stack:
            value = stack.pop()
            if isinstance(value, Layer):
                unique.setdefault(id(value), value)
            elif isinstance(value, list | tuple | dict):
                stack += list(value.values() if isinstance(value, dict) else value)[::-1]
        return list(unique.values())

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return one of `layers`.

        Args:
            name: the name of the layer.
            index: the index of the layer in `layers`; a negative index counts from the end.

        Raises:
            ValueError: if there is no such layer, or if both or neither of `name` and `index` are given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer() takes either a name or an index; pass exactly one of them.")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"{self.name!r} has {len(layers)} layers; there is none with index {index}.")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"{self.name!r} has no layer {name!r}; it has {[layer.name for layer in layers]}.")


def _unwrap_single(outputs: Any) -> Any:
    """Return the only entry of a list or tuple with one entry; anything else as it is."""
    return outputs[0] if isinstance(outputs, list | tuple) and len(outputs) == 1 else outputs


registry.register("layer", {"Model": Model, "Functional": Model})
