"""Graphs as plain data and back, in the form in which Keras writes its functional models.

Each layer is its config with `inbound_nodes`: the arguments of each of its calls, in which a symbolic tensor is the
name of what made it, the number of the call and the number of the output. An operation is written as Keras's class
of that name: arrays are arguments of the call, everything else is its config.
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
    """`layers`, `input_layers` and `output_layers` of a config."""
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
    if "name" in described["config"]:  # of a class with a get_config of its own, perhaps not
        described["config"]["name"] = name  # so that what is made from this has the same trees
    return {**described, "name": name, "inbound_nodes": []}


def _split_arguments(call: Call) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of an operation that are arrays, and the others by name."""
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
            settings.update({key: serialize_keras_object(one) for key, one in value.items()})
        elif _has_slots(value) or name == "key" or (name in function.arrays and parameter.default is parameter.empty):
            arrays.append(value)
        else:
            settings[name] = serialize_keras_object(value)
    return arrays, settings


def _has_slots(value: Any) -> bool:
    return any(isinstance(leaf, Slot) for leaf in jax.tree.leaves(value))


def _describe_operation(function: Callable[..., Any], config: dict[str, Any]) -> dict[str, Any]:
    name = function.__name__
    home = next((one for one in _NAMESPACES if hasattr(getattr(ops, one, None), name)), "numpy")
    cls = "".join(part.title() for part in name.split("_"))
    return {"module": f"keras.src.ops.{home}", "class_name": cls, "config": config, "registered_name": cls}


def revive(config: dict[str, Any], custom_objects: Any = None) -> tuple[Any, Any]:
    """The symbolic inputs and outputs that `layers`, `input_layers` and `output_layers` describe.

    Raises:
        ValueError: for an unknown class or operation, or when the calls do not fit together.
    """
    made: dict[str, Any] = {}
    results: dict[tuple[str, int], list[Any]] = {}
    pending: list[tuple[str, int, dict[str, Any]]] = []
    for entry in config["layers"]:
        name = entry.get("name") or entry["config"]["name"]
        made[name] = _revive_one(entry, custom_objects)
        if isinstance(made[name], Layer) and "name" not in entry["config"]:
            made[name].name = name
        if isinstance(made[name], InputLayer):
            results[name, 0] = [made[name].output]
        pending += [(name, number, node) for number, node in enumerate(entry.get("inbound_nodes", []))]
    while pending:
        waiting = []
        for name, number, node in pending:
            needed = _histories((node.get("args"), node.get("kwargs")))
            ready = all((other, call) in results for other, call, _ in needed) and (
                number == 0 or (name, number - 1) in results
            )
            if not ready:
                waiting.append((name, number, node))
                continue
            args, kwargs = _read((node.get("args", []), node.get("kwargs") or {}), results)
            results[name, number] = jax.tree.leaves(made[name](*args, **kwargs))
        if len(waiting) == len(pending):
            raise ValueError(f"The calls of {sorted({name for name, _, _ in waiting})} depend on what nothing makes.")
        pending = waiting

    def tensors(tree: Any) -> Any:
        if _is_history(tree):
            return results[tree[0], tree[1]][tree[2]]
        if isinstance(tree, dict):
            return {key: tensors(value) for key, value in tree.items()}
        items = [tensors(item) for item in tree]
        return tuple(items) if isinstance(tree, tuple) else items

    return tensors(config["input_layers"]), tensors(config["output_layers"])


def _revive_one(entry: dict[str, Any], custom_objects: Any) -> Any:
    """A layer, or the function of an operation with its settings."""
    if not str(entry.get("module")).startswith("keras.src.ops."):
        return deserialize_keras_object(
            {key: value for key, value in entry.items() if key not in ("inbound_nodes", "build_config", "name")},
            custom_objects,
        )
    home = getattr(ops, entry["module"].rpartition(".")[2], ops)
    wanted = entry["class_name"].lower()
    function: Any = _by_class_name(home).get(wanted) or _by_class_name(ops).get(wanted)
    if function is None:
        raise ValueError(f"Unknown operation {entry['class_name']!r} of {entry['module']!r}.")
    parameters = inspect.signature(function).parameters
    settings = {k: _unlisted(v, custom_objects) for k, v in entry["config"].items() if k in parameters}

    def call(*args: Any, **kwargs: Any) -> Any:
        pending, named = list(args), {**settings, **kwargs}
        leading: list[Any] = []
        for name, parameter in parameters.items():  # arrays go where no setting does
            if parameter.kind is parameter.VAR_POSITIONAL:
                leading += pending
                break
            if parameter.kind is parameter.KEYWORD_ONLY or (name not in named and not pending):
                break
            leading.append(named.pop(name) if name in named else pending.pop(0))
        return function(*leading, **named)

    return call


@functools.cache
def _by_class_name(namespace: Any) -> dict[str, Callable[..., Any]]:
    """The operations of a module by the names that Keras's classes have for them, in lower case."""
    return {
        name.replace("_", ""): function for name, function in vars(namespace).items() if hasattr(function, "arrays")
    }


def _unlisted(value: Any, custom_objects: Any) -> Any:
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


def _read(tree: Any, results: dict[tuple[str, int], list[SymbolicTensor]]) -> Any:
    """Arguments with symbolic tensors and values in the place of their descriptions."""
    if _is_tensor(tree):
        name, call, position = tree["config"]["keras_history"]
        return results[name, call][position]
    if isinstance(tree, dict) and "class_name" in tree and "config" in tree:
        return deserialize_keras_object(tree)
    if isinstance(tree, dict):
        return {key: _read(value, results) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        items = [_read(item, results) for item in tree]
        return items if _histories(tree) else tuple(items)  # an index, a shape: JSON knows no tuples
    return tree
