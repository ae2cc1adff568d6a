"""The user's own classes and functions by name: registered for the process, or known within a `with` block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import Token
from typing import Any, Self, TypeVar

from jaxlayers.common import registry

Thing = TypeVar("Thing")


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Thing], Thing]:
    """Decorator: a class or function that configs call `"package>name"`, and that they find by it.

    Args:
        package: what it is part of.
        name: its name there; that of the class or function by default.

    Raises:
        ValueError: for a class without `get_config()`.

    Example:
        >>> import jaxlayers as jl
        >>> @jl.saving.register_keras_serializable(package="demo")
        ... def halved(x):
        ...     return x / 2
        >>> jl.layers.Dense(1, activation=halved).get_config()["activation"]["config"]
        'demo>halved'
    """

    def decorate(thing: Any) -> Any:
        if isinstance(thing, type) and not hasattr(thing, "get_config"):
            raise ValueError(f"{thing.__name__} has no get_config(), so there is nothing to make it from again.")
        full_name = f"{package}>{thing.__name__ if name is None else name}"
        registry.registered[full_name] = thing
        registry.registered_names[thing] = full_name
        return thing

    return decorate


class CustomObjectScope:
    """Within its `with` block, every lookup knows these objects: of configs, and of names like `activation="mine"`.

    Scopes add up, the innermost first, and hold for their own thread (or asynchronous task) alone.

    Args:
        custom_objects: classes and functions by name.

    Example:
        >>> import jaxlayers as jl
        >>> with jl.saving.CustomObjectScope({"halved": lambda x: x / 2}):
        ...     layer = jl.layers.Activation("halved")
        >>> layer(3.0)
        1.5
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None):
        self.custom_objects = dict(custom_objects or {})
        self._tokens: list[Token[Mapping[str, Any]]] = []

    def __enter__(self) -> Self:
        self._tokens.append(registry.scoped.set({**registry.scoped.get(), **self.custom_objects}))
        return self

    def __exit__(self, *exc: object) -> None:
        registry.scoped.reset(self._tokens.pop())


custom_object_scope = CustomObjectScope


def get_custom_objects() -> dict[str, Any]:
    """The registered objects by name: the dict itself, so that what is changed in it is changed for the process."""
    return registry.registered


def get_registered_name(obj: Any) -> str:
    """The name that a class or function was registered by, else the one it was defined by.

    Example:
        >>> from jaxlayers import layers, saving
        >>> saving.get_registered_name(layers.Dense)
        'Dense'
    """
    return registry.registered_names.get(obj, obj.__name__)


def get_registered_object(
    name: str, custom_objects: Mapping[str, Any] | None = None, module_objects: Mapping[str, Any] | None = None
) -> Any:
    """The class or function of a name; None when there is none.

    Args:
        name: `"package>name"` as it was registered, or a name of one of the scopes around.
        custom_objects: looked at after those.
        module_objects: looked at last.
    """
    found = registry.custom(name)
    for more in (custom_objects, module_objects):
        found = (more or {}).get(name) if found is None else found
    return found
