"""What a function closes over: a first guess at the variables that it uses.

A wrong guess costs one more trace of the function and nothing else, so this looks only where people put things: free
variables, globals that are named, defaults, `self`, and functions and containers found there.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any

from jaxlayers.core import tracking
from jaxlayers.core.tracking import Tracked
from jaxlayers.core.variable import Variable


def guess(function: Any, facades: list[Any]) -> tuple[list[Variable], list[Variable]]:
    """The variables that a function probably writes, and those that it probably only reads."""
    roots = list(_facades(function, set(), 0))
    for facade in facades:
        roots += _facades(facade, set(), 0)
    written: dict[Variable, None] = {}
    read: dict[Variable, None] = {}
    trains = any(isinstance(root, Tracked) and root._kind == "slot" for root in roots)
    for root in roots:
        if isinstance(root, Variable):
            read[root] = None
            continue
        for _, variable, _ in root._walk.variables:
            (written if trains else read)[variable] = None
        if root._kind == "metric":
            written.update(dict.fromkeys(variable for _, variable, _ in root._walk.variables))
    return list(written), [variable for variable in read if variable not in written]


def _facades(value: Any, seen: set[int], depth: int) -> Iterator[Any]:
    if id(value) in seen or depth > 6:
        return
    seen.add(id(value))
    inside: list[Any] = []
    if isinstance(value, Tracked | Variable):
        yield value
        if isinstance(value, Tracked):  # an optimizer is no part of a model, and yet found on it
            inside = [one for one in vars(value).values() if isinstance(one, tracking.kept_apart())]
    elif isinstance(value, types.FunctionType):
        inside = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        inside += value.__defaults__ or ()
        inside += (value.__kwdefaults__ or {}).values()
        inside += [value.__globals__[name] for name in _names(value.__code__) if name in value.__globals__]
    elif isinstance(value, types.MethodType):
        inside = [value.__self__, value.__func__]
    elif isinstance(value, functools.partial):
        inside = [value.func, *value.args, *value.keywords.values()]
    elif isinstance(value, list | tuple) and len(value) < 1000:
        inside = list(value)
    elif isinstance(value, dict) and len(value) < 1000:
        inside = list(value.values())
    elif depth and hasattr(value, "__dict__") and not isinstance(value, type | types.ModuleType):
        inside = [v for v in vars(value).values() if isinstance(v, Tracked | Variable | list | tuple | dict)]
    for one in inside:
        yield from _facades(one, seen, depth + 1)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _names(code: types.CodeType) -> list[str]:
    """The globals that a function and the functions written inside it may use."""
    inner = [name for const in code.co_consts if isinstance(const, types.CodeType) for name in _names(const)]
    return [*code.co_names, *inner]
