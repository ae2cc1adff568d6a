"""A first guess at the variables that a function uses: those of the facades that it closes over.

A wrong guess costs one more trace of the function and nothing else. So the search covers only the usual places: free
variables, globals that the code names, defaults, `self`, and the functions and containers in these.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any

from jaxlayers.core import tracking
from jaxlayers.core.protocols import Role
from jaxlayers.core.tracking import Tracked
from jaxlayers.core.variable import Variable
from jaxlayers.transforms.facades import WeakMethod


def facades_of(function: Any, arguments: list[Any]) -> list[Tracked | Variable]:
    """Return the facades that a function uses, as far as they are easily found, and those in some arguments."""
    roots = list(_facades(function, set(), 0))
    for argument in arguments:
        roots += _facades(argument, set(), 0)
    return roots


def guess(function: Any, arguments: list[Any]) -> tuple[list[Variable], list[Variable]]:
    """Return the variables that a function probably writes, and those that it probably only reads."""
    roots = facades_of(function, arguments)
    written: dict[Variable, None] = {}
    read: dict[Variable, None] = {}
    trains = any(isinstance(root, Tracked) and root._variable_role == Role.SLOT for root in roots)
    for root in roots:
        if isinstance(root, Variable):
            read[root] = None
            continue
        variables = dict.fromkeys(variable for _, variable in root._tracked_walk.entries)
        (written if trains else read).update(variables)
        if root._variable_role == Role.METRIC:
            written.update(variables)
    return list(written), [variable for variable in read if variable not in written]


def _facades(value: Any, seen: set[int], depth: int) -> Iterator[Any]:
    if id(value) in seen or depth > 6:
        return
    seen.add(id(value))
    inside: list[Any] = []
    if isinstance(value, Tracked | Variable):
        yield value
        if isinstance(value, Tracked):  # an optimizer is not part of the model that it is an attribute of
            inside = [attribute for attribute in vars(value).values() if isinstance(attribute, tracking.kept_apart())]
    elif isinstance(value, types.FunctionType):
        inside = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        inside += value.__defaults__ or ()
        inside += (value.__kwdefaults__ or {}).values()
        inside += [value.__globals__[name] for name in _names(value.__code__) if name in value.__globals__]
    elif isinstance(value, types.MethodType):
        inside = [value.__self__, value.__func__]
    elif isinstance(value, WeakMethod):
        inside = [value.instance(), value.function]
    elif isinstance(value, functools.partial):
        inside = [value.func, *value.args, *value.keywords.values()]
    elif isinstance(value, list | tuple) and len(value) < 1000:
        inside = list(value)
    elif isinstance(value, dict) and len(value) < 1000:
        inside = list(value.values())
    elif depth and hasattr(value, "__dict__") and not isinstance(value, type | types.ModuleType):
        inside = [v for v in vars(value).values() if isinstance(v, Tracked | Variable | list | tuple | dict)]
    for item in inside:
        yield from _facades(item, seen, depth + 1)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _names(code: types.CodeType) -> list[str]:
    """The names of the globals that a function, and the functions defined inside it, may use."""
    inner = [name for const in code.co_consts if isinstance(const, types.CodeType) for name in _names(const)]
    return [*code.co_names, *inner]
