"""Conversion of any object to plain data and back, in Keras's format.

Plain values stay as they are. An object with `get_config()` becomes a dict with `module`, `class_name`, `config` and
`registered_name`, and with `build_config` if it is built. A value that JSON lacks becomes a dict whose `class_name`
begins and ends with two underscores. A `from_config` receives plain data: nested configs are not objects yet.
"""

from __future__ import annotations

import collections
import contextlib
import types
import warnings
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common import registry
from jaxlayers.common.settings import standardize_dtype
from jaxlayers.core import SymbolicTensor
from jaxlayers.saving import _functions, limits

# By id, the objects written so far or created so far; None outside of a `sharing` block.
_shared: ContextVar[dict[int, Any] | None] = ContextVar("jaxlayers_shared_objects", default=None)


def serialize_keras_object(obj: Any) -> Any:
    """Return plain data from which `deserialize_keras_object`, also Keras's, creates the object again; without weights.

    Args:
        obj: a layer, model, optimizer, loss, initializer, ... or any other object with a `get_config()`; a function
            with a name; None, a number, a string, bytes, a slice, `...`, a dtype, an array or a symbolic tensor; or a
            list, tuple or dict of these.

    Raises:
        TypeError: for any other value.

    Example:
        >>> import jaxlayers as jl
        >>> jl.saving.serialize_keras_object(jl.regularizers.L2(0.5))
        {'module': 'keras.regularizers', 'class_name': 'L2', 'config': {'l2': 0.5}, 'registered_name': None}
    """
    if obj is None or (isinstance(obj, str | bool | int | float) and not isinstance(obj, np.generic)):
        return obj
    if isinstance(obj, list | tuple):
        items = [serialize_keras_object(item) for item in obj]
        return tuple(items) if isinstance(obj, tuple) else items
    if isinstance(obj, dict):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    class_name, config = _describe_value(obj)
    if class_name == "":
        return config
    return _describe_object(obj) if class_name is None else {"class_name": class_name, "config": config}


def _describe_value(obj: Any) -> tuple[str | None, Any]:
    """Return the `class_name` and config of a value that JSON lacks.

    The `class_name` is "" if the config alone is written, and None if the value is an object with a `get_config()`.
    """
    if isinstance(obj, bytes):
        return "__bytes__", {"value": obj.decode("utf-8")}
    if isinstance(obj, slice):
        return "__slice__", {part: serialize_keras_object(getattr(obj, part)) for part in ("start", "stop", "step")}
    if obj is Ellipsis:
        return "__ellipsis__", {}
    if isinstance(obj, SymbolicTensor):
        source = obj.node.function if obj.node else obj
        position = [id(output) for output in jax.tree.leaves(obj.node.outputs)].index(id(obj)) if obj.node else 0
        nodes = [ref() for ref in getattr(source, "_symbolic_nodes", ())]
        call = nodes.index(obj.node) if obj.node in nodes else 0
        history = [getattr(source, "name", None) or getattr(source, "__name__", "operation"), call, position]
        return "__keras_tensor__", {"shape": obj.shape, "dtype": obj.dtype, "keras_history": history}
    if isinstance(obj, jax.Array):
        return "__tensor__", {"value": np.asarray(obj).tolist(), "dtype": standardize_dtype(obj.dtype)}
    if isinstance(obj, np.ndarray) and obj.ndim:
        return "__numpy__", {"value": obj.tolist(), "dtype": obj.dtype.name}
    if isinstance(obj, np.ndarray | np.generic):
        return "", obj.item()
    if isinstance(obj, np.dtype) or _is_dtype(obj):
        return "", standardize_dtype(obj)
    if isinstance(obj, types.FunctionType) and obj.__name__ == "<lambda>":
        warnings.warn(
            f"The lambda in {obj.__code__.co_filename}, line {obj.__code__.co_firstlineno}, is written as compiled "
            "code, which can only be read with safe_mode=False and by the same version of Python. Define the function "
            "with `def` to write its name instead.",
            stacklevel=3,
        )
        return "__lambda__", {"value": _functions.dump(obj)}
    return None, None


def serialize_function(value: Any) -> Any:
    """Return the result of `serialize_keras_object`, with lambdas in the format of Keras's `Lambda` layer."""
    if isinstance(value, types.FunctionType) and value.__name__ == "<lambda>":
        return {"class_name": "__lambda__", "config": dict(zip(_PARTS, _functions.dump(value), strict=True))}
    return serialize_keras_object(value)


def _describe_object(obj: Any) -> dict[str, Any]:
    config = registry.describe(obj)
    if config["class_name"] == "function":
        return config
    if not isinstance(config["config"], dict):
        raise TypeError(f"{type(obj).__name__}.get_config() must return a dict; it returned {config['config']!r}.")
    config["config"] = serialize_keras_object(config["config"])
    for key in ("build_config", "compile_config"):
        part = getattr(obj, f"get_{key}", lambda: None)()
        if part is not None:
            config[key] = serialize_keras_object(part)
    objects = _shared.get()
    if objects is not None:
        objects[id(obj)] = obj  # kept, so that no other object gets its identity
        config["shared_object_id"] = id(obj)
    return config


