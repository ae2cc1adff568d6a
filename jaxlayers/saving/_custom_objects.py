"""The user's own classes and functions by name: registered for the process, or for the length of a `with` block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import Token
from typing import Any, Self, TypeVar

from jaxlayers.common import registry

ClassOrFunction = TypeVar("ClassOrFunction")


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[ClassOrFunction], ClassOrFunction]:
    """Register a class or function, as a decorator: configs then refer to it as `"package>name"`.

    Args:
        package: the first part of the registered name; `"Custom"` by default.
        name: the second part of the registered name; the name of the class or function by default.

    Raises:
        ValueError: when a class has no `get_config()`.

    Example:
        >>> import jaxlayers as jl
        >>> @jl.saving.register_keras_serializable(package="demo")
        ... def halved(x):
        ...     return x / 2
        >>> jl.layers.Dense(1, activation=halved).get_config()["activation"]["config"]
        'demo>halved'
    """

    def decorate(target: Any) -> Any:
        if isinstance(target, type) and not hasattr(target, "get_config"):
            raise ValueError(f"Cannot register the class {target.__name__}: it has no get_config(). Define one.")
        registered_name = f"{package}>{target.__name__ if name is None else name}"
        registry.registered[registered_name] = target
        registry.registered_names[target] = registered_name
        return target

    return decorate


class CustomObjectScope:
    """A `with` block in which configs and names like `activation="mine"` may refer to the given objects.

    In nested blocks, the objects of all blocks are available; if names are equal, the innermost object is used. A block
    has no effect on other threads and other asynchronous tasks.

    Args:
        custom_objects: a dict of classes and functions by name.

    Example:
        >>> import jaxlayers as jl
        >>> with jl.saving.CustomObjectScope({"halved": lambda x: x / 2}):
        ...     layer = jl.layers.Activation("halved")
        >>> layer(3.0)
        1.5
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None):
        self.custom_objects = registry.checked_objects(custom_objects or {})
        self._tokens: list[Token[Mapping[str, Any]]] = []

    def __enter__(self) -> Self:
        self._tokens.append(registry.scoped.set({**registry.scoped.get(), **self.custom_objects}))
        return self

    def __exit__(self, *exc: object) -> None:
        registry.scoped.reset(self._tokens.pop())


custom_object_scope = CustomObjectScope


def get_custom_objects() -> dict[str, Any]:
    """Return the dict of registered objects by name. It is the registry itself: changes apply to the whole process."""
    return registry.registered


def get_registered_name(obj: Any) -> str:
    """Return the name under which a class or function was registered, or its own name if it was not registered.

    Example:
        >>> from jaxlayers import layers, saving
        >>> saving.get_registered_name(layers.Dense)
        'Dense'
    """
    return registry.registered_names.get(obj, obj.__name__)


def get_registered_object(
    name: str, custom_objects: Mapping[str, Any] | None = None, module_objects: Mapping[str, Any] | None = None
) -> Any:
    """Return the class or function of this name, or None.

    Args:
        name: a registered name, `"package>name"`, or a name of a surrounding `CustomObjectScope`.
        custom_objects: objects by name, searched after the registered objects.
        module_objects: objects by name, searched last.
    """
    target = registry.custom(name)
    for table in (custom_objects, module_objects):
        target = (table or {}).get(name) if target is None else target
    return target
