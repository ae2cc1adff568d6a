"""What an initializer that is an arbitrary callable can be called with."""

from __future__ import annotations

import inspect
from typing import Any


def takes_key(initializer: Any) -> bool:
    """True for the initializers of `jax.nn.initializers`, and other functions whose first parameter is `key`."""
    try:
        return next(iter(inspect.signature(initializer).parameters), None) == "key"
    except (TypeError, ValueError):  # not callable, or a built-in function
        return False


def takes_dtype(initializer: Any) -> bool:
    """True for functions with a parameter `dtype` or `**kwargs`, and for all callables that are no functions."""
    code = getattr(initializer, "__code__", None)
    if code is None:
        return True
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return "dtype" in names or bool(code.co_flags & inspect.CO_VARKEYWORDS)
