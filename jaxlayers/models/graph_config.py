"""Convert graphs to plain data and back, in Keras's format for functional models.

Each layer is written as its config with `inbound_nodes`, the arguments of each of its calls. There a symbolic tensor is
written as a history: the name of the layer that made it, the number of the call, and the number of the output. An
operation is written as the Keras class of that name: its arrays are arguments of the call, its other arguments are its
config.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax

from jaxlayers import ops
from jaxlayers.common.settings import free_name
from jaxlayers.core import Layer, SymbolicTensor, Variable
from jaxlayers.layers import InputLayer
from jaxlayers.models._names import local_names
from jaxlayers.models.graph import Call, Graph, Slot
from jaxlayers.saving import deserialize_keras_object, serialize_keras_object

_NAMESPACES = ("nn", "image", "linalg", "numpy", "core")


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
            arrays, settings = _split_arguments(call)
            args = tuple(arrays)
            entries[key] = _entry(_describe_operation(call.function, {"name": name, **settings}), name)
            kwargs = {}
        entry = entries[key]
        for position, slot in enumerate(jax.tree.leaves(call.outputs)):
            histories[slot.number] = [entry["name"], len(entry["inbound_nodes"]), position]
        node = jax.tree.map(write, (list(args), kwargs), is_leaf=lambda leaf: isinstance(leaf, Slot | Variable | slice))
        entry["inbound_nodes"].append({"args": node[0], "kwargs": node[1]})
    return {
        "layers": list(entries.values()),
        "input_layers": jax.tree.map(lambda slot: histories[slot.number], graph.inputs),
        "output_layers": jax.tree.map(lambda slot: histories[slot.number], graph.outputs),
    }


def _entry(described: dict[str, Any], name: str) -> dict[str, Any]:
    if "name" in described["config"]:  # a get_config of the user's own may leave the name out
        described["config"]["name"] = name  # the layer made from this config then has the same path in the trees
    return {**described, "name": name, "inbound_nodes": []}


def _split_arguments(call: Call) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of an operation that are arrays, and a dict of the others by name."""
    function: Any = call.function
    bound = inspect.signature(function).bind(*call.args, **call.kwargs)
    bound.apply_defaults()
    arrays: list[Any] = []
    settings: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        parameter = bound.signature.parameters[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            arrays += value
        elif parameter.kind is parameter.VAR_KEYWORD:
            settings.update({key: serialize_keras_object(argument) for key, argument in value.items()})
        elif _has_slots(value) or name == "key" or (name in function.arrays and parameter.default is parameter.empty):
            arrays.append(value)
        else:
            settings[name] = serialize_keras_object(value)
    return arrays, settings


def _has_slots(value: Any) -> bool:
    return any(isinstance(leaf, Slot) for leaf in jax.tree.leaves(value))


def _describe_operation(function: Callable[..., Any], config: dict[str, Any]) -> dict[str, Any]:
    name = function.__name__
    namespace = next((space for space in _NAMESPACES if hasattr(getattr(ops, space, None), name)), "numpy")
    cls = "".join(part.title() for part in name.split("_"))
    return {"module": f"keras.src.ops.{namespace}", "class_name": cls, "config": config, "registered_name": cls}


def revive(config: dict[str, Any], custom_objects: Any = None) -> tuple[Any, Any]:
    """Return the symbolic inputs and outputs that a model's config describes.

    Args:
        config: a dict with `layers`, `input_layers` and `output_layers`.
        custom_objects: a dict from names to the user's own classes and functions.

    Raises:
        ValueError: if a class or operation is unknown, or a call depends on a result that no call makes.
    """
    functions: dict[str, Any] = {}  # layers, and functions for operations
    results: dict[tuple[str, int], list[Any]] = {}
    pending: list[tuple[str, int, dict[str, Any]]] = []
    for entry in config["layers"]:
        name = entry.get("name") or entry["config"]["name"]
        functions[name] = function = _revive_function(entry, custom_objects)
        if isinstance(function, Layer) and "name" not in entry["config"]:
            function.name = name
        if isinstance(function, InputLayer):
            results[name, 0] = [function.output]
        pending += [(name, number, node) for number, node in enumerate(entry.get("inbound_nodes", []))]
    while pending:  # make the calls whose arguments exist, until all are made
        waiting = []
        for name, number, node in pending:
            histories = _histories((node.get("args"), node.get("kwargs")))
            ready = all((maker, call) in results for maker, call, _ in histories) and (
                number == 0 or (name, number - 1) in results
            )
            if not ready:
                waiting.append((name, number, node))
                continue
            args, kwargs = _read_arguments((node.get("args", []), node.get("kwargs") or {}), results)
            results[name, number] = jax.tree.leaves(functions[name](*args, **kwargs))
        if len(waiting) == len(pending):
            raise ValueError(
                f"The calls of {sorted({name for name, _, _ in waiting})} depend on results that nothing makes: the "
                "config is incomplete, or its calls form a cycle."
            )
        pending = waiting
    return _read_tensors(config["input_layers"], results), _read_tensors(config["output_layers"], results)


def _read_tensors(tree: Any, results: dict[tuple[str, int], list[SymbolicTensor]]) -> Any:
    """Return the symbolic tensors whose histories a structure holds."""
    if _is_history(tree):
        return results[tree[0], tree[1]][tree[2]]
    if isinstance(tree, dict):
        return {key: _read_tensors(value, results) for key, value in tree.items()}
    tensors = [_read_tensors(item, results) for item in tree]
    return tuple(tensors) if isinstance(tree, tuple) else tensors


def _revive_function(entry: dict[str, Any], custom_objects: Any) -> Any:
    """Return a layer, or a function that calls an operation with the settings of its config."""
    if not str(entry.get("module")).startswith("keras.src.ops."):
        return deserialize_keras_object(
            {key: value for key, value in entry.items() if key not in ("inbound_nodes", "build_config", "name")},
            custom_objects,
        )
    namespace = getattr(ops, entry["module"].rpartition(".")[2], ops)
    class_name = entry["class_name"].lower()
    function: Any = _by_class_name(namespace).get(class_name) or _by_class_name(ops).get(class_name)
    if function is None:
        raise ValueError(f"Unknown operation {entry['class_name']!r} of {entry['module']!r}.")
    parameters = inspect.signature(function).parameters
    settings = {k: _read_setting(v, custom_objects) for k, v in entry["config"].items() if k in parameters}

    def call(*args: Any, **kwargs: Any) -> Any:
        arrays, named = list(args), {**settings, **kwargs}
        positional: list[Any] = []
        for name, parameter in parameters.items():  # the arrays fill the parameters that no setting has a value for
            if parameter.kind is parameter.VAR_POSITIONAL:
                positional += arrays
                break
            if parameter.kind is parameter.KEYWORD_ONLY or (name not in named and not arrays):
                break
            positional.append(named.pop(name) if name in named else arrays.pop(0))
        return function(*positional, **named)

    return call


@functools.cache
def _by_class_name(namespace: Any) -> dict[str, Callable[..., Any]]:
    """Return the operations of a module, keyed by the lower-case names of Keras's classes for them."""
    return {
        name.replace("_", ""): function for name, function in vars(namespace).items() if hasattr(function, "arrays")
    }


def _read_setting(value: Any, custom_objects: Any) -> Any:
    """Return the value of a setting. A list was a tuple before it was written: JSON has no tuples."""
    value = deserialize_keras_object(value, custom_objects)
    return tuple(value) if isinstance(value, list) else value


def _is_tensor(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def _is_history(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and len(value) == 3 and isinstance(value[0], str) and isinstance(value[1], int)
    )


def _histories(tree: Any) -> list[Any]:
    return [leaf["config"]["keras_history"] for leaf in jax.tree.leaves(tree, is_leaf=_is_tensor) if _is_tensor(leaf)]


def _read_arguments(tree: Any, results: dict[tuple[str, int], list[SymbolicTensor]]) -> Any:
    """Return the arguments of a call, with symbolic tensors and objects instead of their descriptions."""
    if _is_tensor(tree):
        name, call, position = tree["config"]["keras_history"]
        return results[name, call][position]
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
