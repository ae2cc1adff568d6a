"""Convert graphs to plain data and back, in Keras's format for functional models.

Each layer is written as its config with `inbound_nodes`, the arguments of each of its calls. There a symbolic tensor is
written as a history: the name of the layer that made it, the number of the call, and the number of the output.
Operations are written as Keras's classes for them, see `_operations`.
"""

from __future__ import annotations

import collections
import inspect
from typing import Any

import jax

from jaxlayers.common.constructors import defined_in_library
from jaxlayers.common.settings import free_name
from jaxlayers.core import Layer, SymbolicTensor, Variable
from jaxlayers.layers import InputLayer
from jaxlayers.models._names import local_names
from jaxlayers.models._operations import describe_call, revive_operation
from jaxlayers.models.graph import Graph, Slot, fill
from jaxlayers.saving import custom_object_scope, deserialize_keras_object, serialize_keras_object
from jaxlayers.saving.legacy_configs import convert_graph

# Keras writes the default of `training` into each call, and replaces it by the `training` of the model. A call in which
# the user has set `training` to the default has this key, which Keras ignores.
_KEEPS_TRAINING = "keeps_training"


def describe(graph: Graph, model: str) -> dict[str, Any]:
    """Return `layers`, `input_layers` and `output_layers` of a model's config.

    Args:
        graph: the graph of the model.
        model: the name of the model, for error messages.
    """
    names = dict(zip(map(id, graph.layers), local_names(graph.layers, model), strict=True))
    taken = set(names.values())
    entries: dict[int, dict[str, Any]] = {}
    histories: dict[int, list[Any]] = {}
    for slot, source in zip(jax.tree.leaves(graph.inputs), graph.sources, strict=True):
        entries[id(source)] = _entry(serialize_keras_object(source), names[id(source)])
        histories[slot.number] = [names[id(source)], 0, 0]

    def write(leaf: Any) -> Any:
        if not isinstance(leaf, Slot):
            return serialize_keras_object(leaf)
        history = {"shape": leaf.shape, "dtype": leaf.dtype, "keras_history": histories[leaf.number]}
        return {"class_name": "__keras_tensor__", "config": history}

    for call in graph.calls:
        args, kwargs = call.args, call.kwargs
        if isinstance(call.function, Layer):
            key = id(call.function)
            if key not in entries:
                entries[key] = _entry(serialize_keras_object(call.function), names[key])
        else:
            key = id(call)
            name = free_name(call.function.__name__, taken)
            taken.add(name)
            described, args, kwargs = describe_call(call.function, args, kwargs)
            if isinstance(described["config"], dict):
                described["config"] = {"name": name, **described["config"]}
            entries[key] = _entry(described, name)
        entry = entries[key]
        for position, slot in enumerate(jax.tree.leaves(call.outputs)):
            histories[slot.number] = [entry["name"], len(entry["inbound_nodes"]), position]
        node = jax.tree.map(write, (list(args), kwargs), is_leaf=lambda leaf: isinstance(leaf, Slot | Variable | slice))
        entry["inbound_nodes"].append({"args": node[0], "kwargs": node[1]})
        if _has_default_training(call.function, kwargs):
            entry["inbound_nodes"][-1][_KEEPS_TRAINING] = True
    models = {names[id(layer)] for layer in graph.layers if _is_functional(layer)}
    ends = {slot: [name, call + (name in models), position] for slot, (name, call, position) in histories.items()}
    return {
        "layers": list(entries.values()),
        "input_layers": fill(graph.inputs, ends),
        "output_layers": fill(graph.outputs, ends),
    }


def _entry(described: dict[str, Any], name: str) -> dict[str, Any]:
    config = described["config"]
    if isinstance(config, dict) and "name" in config:  # a get_config of the user's own may leave the name out
        config["name"] = name  # the layer made from this config then has the same path in the trees
    return {**described, "name": name, "inbound_nodes": []}


def _has_default_training(function: Any, kwargs: dict[str, Any]) -> bool:
    """True if a call of a layer has `training` by name, with the value that is the default of the layer's `call`."""
    training = kwargs.get("training")
    return isinstance(function, Layer) and training is not None and training is function._call_spec.training_default


def _is_functional(function: Any) -> bool:
    """True for a model that is a graph.

    In `input_layers` and `output_layers`, and not in `inbound_nodes`, Keras counts the calls of such a model from 1.
    """
    return getattr(function, "_layer_graph", None) is not None


def revive(config: dict[str, Any], custom_objects: Any = None) -> tuple[Any, Any]:
    """Return the symbolic inputs and outputs that a model's config describes.

    Args:
        config: a dict with `layers`, `input_layers` and `output_layers`.
        custom_objects: a dict from names to the user's own classes and functions.

    Raises:
        ValueError: if a class or operation is unknown, or a call depends on a result that no call makes.
    """
    with custom_object_scope(custom_objects):
        return _revive(convert_graph(config))


