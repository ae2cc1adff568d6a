"""The losses of a layer: those added in its last call, and those of regularizers on its weights.

Every outermost call of a layer starts a new list, kept by that layer, of (owner, value) pairs.
"""

from __future__ import annotations

import itertools
import weakref
from typing import Any, NamedTuple

import jax

from jaxlayers.core import scope
from jaxlayers.core.values import IsolatedValues

_numbers = itertools.count(1)


class CallLosses(NamedTuple):
    """The losses of one outermost call, as its layer keeps them.

    Attributes:
        number: the number of the call in this process, to find the newest call.
        entries: (weak reference to the owner, value) pairs; an owner may hold them itself.
        trace: the trace that the values belong to.
    """

    number: int = 0
    entries: list[tuple[Any, Any]] = []  # noqa: RUF012, never changed
    trace: Any = None


def keep(layer: Any, entries: list[tuple[Any, Any]]) -> None:
    """Store the losses of an outermost call in its layer: in one attribute if it ran eagerly, in another if traced."""
    trace = scope.current_trace()
    name = "_kept_losses" if trace == scope.NO_TRACE else "_traced_losses"
    weakly = [(weakref.ref(owner), value) for owner, value in entries]
    object.__setattr__(layer, name, CallLosses(next(_numbers), weakly, trace))


def kept_entries(calls: CallLosses) -> list[tuple[Any, Any]]:
    """The (owner, value) pairs of a call, without those whose owners are gone."""
    return [(owner, value) for ref, value in calls.entries if (owner := ref()) is not None]


def losses(layer: Any) -> list[jax.Array]:
    """The losses added in the last call, as the current scope sees it, and those of regularized trainable weights."""
    inside = {id(below) for below in layer._tracked_objects}
    values = [value for owner, value in _newest(layer._self_and_owners()) if id(owner) in inside]
    for _, variable in layer._tracked_walk.entries:
        if variable.regularizer is not None and variable.trainable:
            values.append(variable.regularizer(scope.read(variable)))
    return values


def _newest(owners: list[Any]) -> list[tuple[Any, Any]]:
    """The losses of the newest call of any of some layers: in the scopes around, or else those the layers store."""
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
    calls = [call for layer in layers for call in (layer._kept_losses, layer._traced_losses) if call.trace in usable]
    return kept_entries(max(calls, key=lambda call: call.number)) if calls else []
