"""Comparisons of unknown sizes in code of users, while a function is traced with symbols in their place.

JAX answers `x.shape[1] == 4` with False for a symbol, and takes `x.shape[1] % 2` for true, without an error. Code that
branches by them is traced for one branch only. `Comparisons` records them, so that the function can be traced again
with sizes for which they have the other answer. It is a profiling hook of Python (`sys.setprofile`), which sees the
calls of the symbols' methods, also for sizes that are computed from symbols and for those of JAX's results.
"""

from __future__ import annotations

import functools
import sys
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np
from jax import export

_OWN = frozenset([__name__.partition(".")[0], "jax", "jaxlib"])
_INTS = (int, np.integer)
_METHODS = {"__eq__": True, "__ne__": False, "__mod__": None}  # with the answer that JAX is certain of


def _is_own(module: Any) -> bool:
    """True for the name of a module of this library or of JAX."""
    return str(module).partition(".")[0] in _OWN


def may_compare(function: Any) -> bool:
    """True if a function or layer has code of users. The layer of a function is its attribute `layer`."""
    layer = getattr(function, "layer", function)
    below = layer._tracked_walk.below if hasattr(layer, "_tracked_walk") else []
    return any(map(_has_foreign_code, (layer, *below)))


def _has_foreign_code(value: Any) -> bool:
    if not _is_own(getattr(value, "__module__", None)):
        return True
    functions = [v for v in getattr(value, "__dict__", {}).values() if isinstance(v, FunctionType)]
    return any(not _is_own(function.__module__) for function in functions)


@functools.cache
def _codes() -> dict[CodeType, str]:
    """Return the code of the methods of symbols that are recorded."""
    cls = type(export.symbolic_shape("a")[0])
    codes = {getattr(getattr(cls, name, None), "__code__", None): name for name in _METHODS}
    return {code: name for code, name in codes.items() if code is not None}


class Comparisons:
    """A context manager that records comparisons of unknown sizes with others by `==`, `!=`, `in` and `%`.

    Nothing is recorded while another profiler is active.

    Attributes:
        pairs: the sizes that were compared: a symbol, or an expression of symbols, and the other size.
        divisors: the numbers that sizes were divided by with `%`.
        place: the file and the line of the first of them.
    """

    def __init__(self) -> None:
        self._codes = _codes()
        self.pairs: dict[tuple[Any, Any], None] = {}
        self.divisors: dict[int, None] = {}
        self.place = ""

    def __bool__(self) -> bool:
        return bool(self.pairs or self.divisors)

    def __enter__(self) -> Comparisons:
        if sys.getprofile() is None:
            sys.setprofile(self._record)
        return self

    def __exit__(self, *error: object) -> None:
        if sys.getprofile() == self._record:
            sys.setprofile(None)

    def _record(self, frame: FrameType, event: str, result: Any) -> None:
        method = self._codes.get(frame.f_code) if event == "return" else None
        caller = frame.f_back
        if method is None or caller is None or _is_own(caller.f_globals.get("__name__")):
            return
        if result is _METHODS[method]:
            return
        size, other = (frame.f_locals[name] for name in frame.f_code.co_varnames[:2])
        if method == "__mod__" and isinstance(other, int) and other > 1:
            self.divisors[other] = None
        elif method != "__mod__" and (
            export.is_symbolic_dim(other) or (isinstance(other, int | np.integer) and other >= 0)
        ):
            self.pairs[size, other] = None
        else:
            return
        self.place = self.place or f"{caller.f_code.co_filename}:{caller.f_lineno}"
