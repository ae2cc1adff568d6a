"""Models like others: the same architecture, layer by layer, with weights of their own."""

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
    """A model of the same layers with new weights; compiled like the model, if that is.

    Args:
        model: a graph, a `Sequential` model, or any other whose config makes it again.
        input_tensors: symbolic tensors to build on; new inputs like the old ones by default.
        clone_function: makes each new layer from the old one; by default from its config. What it returns is used as
            it is, so a function that returns its argument shares the layer.
        call_function: called as `call_function(layer, *args, **kwargs)` in the place of each layer's call in a graph.
        **kwargs: none; whatever is given here is an error.
        recursive: whether `clone_function` is used for the layers of models inside, too.

    Raises:
        ValueError: when one of these arguments is given for a model that has no known layers to clone, or
            `input_tensors` has another structure than the model's inputs.

    Example:
        >>> import jaxlayers as jl
        >>> model = jl.Sequential([jl.Input((2,)), jl.layers.Dense(3)])
        >>> wider = jl.models.clone_model(model, clone_function=lambda layer: jl.layers.Dense(2 * layer.units))
        >>> wider.output_shape
        (None, 6)
    """
    if kwargs:
        raise ValueError(f"clone_model() was given arguments that it does not have: {', '.join(kwargs)}.")
    twin = _clone(model, input_tensors, clone_function, call_function, recursive)
    if model.compiled:
        given = dict(vars(model._compiled_with))
        for name in ("metrics", "weighted_metrics"):
            given[name] = jax.tree.map(lambda one: _again(one) if isinstance(one, Metric) else one, given[name])
        if isinstance(given["optimizer"], str | Optimizer):  # an optax transformation has no state of its own
            given["optimizer"] = _again(model.optimizer)
        twin.compile(**given)
    return twin


def _clone(model: Model, input_tensors: Any, clone_function: Any, call_function: Any, recursive: bool) -> Model:
    clone_one = clone_function or _from_config

    def clone(layer: Layer) -> Layer:
        if recursive and isinstance(layer, Model) and (layer._graph is not None or isinstance(layer, Sequential)):
            return clone_model(layer, None, clone_function, call_function, recursive=True)
        return clone_one(layer)

    if isinstance(model, Sequential):
        if call_function is not None:
            raise ValueError("call_function= is for graphs; a Sequential model calls its layers one after the other.")
        known = model._input
        if clone_function is None:  # other layers may take other inputs than these were built for
            model._record_calls()
            known = model._tensors[0] if model._tensors is not None else None
        start = jax.tree.leaves(_like(known) if input_tensors is None else input_tensors)
        name = None if model.auto_named else model.name
        return Sequential([*start, *map(clone, model.layers)], trainable=model.trainable, name=name)
    if model._graph is None:
        if clone_function is not None or input_tensors is not None or call_function is not None:
            raise ValueError(
                f"{model.name!r} is written as a class, so its layers are known to its own code only. Clone it without "
                "further arguments, by its config."
            )
        return _again(model)
    graph = model._graph
    copies: dict[int, Any] = {}

    def function_of(call: Call) -> Any:
        if not isinstance(call.function, Layer):
            return call.function
        key = id(call.function)
        if key not in copies:  # a shared layer stays shared
            copies[key] = clone(call.function)
        layer = copies[key]
        return layer if call_function is None else lambda *args, **kwargs: call_function(layer, *args, **kwargs)

    if input_tensors is None:
        tensors = [_like(source.output) for source in graph.sources]
    else:
        tensors = jax.tree.leaves(input_tensors)
        several = not isinstance(input_tensors, SymbolicTensor)
        if len(tensors) != len(graph.sources) or (several and _kinds(input_tensors) != _kinds(graph.inputs)):
            raise ValueError(
                f"input_tensors must have the structure of the inputs of {model.name!r}, {graph.inputs}; received "
                f"{input_tensors}."
            )
    inputs = jax.tree.unflatten(jax.tree.structure(graph.inputs), tensors)
    outputs, losses = graph.run(tensors, function_of)
    twin = Model(inputs, outputs, name=None if model.auto_named else model.name, trainable=model.trainable)
    if losses:
        twin.add_loss(losses)
    return twin


def _kinds(tree: Any) -> Any:
    """A structure, lists taken for tuples."""
    if isinstance(tree, dict):
        return {key: _kinds(value) for key, value in tree.items()}
    return [_kinds(value) for value in tree] if isinstance(tree, list | tuple) else None


def _again(thing: Any) -> Any:
    return type(thing).from_config(thing.get_config())


def _from_config(layer: Layer) -> Layer:
    twin = copy_from_config(layer)
    twin.auto_named = layer.auto_named
    return twin


def _like(tensor: Any) -> Any:
    if tensor is None:
        return None
    source: InputLayer = tensor.node.function
    return Input(
        batch_shape=tensor.shape,
        dtype=tensor.dtype,
        name=None if source.auto_named else source.name,
        optional=source.optional,
    )