def serialize_shared(obj: Any) -> Any:
    """Return the result of `serialize_keras_object`, in which shared objects are marked.

    An object that appears several times has the same `shared_object_id`, a number, in each place. In a `sharing` block
    the entries with one number become one object again.
    """
    with sharing():
        config = serialize_keras_object(obj)
    entries = list(_entries_with_ids(config))
    counts = collections.Counter(entry["shared_object_id"] for entry in entries)
    shared = [identity for identity, count in counts.items() if count > 1]
    numbers = {identity: number for number, identity in enumerate(shared, 1)}
    for entry in entries:
        identity = entry.pop("shared_object_id")
        if identity in numbers:
            entry["shared_object_id"] = numbers[identity]
    return config


def _entries_with_ids(config: Any) -> Iterator[dict[str, Any]]:
    if isinstance(config, dict):
        if "shared_object_id" in config:
            yield config
        for value in config.values():
            yield from _entries_with_ids(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _entries_with_ids(value)


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """Return a new object from plain data that jaxlayers or Keras wrote; without weights.

    The data cannot cause an import or run code. Classes and functions are looked up by name: in `custom_objects` and in
    the surrounding `CustomObjectScope`s, then among the registered objects, then among jaxlayers' own.

    Args:
        config: the result of `serialize_keras_object`, also after it was written to and read from JSON.
        custom_objects: a dict of classes and functions by name.
        safe_mode: If False, this call may rebuild lambdas from compiled code, which can do anything when it runs. True
            by default.

    Raises:
        ValueError: for an unknown name, and for a lambda in safe mode.
        TypeError: when the data is not a config.

    Example:
        >>> import jaxlayers as jl
        >>> config = jl.saving.serialize_keras_object(jl.layers.Dense(3))
        >>> jl.saving.deserialize_keras_object(config).units
        3
    """
    with contextlib.ExitStack() as stack:
        if custom_objects:
            stack.enter_context(
                _set(registry.scoped, {**registry.scoped.get(), **registry.checked_objects(custom_objects)})
            )
        if _functions.safe.get() is None:  # in a nested call, the safe_mode of the outermost call applies
            stack.enter_context(_set(_functions.safe, bool(safe_mode)))
        if registry.allowance.get() is None:
            objects = limits.check_config(config)
            stack.enter_context(_set(registry.allowance, [limits.MAX_COPIES * (objects + 50)]))
        return _deserialize(config)


def of_file(safe_mode: bool) -> contextlib.AbstractContextManager[None]:
    """A `with` block in which `deserialize_keras_object` reads a file: with its own `safe_mode`, whatever is around."""
    return _set(_functions.safe, bool(safe_mode))


def _deserialize(config: Any) -> Any:
    if isinstance(config, str):
        user_object = registry.custom(config)
        return config if user_object is None else user_object
    if config is None or isinstance(config, bool | int | float):
        return config
    if isinstance(config, list | tuple):
        return [_deserialize(item) for item in config]
    if not isinstance(config, dict):
        raise TypeError(f"Expected the config of an object; received {config!r} of type {type(config).__name__}.")
    if "class_name" not in config or "config" not in config:
        return {key: _deserialize(value) for key, value in config.items()}
    if config["class_name"] in _VALUE_READERS:
        return _VALUE_READERS[config["class_name"]](config["config"])
    shared, shared_id = _shared.get(), config.get("shared_object_id")
    if shared is not None and shared_id in shared:
        return shared[shared_id]
    obj = registry.lookup(None, config)
    if config.get("compile_config") and hasattr(obj, "compile_from_config"):
        obj.compile_from_config(config["compile_config"])
    if shared is not None and shared_id is not None:
        shared[shared_id] = obj
    return obj


def sharing() -> contextlib.AbstractContextManager[None]:
    """A `with` block in which entries of a config with the same `shared_object_id` become one object."""
    return _set(_shared, {})


@contextlib.contextmanager
def _set(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def _is_dtype(obj: Any) -> bool:
    return isinstance(obj, type) and (issubclass(obj, np.generic) or isinstance(getattr(obj, "dtype", 0), np.dtype))


def _dtype_of_numbers(name: Any) -> np.dtype:
    dtype = jnp.dtype(standardize_dtype(name)) if isinstance(name, str) and name.isidentifier() else np.dtype("O")
    if dtype.kind not in "biufcV":
        raise ValueError(f"An array in a config has numbers; received the dtype {name!r:.100}.")
    return dtype


_PARTS = ("code", "defaults", "closure")
_VALUE_READERS: dict[str, Any] = {
    "__bytes__": lambda config: config["value"].encode("utf-8"),
    "__ellipsis__": lambda config: ...,
    "__keras_tensor__": lambda config: SymbolicTensor(config["shape"], config["dtype"]),
    "__lambda__": lambda config: _functions.load(config, "This config"),
    "__numpy__": lambda config: np.array(config["value"], _dtype_of_numbers(config["dtype"])),
    "__slice__": lambda config: slice(*(_deserialize(config[part]) for part in ("start", "stop", "step"))),
    "__tensor__": lambda config: jnp.asarray(config["value"], _dtype_of_numbers(config["dtype"])),
}
