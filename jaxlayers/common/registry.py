"""Tables of named classes and functions, one for each kind, and their conversion to and from configs.

A string `"relu"` or a config `{"class_name": "L2", ...}` becomes an object by a look-up of its name: first among the
user's own objects (those of the innermost scope, then those registered for the process), then in the table of the kind.
A name in a config never causes an import. Each package above the kernel fills its own table when it is imported
(`initializers`, `regularizers`, `activations`, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from jaxlayers.common import explanations
from jaxlayers.common.errors import UnknownNameError

_tables: dict[str, dict[str, Any]] = {}
_config_modules: dict[Any, str] = {}  # for each class of the library, the module (of Keras) that its config names
_TOP_LEVEL = frozenset(  # classes whose configs name the module "keras"
    [
        "DTypePolicy",
        "Initializer",
        "InputSpec",
        "Layer",
        "Loss",
        "Metric",
        "Model",
        "Optimizer",
        "Regularizer",
        "Sequential",
    ]
)

scoped: ContextVar[Mapping[str, Any]] = ContextVar("jaxlayers_custom_objects", default={})  # noqa: B039, never changed
registered: dict[str, Any] = {}  # the user's objects by "package>name"
registered_names: dict[Any, str] = {}
# The number of objects that the config which is being read may still make; None if none is read.
allowance: ContextVar[list[int] | None] = ContextVar("jaxlayers_allowance", default=None)
serializers: dict[str, Any] = {}  # by kind: functions from an object to its config, for arguments of that kind


def register(kind: str, table: dict[str, Any], module: str | None = None) -> None:
    """Add classes and functions to the table of a kind.

    Args:
        kind: the table, e.g. `"initializer"`.
        table: classes and functions by name.
        module: the module that configs of these classes name; by default Keras's module for the kind.
    """
    _tables.setdefault(kind, {}).update(table)
    default = {"loss": "keras.losses", "schedule": "keras.optimizers.schedules"}.get(kind, f"keras.{kind}s")
    for name, thing in table.items():
        if isinstance(thing, type) and name == thing.__name__:
            _config_modules[thing] = module or ("keras" if name in _TOP_LEVEL else default)


def names(kind: str) -> dict[str, Any]:
    """Return a copy of the table of a kind."""
    return dict(_tables.get(kind, {}))


def checked_objects(custom_objects: Any) -> dict[str, Any]:
    """Return the user's objects by name.

    Raises:
        TypeError: when they are no dict from names to classes and functions.
    """
    expected = "custom_objects must be a dict from names to classes and functions"
    if not isinstance(custom_objects, Mapping):
        raise TypeError(f"{expected}; received {type(custom_objects).__name__}.")
    for name, value in custom_objects.items():
        if not callable(value):
            raise TypeError(f"{expected}; received {value!r:.100} for {name!r}.")
    return dict(custom_objects)


def custom(name: Any) -> Any:
    """Return the user's object of this name, or None."""
    return scoped.get().get(name) or registered.get(name)


