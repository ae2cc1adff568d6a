"""The losses of a layer: those added in its last call, and those of regularizers on its weights.

Every outermost call of a layer starts a new list, kept by that layer, of (owner, value) pairs.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import jax

from jaxlayers.core import scope
from jaxlayers.core.values import IsolatedValues

_numbers = itertools.count(1)


class Kept(NamedTuple):
    """The losses of one outermost call, as its layer keeps them.

    Attributes:
        number: of the call in the process, to find the newest.
        entries: (owner, value) pairs.
        trace: the trace that the values belong to.
    """

    number: int = 0
    entries: list[tuple[Any, Any]] = []  # noqa: RUF012, never changed
    trace: Any = None


def keep(layer: Any, entries: list[tuple[Any, Any]]) -> None:
    """Hold the losses of the last outermost call of a layer; beside them those of the last one in a bare trace."""
    trace = scope.current_trace()
    name = "_kept_losses" if trace == scope.NO_TRACE else "_traced_losses"
    object.__setattr__(layer, name, Kept(next(_numbers), entries, trace))


def losses(layer: Any) -> list[jax.Array]:
    """The losses added in the last call, as seen from here, and those of regularizers on trainable weights."""
    inside = {id(below) for below in layer._objects}
    values = [value for owner, value in _newest(layer._above()) if id(owner) in inside]
    for _, variable in layer._walk.entries:
        if variable.regularizer is not None and variable.trainable:
            values.append(variable.regularizer(scope.read(variable)))
    return values


def _newest(owners: list[Any]) -> list[tuple[Any, Any]]:
    """The losses of the newest call of any of some layers: of those seen in the scopes around, else those kept."""
    inner = scope.current()
    for each in () if inner is None else inner.outwards():
        for root in reversed(each.values.losses):
            if any(root is owner for owner in owners):
                return each.values.losses[root]
        if isinstance(each.values, IsolatedValues):
            return []
    # A call inside a bare jax.jit leaves tracers, which are of no use outside of it.
    usable = (scope.NO_TRACE, scope.current_trace())
    layers = [owner for owner in owners if hasattr(owner, "_kept_losses")]
    kept = [calls for layer in layers for calls in (layer._kept_losses, layer._traced_losses) if calls.trace in usable]
    return max(kept, key=lambda calls: calls.number).entries if kept else []
