"""Clone a model: the same architecture, layer by layer, with new weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from jaxlayers.core import Layer, SymbolicTensor
from jaxlayers.layers import Input, InputLayer
from jaxlayers.layers.copying import copy_from_config
from jaxlayers.metrics import Metric
from jaxlayers.models.graph import Call
from jaxlayers.models.model import Model
from jaxlayers.models.sequential import Sequential
from jaxlayers.optimizers import Optimizer


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Model:
    """Return a model of the same architecture with new weights.

    If the model is compiled, the clone is compiled with the same arguments, and with copies of the optimizer and the
    metrics.

    Args:
        model: a functional model, a `Sequential` model, or a model that `get_config` and `from_config` can copy.
        input_tensors: the symbolic inputs of the clone. By default new inputs like those of the model.
        clone_function: a function from a layer to the layer that replaces it in the clone. If it returns its
            argument, both models share that layer. By default a layer is made from the config of the old one.
        call_function: called as `call_function(layer, *args, **kwargs)` instead of each layer of a functional model.
        recursive: if True, apply `clone_function` to the layers of nested models too. False by default.
        **kwargs: not accepted; any name is an error.

    Raises:
        ValueError: if `input_tensors`, `clone_function` or `call_function` is given for a model that is written as a
            class; if `call_function` is given for a `Sequential` model; if `input_tensors` has another structure than
            the inputs of the model; or if an argument is unknown.

    Example:
        >>> import jaxlayers as jl
        >>> model = jl.Sequential([jl.Input((2,)), jl.layers.Dense(3)])
        >>> wider = jl.models.clone_model(model, clone_function=lambda layer: jl.layers.Dense(2 * layer.units))
        >>> wider.output_shape
        (None, 6)
    """
    if kwargs:
        raise ValueError(f"clone_model() received unknown arguments: {', '.join(kwargs)}.")

    def clone_layer(layer: Layer) -> Layer:
        if recursive and isinstance(layer, Model) and (layer._layer_graph is not None or isinstance(layer, Sequential)):
            return clone_model(layer, None, clone_function, call_function, recursive=True)
        return _copy_layer(layer) if clone_function is None else clone_function(layer)

    clone: Model
    if isinstance(model, Sequential):
        clone = _clone_sequential(model, input_tensors, clone_layer, call_function, clone_function is not None)
    elif model._layer_graph is not None:
        clone = _clone_functional(model, input_tensors, clone_layer, call_function)
    elif clone_function is not None or input_tensors is not None or call_function is not None:
        raise ValueError(
            f"{model.name!r} is written as a class, so only its own code knows its layers. Clone it without further "
            "arguments, by its config."
        )
    else:
        clone = _copy_by_config(model)
    if model.compiled:
        _compile_alike(clone, model)
    return clone


def _clone_sequential(
    model: Sequential,
    input_tensors: Any,
    clone_layer: Callable[[Layer], Layer],
    call_function: Callable[..., Any] | None,
    has_clone_function: bool,
) -> Sequential:
    if call_function is not None:
        raise ValueError(
            "call_function= is for functional models; a Sequential model calls its layers one after the other."
        )
    if has_clone_function:  # its layers may take other inputs than those that the model was built for
        tensor = model._declared_input
    else:
        model._record_calls()
        tensor = model._graph_tensors[0] if model._graph_tensors is not None else None
    start = jax.tree.leaves(_input_like(tensor) if input_tensors is None else input_tensors)
    name = None if model.auto_named else model.name
    return Sequential([*start, *map(clone_layer, model.layers)], trainable=model.trainable, name=name)


def _clone_functional(
    model: Model,
    input_tensors: Any,
    clone_layer: Callable[[Layer], Layer],
    call_function: Callable[..., Any] | None,
) -> Model:
    graph: Any = model._layer_graph
    copies: dict[int, Any] = {}

    def function_of(call: Call) -> Any:
        if not isinstance(call.function, Layer):
            return call.function
        key = id(call.function)
        if key not in copies:  # a layer that is called twice is cloned once
            copies[key] = clone_layer(call.function)
        layer = copies[key]
        return layer if call_function is None else lambda *args, **kwargs: call_function(layer, *args, **kwargs)

    if input_tensors is None:
        tensors = [_input_like(source.output) for source in graph.sources]
    else:
        tensors = jax.tree.leaves(input_tensors)
        is_structure = not isinstance(input_tensors, SymbolicTensor)
        if len(tensors) != len(graph.sources) or (is_structure and _nesting(input_tensors) != _nesting(graph.inputs)):
            raise ValueError(
                f"input_tensors must have the structure of the inputs of {model.name!r}, {graph.inputs}; received "
                f"{input_tensors}."
            )
    inputs = jax.tree.unflatten(jax.tree.structure(graph.inputs), tensors)
    outputs, losses = graph.run(tensors, function_of)
    clone = Model(inputs, outputs, name=None if model.auto_named else model.name, trainable=model.trainable)
    if losses:
        clone.add_loss(losses)
    return clone


def _compile_alike(clone: Model, model: Model) -> None:
    """Compile the clone as the model is compiled, with metrics and an optimizer of its own."""
    arguments = dict(vars(model._compiled_with))
    for name in ("metrics", "weighted_metrics"):
        arguments[name] = jax.tree.map(
            lambda metric: _copy_by_config(metric) if isinstance(metric, Metric) else metric, arguments[name]
        )
    if isinstance(arguments["optimizer"], str | Optimizer):  # an optax transformation holds no state
        arguments["optimizer"] = _copy_by_config(model.optimizer)
    clone.compile(**arguments)


def _nesting(tree: Any) -> Any:
    """Return the structure of a tree with None for each leaf and a list for each list or tuple."""
    if isinstance(tree, dict):
        return {key: _nesting(value) for key, value in tree.items()}
    return [_nesting(value) for value in tree] if isinstance(tree, list | tuple) else None


def _copy_by_config(thing: Any) -> Any:
    return type(thing).from_config(thing.get_config())


def _copy_layer(layer: Layer) -> Layer:
    copy = copy_from_config(layer)
    copy.auto_named = layer.auto_named
    return copy


def _input_like(tensor: Any) -> Any:
    """Return a new symbolic input of the shape, dtype and chosen name of another; None for None."""
    if tensor is None:
        return None
    source: InputLayer = tensor.node.function
    return Input(
        batch_shape=tensor.shape,
        dtype=tensor.dtype,
        name=None if source.auto_named else source.name,
        optional=source.optional,
    )
