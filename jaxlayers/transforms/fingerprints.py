"""Fingerprints: what a traced function depends on besides its arguments and the arrays of variables.

A trace contains the values that attributes had: the rate of a Dropout, an activation, the list of layers. A
`Fingerprint` describes them, so that a compiled function can tell whether they are still the same.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np

from jaxlayers.common.changes import Noticed
from jaxlayers.core.tracking import Tracked, TrackedDict, TrackedList
from jaxlayers.core.variable import Variable

_SCALARS = (type(None), bool, int, float, complex, str, bytes, np.generic)
_SEQUENCES, _TRACKED = (list, tuple), (TrackedList, TrackedDict)
_PROPERTIES = ("trainable", "regularizer", "constraint", "sharding")
_MOST_ITEMS = 1000  # larger containers are compared by identity, and by the number of their changes


class Fingerprint:
    """The attributes of objects, and the properties of variables, at one moment.

    Values that are no numbers, strings or containers are compared by identity, and held weakly: the objects hold
    compiled functions, which hold fingerprints.

    Args:
        objects: the objects.
        variables: the variables.
    """

    def __init__(self, objects: Iterable[Tracked], variables: Iterable[Variable]):
        self._parts = [
            (_Identity(thing), {name: _describe(value) for name, value in thing._program_attributes()})
            for thing in objects
        ]
        for variable in variables:
            properties = {name: getattr(variable, name) for name in _PROPERTIES}
            owner = variable.owner
            properties["owner is trainable"] = getattr(owner, "_trainable", None)
            self._parts.append((_Identity(variable), {name: _describe(v) for name, v in properties.items()}))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fingerprint) and self._parts == other._parts

    __hash__ = None  # type: ignore[assignment]

    def first_difference(self, other: Fingerprint) -> str:
        """Name the first attribute that differs from that in another fingerprint, for messages."""
        for (thing, new), (same, old) in zip(self._parts, other._parts, strict=False):
            if thing != same:
                break
            for name in new.keys() | old.keys():
                if new.get(name) != old.get(name):
                    return f"{name!r} of {getattr(thing.value(), 'path', 'an object')!r}"
        return "the list of layers"


class _Identity:
    """A value that is compared by identity; held weakly if that is possible."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        try:
            self.value: Any = weakref.ref(value)
        except TypeError:
            self.value = lambda: value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.value() is other.value() and self.value() is not None

    __hash__ = None  # type: ignore[assignment]


def _describe(value: Any, around: tuple[Any, ...] = ()) -> Any:
    """Describe a value.

    Args:
        value: the value.
        around: the objects that it is an attribute of. One that is among its own attributes is described once.
    """
    if isinstance(value, _SCALARS):
        return type(value), value
    if isinstance(value, _TRACKED) and (value._changed_in_runs or len(value) > _MOST_ITEMS):
        return _Identity(value), value.changes
    if isinstance(value, dict) and len(value) <= _MOST_ITEMS:
        return dict, [(key, _describe(item, around)) for key, item in value.items()]
    if isinstance(value, _SEQUENCES) and len(value) <= _MOST_ITEMS:
        return type(value), [_describe(item, around) for item in value]
    if isinstance(value, Tracked) or not isinstance(value, Noticed) or any(value is each for each in around):
        return _Identity(value)  # a Tracked is compared as an object of its own
    return _Identity(value), [(name, _describe(item, (*around, value))) for name, item in vars(value).items()]
