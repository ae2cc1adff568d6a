"""The parts of `jax.extend` that the library uses, loaded at their first use.

The package imports Pallas, which takes a quarter of the time that the rest of this library does. The first access to a
name of this module imports it and stores it here, so that later accesses are those to any other module.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from jax.extend.core import (
        ClosedJaxpr,
        Jaxpr,
        Literal,
        Primitive,
        get_opaque_trace_state,
        get_opaque_trace_state as current_trace,
        jaxpr_as_fun,
        set_current_trace,
        take_current_trace,
    )
    from jax.extend.mlir.dialects import stablehlo

    NO_TRACE = get_opaque_trace_state()
    """The trace outside of every transformation."""

__all__ = [
    "NO_TRACE",
    "ClosedJaxpr",
    "Jaxpr",
    "Literal",
    "Primitive",
    "current_trace",
    "jaxpr_as_fun",
    "once",
    "set_current_trace",
    "stablehlo",
    "take_current_trace",
]

T = TypeVar("T")
_OTHER_NAMES = {"current_trace": "get_opaque_trace_state"}
_create = threading.RLock()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "stablehlo":
        value: Any = importlib.import_module("jax.extend.mlir.dialects.stablehlo")
    else:
        module = importlib.import_module("jax.extend.core")
        if name == "NO_TRACE":  # in a new thread, since this one may be inside a transformation
            with ThreadPoolExecutor(1) as pool:
                value = pool.submit(module.get_opaque_trace_state).result()
        else:
            value = getattr(module, _OTHER_NAMES.get(name, name))
    globals()[name] = value
    return value


def once(create: Callable[[], T]) -> Callable[[], T]:
    """Return a function that creates an object at the first call, and returns the same object in all threads.

    It decorates functions that define a primitive, which needs a class of `jax.extend`.
    """
    created: list[T] = []

    def get() -> T:
        if not created:
            with _create:
                if not created:
                    created.append(create())
        return created[0]

    return get