def lookup(kind: str | None, identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the object that an identifier names or describes.

    Args:
        kind: the table to search, e.g. `"initializer"`; None for the table of the module that the config names.
        identifier: None; a name in the table; a config `{"class_name": ..., "config": {...}}`; a callable, which is
            returned as it is; or a class, which is called without arguments.
        custom_objects: objects by name, searched first, also for nested configs.

    Raises:
        ValueError: when the name is unknown; the message lists similar names.
        TypeError: when the identifier is none of these.
    """
    if custom_objects:
        token = scoped.set({**scoped.get(), **custom_objects})
        try:
            return lookup(kind, identifier)
        finally:
            scoped.reset(token)
    if isinstance(identifier, dict):
        if "class_name" not in identifier:
            raise ValueError(f"A config of {_article(kind)} needs a 'class_name'; received keys {sorted(identifier)}.")
        target = _find_by_config(kind, identifier)
        return _create_and_build(target, identifier) if isinstance(target, type) else target
    if isinstance(identifier, str):
        user_object = custom(identifier)
        identifier = _find(kind, identifier, [kind]) if user_object is None else user_object
    if isinstance(identifier, type):
        return identifier()
    if identifier is None or callable(identifier):
        return identifier
    is_array = hasattr(identifier, "shape")
    received = explanations.describe(identifier) if is_array else f"{identifier!r} of type {type(identifier).__name__}"
    raise TypeError(f"Expected the name, config or object of {_article(kind)}; received {received}.")


def describe(value: Any) -> Any:
    """Return the config of an object or a function, in Keras's format, which `lookup` reads; plain data as it is.

    Raises:
        TypeError: when an object has no `get_config()`, or a function cannot be found again by its name.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return type(value)(map(describe, value)) if type(value) in (list, tuple) else [*map(describe, value)]
    if isinstance(value, dict):
        return {key: describe(item) for key, item in value.items()}
    if isinstance(value, type) or not hasattr(value, "get_config"):
        return _describe_function(value)
    cls = type(value)
    keras_class = getattr(value, "keras_class", None)  # set where several classes of Keras are one class here
    module, name = keras_class or (_config_modules.get(cls, cls.__module__), cls.__name__)
    is_public = (keras_class or cls in _config_modules) and not module.startswith("keras.src.")
    return {
        "module": None if module == "__main__" else module,
        "class_name": name,
        "config": value.get_config(),
        "registered_name": None if is_public else registered_names.get(cls, name),
    }


def _describe_function(function: Any) -> dict[str, Any]:
    name = getattr(function, "__name__", "<lambda>")
    if isinstance(function, type) or not callable(function) or name == "<lambda>":
        raise TypeError(
            f"{function!r} cannot be written to a config: it has neither a name nor get_config(). Define a function "
            "with `def`, or give its class a get_config()."
        )
    name = registered_names.get(function, name)
    namesakes = [other for table in _tables.values() if not isinstance(other := table.get(name, type), type)]
    if namesakes and function not in namesakes and custom(name) is not function:
        raise TypeError(
            f"{function!r} cannot be written to a config: {name!r} is the name of another function. Give it another "
            "name, or register it with jaxlayers.saving.register_keras_serializable."
        )
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


def revive(data: Any) -> Any:
    """Return the data that `describe` wrote, with each config replaced by its object, at any depth."""
    if isinstance(data, dict):
        if "class_name" in data and "config" in data:
            return lookup(None, data)
        return {key: revive(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return tuple(map(revive, data)) if isinstance(data, tuple) else [*map(revive, data)]
    return data


def _find_by_config(kind: str | None, config: dict[str, Any]) -> Any:
    """Return the class or function that a config names."""
    class_name, module = config["class_name"], config.get("module", "keras")
    is_function = class_name == "function"
    name = config["config"] if is_function else class_name
    registered_name = name if is_function else config.get("registered_name", name)
    user_object = None if registered_name is None else custom(registered_name) or custom(name)
    if user_object is not None:
        return user_object
    if not f"{module}.".startswith(("keras.", "builtins.") if is_function else "keras."):
        label = kind or ("function" if is_function else "class")
        raise UnknownNameError(
            f"Unknown {label}: {name!r} of module {module!r}, registered_name {registered_name!r}. Pass it "
            f"in custom_objects={{{registered_name!r}: ...}}, or register it with "
            "jaxlayers.saving.register_keras_serializable."
        )
    check_registered_name(config, class_name, name)
    if is_function:
        return _find(kind, name, [kind, *_tables], only_functions=True)
    kinds_of_module = [k for k, table in _tables.items() if _config_modules.get(table.get(name)) == module]
    return _find(kind, name, [*kinds_of_module, kind] if kind or kinds_of_module else list(_tables))


def check_registered_name(config: dict[str, Any], *names: Any) -> None:
    """Raise an error if a config has a registered name: it belongs to a class of the user's, not to the library's.

    Args:
        config: the config of a class or function of the library.
        names: the names that the config may have as its registered name.

    Raises:
        ValueError: if the config has another registered name.
    """
    registered_name = config.get("registered_name")
    if registered_name and registered_name not in names:
        raise UnknownNameError(
            f"The config names {names[-1]!r} of the library, and the registered name {registered_name!r}, which is "
            f"unknown. Pass your own class or function in custom_objects={{{registered_name!r}: ...}}, or register it "
            "with jaxlayers.saving.register_keras_serializable. For that of the library, remove 'registered_name'."
        )


def _find(kind: str | None, name: str, kinds: list[Any], only_functions: bool = False) -> Any:
    """Return the first object of this name in the tables of `kinds`; `kind` is for the error message."""
    for table_kind in kinds:
        entry = _tables.get(table_kind, {}).get(name)
        if entry is not None and not (only_functions and isinstance(entry, type)):
            return entry
    import difflib

    known_names = {key for table_kind in kinds for key in _tables.get(table_kind, ())}
    similar = difflib.get_close_matches(name, known_names, n=3)
    if similar:
        hint = f" Similar names: {', '.join(map(repr, similar))}."
    else:
        hint = f" Known names: {', '.join(sorted(known_names))}." if len(known_names) <= 60 else ""
    label = (kind or "name").replace("_", " ")
    raise UnknownNameError(f"Unknown {label}: {name!r}.{hint} Pass your own objects in custom_objects.")


def _create_and_build(cls: Any, config: dict[str, Any]) -> Any:
    left = allowance.get()
    if left is not None:
        left[0] -= 1
        if left[0] < 0:
            raise ValueError("The config makes far more objects than it describes: layers that copy others are nested.")
    arguments = config.get("config") or {}
    if not isinstance(arguments, dict):
        raise TypeError(f"The config of {cls.__name__} must hold its arguments in a dict; received {arguments!r:.100}.")
    instance = cls.from_config(arguments)
    if config.get("build_config") and not getattr(instance, "built", True) and hasattr(instance, "build_from_config"):
        instance.build_from_config(config["build_config"])
    return instance


def _article(kind: str | None) -> str:
    kind = kind or "object"
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
