"""Tables of names by kind: how `"relu"`, `{"class_name": "L2", ...}` or a callable becomes an object, and back.

A name is only ever looked up: first among the user's own objects (those of the innermost scope, then those registered
for the process), then in the table of its kind; nothing is imported by a string. Each package above the kernel fills
its own table when it is imported (`initializers`, `regularizers`, `activations`, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from jaxlayers.common.errors import UnknownNameError

_tables: dict[str, dict[str, Any]] = {}
_homes: dict[Any, str] = {}  # classes of the library, and the modules that their configs name: Keras's
_TOP = frozenset(
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

scoped: ContextVar[Mapping[str, Any]] = ContextVar("jaxlayers_custom_objects", default={})  # noqa: B039, only read
registered: dict[str, Any] = {}  # the user's objects by "package>name"
registered_names: dict[Any, str] = {}
serializers: dict[str, Any] = {}  # by kind: functions from an object to its config, for arguments of that kind


def register(kind: str, table: dict[str, Any], module: str | None = None) -> None:
    """Add names to the table of a kind; `module` is the one in Keras's configs, by default that of the kind."""
    _tables.setdefault(kind, {}).update(table)
    default = {"loss": "keras.losses", "schedule": "keras.optimizers.schedules"}.get(kind, f"keras.{kind}s")
    for name, thing in table.items():
        if isinstance(thing, type) and name == thing.__name__:
            _homes[thing] = module or ("keras" if name in _TOP else default)


def names(kind: str) -> dict[str, Any]:
    """The table of a kind; a copy."""
    return dict(_tables.get(kind, {}))


def custom(name: Any) -> Any:
    """The user's object of a name, or None."""
    return scoped.get().get(name) or registered.get(name)


def lookup(kind: str | None, identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The object that an identifier stands for.

    Args:
        kind: which table, e.g. `"initializer"`; None where a config says it by its module.
        identifier: None; a name in the table; a config `{"class_name": ..., "config": {...}}`; or the thing itself
            (any callable). A class in the place of an object is called without arguments.
        custom_objects: objects by name, looked at first, also for what is inside.

    Raises:
        ValueError: when the name is unknown; the message lists names that are close.
        TypeError: when the identifier is of none of these kinds.
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
        found = _find_described(kind, identifier)
        return _make(found, identifier) if isinstance(found, type) else found
    if isinstance(identifier, str):
        found = custom(identifier)
        identifier = _find(kind, identifier, [kind]) if found is None else found
    if isinstance(identifier, type):
        return identifier()
    if identifier is None or callable(identifier):
        return identifier
    raise TypeError(
        f"Expected the name, config or object of {_article(kind)}; received {identifier!r} of type "
        f"{type(identifier).__name__}."
    )


def describe(value: Any) -> Any:
    """The config of an object or a function, in the form `lookup` takes and Keras writes; plain data as it is.

    Raises:
        TypeError: for other things: without a `get_config()`, or a function that no name would lead back to.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return type(value)(map(describe, value)) if type(value) in (list, tuple) else [*map(describe, value)]
    if isinstance(value, dict):
        return {key: describe(one) for key, one in value.items()}
    if isinstance(value, type) or not hasattr(value, "get_config"):
        name = getattr(value, "__name__", "<lambda>")
        if isinstance(value, type) or not callable(value) or name == "<lambda>":
            raise TypeError(
                f"{value!r} cannot be written to a config: it has neither a name nor get_config(). Define a function "
                "with `def`, or give its class a get_config()."
            )
        name = registered_names.get(value, name)
        others = [found for table in _tables.values() if not isinstance(found := table.get(name, type), type)]
        if others and value not in others and custom(name) is not value:
            raise TypeError(
                f"{value!r} cannot be written to a config: {name!r} is the name of another function. Give it another "
                "name, or register it with jaxlayers.saving.register_keras_serializable."
            )
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    cls = type(value)
    home = getattr(value, "keras_class", None)  # for a class that Keras has several for
    module, name = home or (_homes.get(cls, cls.__module__), cls.__name__)
    public = (home or cls in _homes) and not module.startswith("keras.src.")
    return {
        "module": None if module == "__main__" else module,
        "class_name": name,
        "config": value.get_config(),
        "registered_name": None if public else registered_names.get(cls, name),
    }


def revive(data: Any) -> Any:
    """What `describe` wrote: with objects in the place of their configs, at any depth."""
    if isinstance(data, dict):
        if "class_name" in data and "config" in data:
            return lookup(None, data)
        return {key: revive(value) for key, value in data.items()}
    return [*map(revive, data)] if isinstance(data, list | tuple) else data


def _find_described(kind: str | None, config: dict[str, Any]) -> Any:
    """The class or function that a config names."""
    name, module = config["class_name"], config.get("module", "keras")
    if name == "function":
        found = custom(config["config"])
        return _find(kind, config["config"], [kind, *_tables], functions=True) if found is None else found
    known = config.get("registered_name", name)
    if known is not None and (found := custom(known) or custom(name)) is not None:
        return found
    if module is None or not f"{module}.".startswith("keras."):
        raise UnknownNameError(
            f"Unknown {kind or 'class'}: {name!r} of module {module!r}, registered_name {known!r}. Pass it in "
            f"custom_objects={{{known!r}: ...}}, or register it with jaxlayers.saving.register_keras_serializable."
        )
    here = [one for one in _tables if _homes.get(_tables[one].get(name)) == module]
    return _find(kind, name, [*here, kind] if kind or here else list(_tables))


def _find(kind: str | None, name: str, kinds: list[Any], functions: bool = False) -> Any:
    for one in kinds:
        found = _tables.get(one, {}).get(name)
        if found is not None and not (functions and isinstance(found, type)):
            return found
    import difflib

    table = {key for one in kinds for key in _tables.get(one, ())}
    close = difflib.get_close_matches(name, table, n=3)
    known = f" Known: {', '.join(sorted(table))}." if len(table) <= 60 else ""
    hint = f" Close to it: {', '.join(map(repr, close))}." if close else known
    what = (kind or "name").replace("_", " ")
    raise UnknownNameError(f"Unknown {what}: {name!r}.{hint} Objects of your own go into custom_objects.")


def _make(cls: Any, config: dict[str, Any]) -> Any:
    made = cls.from_config(config.get("config") or {})
    if config.get("build_config") and not getattr(made, "built", True) and hasattr(made, "build_from_config"):
        made.build_from_config(config["build_config"])
    return made


def _article(kind: str | None) -> str:
    kind = kind or "object"
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
