"""Copies and pickles of attributes that belong to one process or one object.

A lock or a context variable is made anew in a copy. A weak reference to a part of what is copied refers to the copy of
that part; the copy of another weak reference is dead. A function compiled by `jax.jit` is compiled anew, with default
options, so that a method of the original becomes one of the copy.
"""

from __future__ import annotations

import contextvars
import threading
import weakref
from collections.abc import Callable
from typing import Any

import jax

_LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event, threading.local)

_COMPILED = type(jax.jit(len))


def portable(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return attributes for `copy` and `pickle`, with a `_Made` in the place of each value that cannot be copied."""
    replaced = {name: _replaced(value) for name, value in attributes.items()}
    if "_made_with" in attributes:  # the arguments of the constructor
        args, kwargs = attributes["_made_with"]
        replaced["_made_with"] = tuple(map(_replaced, args)), {name: _replaced(value) for name, value in kwargs.items()}
    return replaced


class _Made:
    """A placeholder, in the state of an object, for a value that a copy makes by a call."""

    def __init__(self, make: Callable[..., Any], *args: Any):
        self._call = make, args

    def __reduce__(self) -> Any:
        return self._call


class _Gone:
    """The target of the weak references whose target no longer exists."""


def _replaced(value: Any) -> Any:
    kind = type(value)
    if kind is _COMPILED:
        return _Made(jax.jit, value.__wrapped__)
    if kind in _LOCKS:
        return _Made(threading.RLock if kind is _LOCKS[1] else threading.Lock if kind is _LOCKS[0] else kind)
    if kind is contextvars.ContextVar:
        return _Made(contextvars.ContextVar, value.name)
    return _Made(_refer, value()) if kind is weakref.ref else value


def _refer(target: Any) -> Any:
    return weakref.ref(_Gone() if target is None else target)
