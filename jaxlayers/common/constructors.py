"""Constructors: the arguments that create an equal object, and arguments that are passed on to a base's constructor.

The config of an object of the library is derived from the signature of its constructor: each parameter is read from the
attribute of the same name. A class with exceptions lists them in two attributes, which add to those of its bases:

- `_config_attributes`: for a parameter that is kept in an attribute of another name, that name; None for a parameter
  that is left out of configs, or that the class writes in a `get_config` of its own.
- `_config_if_changed`: parameters that are written only where they differ from their default, because Keras's configs
  do not have them.

A class outside of the library has the config of the most derived class of the library among its bases.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np

from jaxlayers.common import registry

_Constructor = TypeVar("_Constructor", bound=Callable[..., None])
_MISSING = object()
_PLAIN = frozenset([type(None), bool, int, float, str])  # the types of most values
_OBJECTS = ("cell", "layer", "optimizer")  # the last word of parameters that hold objects with configs of their own


def library_class(cls: type) -> type:
    """The most derived class of the library among a class and its bases; the class itself if there is none."""
    return next(filter(_in_library, cls.__mro__), cls)


def is_default(method: Any) -> bool:
    """True if a method is `Layer`'s own."""
    return getattr(method, "is_default", False)


def defined_in_library(cls: type, *methods: str) -> bool:
    """True if a class has all of some methods from classes of the library, and no versions of its own."""
    return all(_in_library(next(base for base in cls.__mro__ if method in base.__dict__)) for method in methods)


def _in_library(cls: type) -> bool:
    return cls.__module__.startswith("jaxlayers.")


@functools.cache
def constructor_parameters(cls: type, of_bases: bool = False) -> dict[str, inspect.Parameter]:
    """The named parameters of a class's constructor, with those of its bases while each takes `**kwargs`.

    Args:
        cls: the class.
        of_bases: if True, those of the constructor that `super().__init__` calls. False by default.
    """
    parameters: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__[of_bases:]:
        if "__init__" not in base.__dict__:
            continue
        own = list(inspect.signature(base.__dict__["__init__"]).parameters.values())[1:]
        for parameter in own:
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                parameters.setdefault(parameter.name, parameter)
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in own):
            break
    return parameters


def constructor_config(instance: Any) -> dict[str, Any]:
    """The arguments that create an equal object, as plain data."""
    config = {}
    for name, kind, attribute, skipped in _config_entries(library_class(type(instance))):
        value = getattr(instance, attribute, _MISSING)
        if value is not _MISSING and (skipped is _MISSING or value != skipped):
            config[name] = value if type(value) in _PLAIN else _plain(kind, value)
    return config


@functools.cache
def _config_entries(cls: type) -> list[tuple[str, str, str, Any]]:
    """List (name, its last word, attribute, value that is left out or `_MISSING`) for each argument in a config."""
    bases = [vars(base) for base in reversed(cls.__mro__)]
    attributes = {name: value for base in bases for name, value in base.get("_config_attributes", {}).items()}
    if_changed = {name for base in bases for name in base.get("_config_if_changed", ())}
    entries = []
    for name, parameter in constructor_parameters(cls).items():
        attribute = attributes.get(name, name)
        if attribute is not None:
            kind = name.rpartition("_")[2]
            entries.append((name, kind, attribute, parameter.default if name in if_changed else _MISSING))
    return entries


def _plain(kind: str, value: Any) -> Any:
    """Return an argument as plain data; the last word of its name tells if it is an activation, a layer and so on."""
    if kind in registry.serializers:
        return registry.serializers[kind](value)
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return value.tolist()
    if isinstance(value, list | dict):
        return copy.copy(value)
    return registry.describe(value) if kind in _OBJECTS else value


class ConstructorSignature:
    """A descriptor: the signature of a class is that of its `__init__`, for `help()` and editors."""

    def __get__(self, instance: Any, owner: type) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        signature = inspect.signature(owner.__init__)  # type: ignore[misc]
        return signature.replace(parameters=list(signature.parameters.values())[1:])


def passes_on(constructor: _Constructor) -> _Constructor:
    """Decorate a constructor: it first calls the constructor of the base, with the arguments of the same names.

    The base also gets the arguments that the class names in `_passed_on`, and all of `**kwargs`. So parameters that a
    class shares with its base are written in its signature, and nowhere else.

    Example:
        >>> class Base:
        ...     def __init__(self, rate=0.1, name=None):
        ...         self.rate, self.name = rate, name
        >>> class Derived(Base):
        ...     @passes_on
        ...     def __init__(self, units, rate=0.2, name="derived"):
        ...         self.units = units
        >>> vars(Derived(3, name="mine"))
        {'rate': 0.2, 'name': 'mine', 'units': 3}
    """
    parameters = list(inspect.signature(constructor).parameters.values())[1:]
    takes_others = any(p.kind is p.VAR_KEYWORD for p in parameters)
    parameters = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
    names = frozenset(p.name for p in parameters)
    positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    required = names - defaults.keys()
    owner: Any = None  # the class that the constructor belongs to, and the parameters for its base: not known yet
    shared: frozenset[str] = frozenset()

    @functools.wraps(constructor)
    def combined(self: Any, *args: Any, **kwargs: Any) -> None:
        nonlocal owner, shared
        given = {**dict(zip(positional, args, strict=False)), **kwargs}
        fits = len(args) + len(kwargs) == len(given) and required <= given.keys()
        if not fits or not (takes_others or given.keys() <= names):
            try:
                constructor(self, *args, **kwargs)
            except TypeError as error:  # it names the class of the constructor, perhaps a private base
                name = f"{library_class(type(self)).__qualname__}.__init__()"
                raise TypeError(str(error).replace(f"{constructor.__qualname__}()", name, 1)) from None
        if owner is None:
            cls = next(base for base in type(self).__mro__ if base.__dict__.get("__init__") is combined)
            shared = names & {*constructor_parameters(cls, of_bases=True), *getattr(cls, "_passed_on", ())}
            owner = cls
        arguments = {**defaults, **given}
        passed = {name: value for name, value in arguments.items() if name in shared or name not in names}
        super(owner, self).__init__(**passed)
        constructor(self, *args, **kwargs)

    return combined  # type: ignore[return-value]
