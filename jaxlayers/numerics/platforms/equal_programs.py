"""Traced programs that are equal, so that one compiled program serves them all.

JAX compares traced programs by identity. Programs that are traced again in each eager call would be compiled again in
each. `first_like` returns the first one of those that compute the same.
"""

from __future__ import annotations

import collections
from collections.abc import Hashable
from typing import Any

import jax
import numpy as np

from jaxlayers.common import jax_extend

_MOST_PROGRAMS = 1024
_MOST_ELEMENTS = 4096  # of a constant that is compared
_first: collections.OrderedDict[Hashable, Any] = collections.OrderedDict()


def first_like(programs: Any) -> Any:
    """Return the first structure of programs that was equal to this one, or this one.

    Args:
        programs: a nested tuple of closed jaxprs and hashable values.
    """
    try:
        key = _key(programs)
        hash(key)
    except TypeError:
        return programs
    found = _first.setdefault(key, programs)
    if len(_first) > _MOST_PROGRAMS:
        _first.popitem(last=False)
    return found


def _key(value: Any) -> Hashable:
    """Return a key that is equal for equal values.

    Raises:
        TypeError: for programs with tracers or large arrays as constants.
    """
    if isinstance(value, jax_extend.ClosedJaxpr):
        return _key(value.jaxpr), tuple(map(_key_of_constant, value.consts))
    if isinstance(value, jax_extend.Jaxpr):
        return _key_of_program(value)
    if isinstance(value, tuple | list):
        return tuple(map(_key, value))
    return type(value), value


def _key_of_constant(value: Any) -> Hashable:
    if isinstance(value, jax.core.Tracer) or value.size > _MOST_ELEMENTS:
        raise TypeError("The program has constants that are not compared.")
    return str(jax.typeof(value)), np.asarray(value).tobytes()


def _key_of_program(program: jax_extend.Jaxpr) -> Hashable:
    numbers: dict[Any, int] = {}

    def number(atom: Any) -> Hashable:
        if isinstance(atom, jax_extend.Literal):
            return str(atom.aval), np.asarray(atom.val).tobytes()
        return numbers.setdefault(atom, len(numbers)), str(atom.aval)

    inputs = tuple(map(number, (*program.constvars, *program.invars)))
    equations = tuple(
        (
            equation.primitive,
            tuple(map(number, equation.invars)),
            tuple((name, _key(value)) for name, value in sorted(equation.params.items())),
            tuple(map(number, equation.outvars)),
        )
        for equation in program.eqns
    )
    return len(program.constvars), inputs, equations, tuple(map(number, program.outvars))
