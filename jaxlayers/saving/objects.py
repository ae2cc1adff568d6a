"""Conversion of objects to plain data and back, in Keras's format.

Plain values stay as they are. An object with `get_config()` becomes a dict with `module`, `class_name`, `config` and
`registered_name`, and `build_config` if it is built. A value that JSON lacks becomes a dict with a `class_name` between
underscores. `from_config` receives plain data, which each class converts itself.
"""

from __future__ import annotations

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
from jaxlayers.saving import _functions

_shared: ContextVar[dict[int, Any] | None] = ContextVar("jaxlayers_shared_objects", default=None)


def serialize_keras_object(obj: Any) -> Any:
    """Return plain data from which `deserialize_keras_object`, ours or Keras's, restores an object; without weights.

    Args:
        obj: a layer, model, optimizer, loss, initializer, ... or any other object with a `get_config()`; a function
            with a name; None, numbers, strings, bytes, slices, `...`, dtypes, arrays, symbolic tensors; lists,
            tuples and dicts of all these.

    Raises:
        TypeError: if it is something else.

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
    name, config = _special(obj)
    if name == "":
        return config
    return _describe(obj) if name is None else {"class_name": name, "config": config}


def _special(obj: Any) -> tuple[str | None, Any]:
    """Return the class name and config of a value without `get_config`; "" as the name if the config is the value."""
    if isinstance(obj, bytes):
        return "__bytes__", {"value": obj.decode("utf-8")}
    if isinstance(obj, slice):
        return "__slice__", {part: serialize_keras_object(getattr(obj, part)) for part in ("start", "stop", "step")}
    if obj is Ellipsis:
        return "__ellipsis__", {}
    if isinstance(obj, SymbolicTensor):
        maker = obj.node.function if obj.node else obj
        position = [id(output) for output in jax.tree.leaves(obj.node.outputs)].index(id(obj)) if obj.node else 0
        call = list(getattr(maker, "_nodes", ())).index(obj.node) if obj.node in getattr(maker, "_nodes", ()) else 0
        history = [getattr(maker, "name", None) or getattr(maker, "__name__", "operation"), call, position]
        return "__keras_tensor__", {"shape": obj.shape, "dtype": obj.dtype, "keras_history": history}
    if isinstance(obj, jax.Array):
        return "__tensor__", {"value": np.asarray(obj).tolist(), "dtype": standardize_dtype(obj.dtype)}
    if isinstance(obj, np.ndarray) and obj.ndim:
        return "__numpy__", {"value": obj.tolist(), "dtype": standardize_dtype(obj.dtype)}
    if isinstance(obj, np.ndarray | np.generic):
        return "", obj.item()
    if isinstance(obj, np.dtype) or _is_dtype(obj):
        return "", standardize_dtype(obj)
    if isinstance(obj, types.FunctionType) and obj.__name__ == "<lambda>":
        warnings.warn(
            f"A lambda is written as compiled code ({obj.__code__.co_filename}, line {obj.__code__.co_firstlineno}): "
            "reading it takes safe_mode=False, and the same version of Python. A function made by `def` has a name.",
            stacklevel=3,
        )
        return "__lambda__", {"value": _functions.dump(obj)}
    return None, None


def serialize_function(value: Any) -> Any:
    """Return what `serialize_keras_object` returns, with lambdas in the form of Keras's `Lambda` layer."""
    if isinstance(value, types.FunctionType) and value.__name__ == "<lambda>":
        return {"class_name": "__lambda__", "config": dict(zip(_PARTS, _functions.dump(value), strict=True))}
    return serialize_keras_object(value)


def _describe(obj: Any) -> dict[str, Any]:
    described = registry.describe(obj)
    if described["class_name"] == "function":
        return described
    if not isinstance(described["config"], dict):
        raise TypeError(f"{type(obj).__name__}.get_config() must return a dict; it returned {described['config']!r}.")
    described["config"] = serialize_keras_object(described["config"])
    for part in ("build_config", "compile_config"):
        part_config = getattr(obj, f"get_{part}", lambda: None)()
        if part_config is not None:
            described[part] = serialize_keras_object(part_config)
    seen = _shared.get()
    if seen is not None and seen.setdefault(id(obj), described) is not described:
        described["shared_object_id"] = seen[id(obj)]["shared_object_id"] = id(obj)
    return described


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """Return the object that plain data, ours or Keras's, describes; without weights.

    Nothing in the data is imported or run: classes and functions are looked up by name, in
    `custom_objects` and scopes, among those registered, then among the library's own.

    Args:
        config: what `serialize_keras_object` returned, also after a way through JSON.
        custom_objects: classes and functions by name.
        safe_mode: If False, this call rebuilds the code of lambdas, which can then do anything. True by default.

    Raises:
        ValueError: if a name is unknown, or there is a lambda in safe mode.
        TypeError: if this is not a config.

    Example:
        >>> import jaxlayers as jl
        >>> config = jl.saving.serialize_keras_object(jl.layers.Dense(3))
        >>> jl.saving.deserialize_keras_object(config).units
        3
    """
    with contextlib.ExitStack() as stack:
        if custom_objects:
            stack.enter_context(_set(registry.scoped, {**registry.scoped.get(), **custom_objects}))
        if _functions.safe.get() is None:  # otherwise an enclosing call has set it
            stack.enter_context(_set(_functions.safe, bool(safe_mode)))
        return _deserialize(config)


def _deserialize(config: Any) -> Any:
    if isinstance(config, str):
        custom = registry.custom(config)
        return config if custom is None else custom
    if config is None or isinstance(config, bool | int | float):
        return config
    if isinstance(config, list | tuple):
        return [_deserialize(item) for item in config]
    if not isinstance(config, dict):
        raise TypeError(f"Expected the config of an object; received {config!r} of type {type(config).__name__}.")
    if "class_name" not in config or "config" not in config:
        return {key: _deserialize(value) for key, value in config.items()}
    if config["class_name"] in _READ:
        return _READ[config["class_name"]](config["config"])
    shared, number = _shared.get(), config.get("shared_object_id")
    if shared is not None and number in shared:
        return shared[number]
    obj = registry.lookup(None, config)
    if config.get("compile_config") and hasattr(obj, "compile_from_config"):
        obj.compile_from_config(config["compile_config"])
    if shared is not None and number is not None:
        shared[number] = obj
    return obj


@contextlib.contextmanager
def sharing() -> Iterator[None]:
    """Number the objects that occur several times in a config written in this block, and restore each of them once."""
    with _set(_shared, {}):
        yield


@contextlib.contextmanager
def _set(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def _is_dtype(obj: Any) -> bool:
    return isinstance(obj, type) and (issubclass(obj, np.generic) or isinstance(getattr(obj, "dtype", 0), np.dtype))


_PARTS = ("code", "defaults", "closure")
_READ: dict[str, Any] = {
    "__bytes__": lambda config: config["value"].encode("utf-8"),
    "__ellipsis__": lambda config: ...,
    "__keras_tensor__": lambda config: SymbolicTensor(config["shape"], config["dtype"]),
    "__lambda__": lambda config: _functions.load(config, "This config"),
    "__numpy__": lambda config: np.array(config["value"], config["dtype"]),
    "__slice__": lambda config: slice(*(_deserialize(config[part]) for part in ("start", "stop", "step"))),
    "__tensor__": lambda config: jnp.asarray(config["value"], config["dtype"]),
}