def _revive(config: dict[str, Any]) -> tuple[Any, Any]:
    functions: dict[str, Any] = {}  # layers, and functions for operations
    results: dict[tuple[str, int], list[Any]] = {}
    pending: list[tuple[str, int, dict[str, Any]]] = []
    for entry in config["layers"]:
        name = entry.get("name") or entry["config"]["name"]
        functions[name] = function = _revive_function(entry)
        if isinstance(function, Layer) and "name" not in entry["config"]:
            function.name = name
        if isinstance(function, InputLayer):
            results[name, 0] = [function.output]
        pending += [(name, number, node) for number, node in enumerate(entry.get("inbound_nodes", []))]
    _make_calls(pending, functions, results)

    def read_ends(tree: Any) -> Any:
        """Return the symbolic tensors whose histories a structure holds."""
        if _is_history(tree):
            name, number, position = tree
            return _find_tensor(name, number - _is_functional(functions.get(name)), position, results)
        if isinstance(tree, dict):
            return {key: read_ends(value) for key, value in tree.items()}
        tensors = [read_ends(item) for item in tree]
        return tuple(tensors) if isinstance(tree, tuple) else tensors

    return read_ends(config["input_layers"]), read_ends(config["output_layers"])


def _make_calls(
    pending: list[tuple[str, int, dict[str, Any]]], functions: dict[str, Any], results: dict[tuple[str, int], list[Any]]
) -> None:
    """Make each call as soon as its arguments exist, and add its results to `results`."""
    waiting: dict[tuple[str, int], list[Any]] = {}  # calls by the first result that they still need
    queue = collections.deque(pending)
    while queue:
        name, number, node = queue.popleft()
        histories = _histories((node.get("args"), node.get("kwargs")))
        needed = [(maker, call) for maker, call, _ in histories] + [(name, number - 1)] * (number > 0)
        missing = next((result for result in needed if result not in results), None)
        if missing is not None:
            waiting.setdefault(missing, []).append((name, number, node))
            continue
        if not histories:  # a recorded call has one; without any, an operation would run now, whatever its arguments
            raise ValueError(f"The call {number} of {name!r} has no symbolic tensor among its arguments.")
        args, kwargs = _read_arguments((node.get("args", []), node.get("kwargs") or {}), results)
        if _has_default_training(functions[name], kwargs) and not node.get(_KEEPS_TRAINING):
            del kwargs["training"]
        results[name, number] = jax.tree.leaves(functions[name](*args, **kwargs))
        queue.extendleft(reversed(waiting.pop((name, number), [])))
    if waiting:
        raise ValueError(
            f"The calls of {sorted({name for calls in waiting.values() for name, _, _ in calls})} depend on results "
            "that nothing makes: the config is incomplete, or its calls form a cycle."
        )


def _revive_function(entry: dict[str, Any]) -> Any:
    """Return a layer, or a function that calls an operation."""
    if str(entry.get("module")).startswith(("keras.src.ops.", "keras.src.activations.")):
        return revive_operation(entry)
    layer = deserialize_keras_object(
        {key: value for key, value in entry.items() if key not in ("inbound_nodes", "build_config", "name")}
    )
    # The first call builds a layer, unless its author has written how.
    is_unbuilt = isinstance(layer, Layer) and not layer.built
    if is_unbuilt and entry.get("build_config") and not defined_in_library(type(layer), "build_from_config"):
        layer.build_from_config(entry["build_config"])
    return layer


def _is_tensor(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def _is_history(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and len(value) == 3 and isinstance(value[0], str) and isinstance(value[1], int)
    )


def _histories(tree: Any) -> list[Any]:
    return [leaf["config"]["keras_history"] for leaf in jax.tree.leaves(tree, is_leaf=_is_tensor) if _is_tensor(leaf)]


def _find_tensor(name: str, number: int, position: int, results: dict[tuple[str, int], list[SymbolicTensor]]) -> Any:
    """Return one output of a call of the layer or operation with a name."""
    outputs = results.get((name, number), [])
    if position not in range(len(outputs)):
        raise ValueError(
            f"The config refers to output {position} of call {number} of {name!r}, which nothing makes: this call has "
            f"{len(outputs)} outputs."
        )
    return outputs[position]


def _read_arguments(tree: Any, results: dict[tuple[str, int], list[SymbolicTensor]]) -> Any:
    """Return the arguments of a call, with symbolic tensors and objects instead of their descriptions."""
    if _is_tensor(tree):
        name, number, position = tree["config"]["keras_history"]
        return _find_tensor(name, number, position, results)
    if isinstance(tree, dict) and "class_name" in tree and "config" in tree:
        return deserialize_keras_object(tree)
    if isinstance(tree, dict):
        return {key: _read_arguments(value, results) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        items = [_read_arguments(item, results) for item in tree]
        return items if _histories(tree) else tuple(items)  # an index or a shape: JSON has no tuples
    return tree


def is_all_of(cls: type) -> bool:
    """True if the graph is all that a model consists of: its constructor takes the arguments of `Model` alone."""
    parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
    return [p.name for p in parameters if p.kind is not p.VAR_KEYWORD] == ["self", "inputs", "outputs", "name"]
