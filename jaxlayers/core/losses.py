"""The losses of a layer: those added in its last call, and those of regularizers on its weights.

Every outermost call of a layer starts a new list, kept by that layer, of (owner, value) pairs.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax

from jaxlayers.common import jax_extend
from jaxlayers.core import scope
from jaxlayers.core.values import ClosedValues, IsolatedValues

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
    name = "_kept_losses" if trace == jax_extend.NO_TRACE else "_traced_losses"
    weakly = [(weakref.ref(owner), value) for owner, value in entries]
    object.__setattr__(layer, name, CallLosses(next(_numbers), weakly, trace))


def kept_entries(calls: CallLosses) -> list[tuple[Any, Any]]:
    """The (owner, value) pairs of a call, without those whose owners are gone."""
    return [(owner, value) for ref, value in calls.entries if (owner := ref()) is not None]


def losses(layer: Any) -> list[jax.Array]:
    """The losses that each layer inside has added in its last call, and those of regularized trainable weights.

    Raises:
        ValueError: in a compiled function, for losses of a call outside of it: they would be constants there.
    """
    values = [value for _, value in _added(layer)]
    for _, variable in layer._tracked_walk.entries:
        if variable.regularizer is not None and variable.trainable:
            values.append(variable.regularizer(scope.read(variable)))
    return values


def _added(layer: Any) -> list[tuple[Any, Any]]:
    """The losses added inside a layer, each in the last call that its owner was a part of.

    The outermost layer of such a call is this layer, one around it, or one inside.
    """
    above, inside = layer._self_and_owners(), layer._tracked_objects
    wanted = {id(below) for below in inside}
    entries: list[tuple[Any, Any]] = []
    for root, added, is_constant in _newest_first([*above, *inside[1:]], {id(each) for each in above}):
        added = [entry for entry in added if id(entry[0]) in wanted]
        if added and is_constant:
            raise ValueError(
                f"{root.path!r} was called outside of the compiled function that reads its losses, which would be "
                "constants there. Call it in the function, or pass the losses to the function as an argument."
            )
        entries = added + entries
        wanted -= {id(below) for below in root._tracked_objects}  # a call of a layer replaces the losses of all inside
    return entries


def _newest_first(layers: list[Any], above: set[int]) -> Iterator[tuple[Any, list[tuple[Any, Any]], bool]]:
    """Yield the outermost calls of some layers, those in the scopes around first, then those that the layers store.

    Args:
        layers: the layers.
        above: the identities of those whose losses in a call that is in progress replace all stored ones.

    Yields:
        The layer, the (owner, value) pairs, and True if the values would be constants of a compiled function.
    """
    inner, compiled = scope.current(), False
    for each in () if inner is None else inner.outwards():
        for root in reversed(each.values.losses):
            if any(root is layer for layer in layers):
                yield root, each.values.losses[root], False
        if isinstance(each.values, IsolatedValues):
            return
        compiled |= isinstance(each.values, ClosedValues)
    if inner is not None and inner.call is not None and id(inner.call.root) in above:
        return  # the call that is in progress
    # A call inside a bare jax.jit leaves tracers, which are of no use outside of it.
    usable = (jax_extend.NO_TRACE, scope.current_trace())
    calls = [
        (layer, call)
        for layer in layers
        if hasattr(layer, "_kept_losses")
        for call in (layer._kept_losses, layer._traced_losses)
        if call.number and call.trace in usable
    ]
    for root, call in sorted(calls, key=lambda pair: -pair[1].number):
        yield root, kept_entries(call), compiled
