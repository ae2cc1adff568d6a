"""Tables of names by kind: how `"relu"`, `{"class_name": "L2", ...}` or a callable becomes an object.

A name is only ever looked up in the table of its kind; nothing is imported by a string. Each package above the kernel
fills its own table when it is imported (`initializers`, `regularizers`, `activations`, ...).
"""

from collections.abc import Callable
from typing import Any

_tables: dict[str, dict[str, Any]] = {}


def register(kind: str, table: dict[str, Any]) -> None:
    """Add names to the table of a kind."""
    _tables.setdefault(kind, {}).update(table)


def lookup(kind: str, identifier: Any) -> Any:
    """The object that an identifier stands for.

    Args:
        kind: which table, e.g. `"initializer"`.
        identifier: None; a name in the table; a config `{"class_name": ..., "config": {...}}`; or the thing itself
            (any callable). A class in the place of an object is called without arguments.

    Raises:
        ValueError: when the name is unknown; the message lists names that are close.
        TypeError: when the identifier is of none of these kinds.
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        found = _find(kind, identifier)
        return found() if isinstance(found, type) else found
    if isinstance(identifier, dict):
        if "class_name" not in identifier:
            raise ValueError(f"A config of {_article(kind)} needs a 'class_name'; received keys {sorted(identifier)}.")
        found = _find(kind, identifier["class_name"])
        if isinstance(found, type):
            return found.from_config(identifier.get("config") or {})  # type: ignore[attr-defined]
        return found
    if isinstance(identifier, type):
        return identifier()
    if callable(identifier):
        return identifier
    raise TypeError(
        f"Expected the name, config or object of {_article(kind)}; received {identifier!r} of type "
        f"{type(identifier).__name__}."
    )


def names(kind: str) -> dict[str, Any]:
    """The table of a kind; a copy."""
    return dict(_tables.get(kind, {}))


def describe(kind: str, value: Any, module: str) -> Any:
    """The config of an object, in the form `lookup` takes and Keras writes.

    A function that stands in the table under its own name is that name; an object is a dict with `module`,
    `class_name`, `config` and `registered_name`.
    """
    if value is None:
        return None
    table = _tables.get(kind, {})
    if not hasattr(value, "get_config"):
        name = getattr(value, "__name__", None)
        if name in table and table[name] is value:
            return name
        raise ValueError(
            f"{value!r} cannot be written to a config: it is not in the table of {kind}s. Give it a class with "
            "get_config(), or register it."
        )
    return {
        "module": module,
        "class_name": type(value).__name__,
        "config": value.get_config(),
        "registered_name": None if table.get(type(value).__name__) is type(value) else type(value).__name__,
    }


def _find(kind: str, name: str) -> Callable[..., Any]:
    table = _tables.get(kind, {})
    if name in table:
        return table[name]
    import difflib

    close = difflib.get_close_matches(name, table, n=3)
    hint = f" Close to it: {', '.join(map(repr, close))}." if close else f" Known: {', '.join(sorted(table))}."
    raise ValueError(f"Unknown {kind}: {name!r}.{hint}")


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
