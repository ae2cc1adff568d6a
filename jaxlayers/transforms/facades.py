"""Weak references to facades in compiled functions.

Facades among the arguments of a compiled function go through `jax.jit` as static arguments, each in a `FacadeRef`. A
compiled method is stored on its object, and refers to the object by a `WeakMethod`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
import weakref
from collections.abc import Callable
from typing import Any

import jax

from jaxlayers.core.tracking import Tracked
from jaxlayers.core.variable import Variable

_FACADES = (Tracked, Variable, type)


@jax.tree_util.register_static
class FacadeRef:
    """A static argument of `jax.jit` that refers weakly to an object with variables, or to a class."""

    def __init__(self, thing: Any):
        self._ref = weakref.ref(thing)
        self._id = id(thing)

    @property
    def thing(self) -> Any:
        """The object, or None if it was garbage-collected."""
        return self._ref()

    def watch(self, gone: Callable[[Any], None]) -> None:
        """Call a function when the object is garbage-collected."""
        self._ref = weakref.ref(self.thing, gone)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, FacadeRef) and self.thing is not None and other.thing is self.thing)

    def __hash__(self) -> int:
        return self._id


def hold_facades(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], tuple[FacadeRef, ...]]:
    """Return the arguments with references in the places of facades, and those references."""
    if not (any(map(_has_facade, args)) or (kwargs and any(map(_has_facade, kwargs.values())))):
        return args, kwargs, ()
    args, kwargs = jax.tree.map(
        lambda leaf: FacadeRef(leaf) if isinstance(leaf, _FACADES) else leaf,
        (args, kwargs),
        is_leaf=lambda leaf: isinstance(leaf, _FACADES),
    )
    leaves = jax.tree.leaves((args, kwargs), is_leaf=_is_ref)
    return args, kwargs, tuple(leaf for leaf in leaves if isinstance(leaf, FacadeRef))


def _has_facade(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_has_facade, value))
    if isinstance(value, dict):
        return any(map(_has_facade, value.values()))
    return isinstance(value, _FACADES)


def _is_ref(leaf: Any) -> bool:
    return isinstance(leaf, FacadeRef)


def release_facades(tree: Any) -> Any:
    """Return arguments with the facades in the places of their references."""
    return jax.tree.map(lambda leaf: leaf.thing if _is_ref(leaf) else leaf, tree, is_leaf=_is_ref)


class WeakMethod:
    """A method that refers to its object weakly, for functions that the object itself holds."""

    def __init__(self, function: Callable[..., Any], instance: Any):
        functools.update_wrapper(self, function)
        with contextlib.suppress(TypeError, ValueError):  # a function built in C may have no signature
            self.__signature__ = inspect.signature(types.MethodType(function, instance))
        self.function = function
        self.instance = weakref.ref(instance)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.function(self.instance(), *args, **kwargs)
