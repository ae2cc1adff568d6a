"""Masks that travel with arrays: which steps of a sequence count.

A JAX array has no place for an attribute, so a table holds the mask of each array for as long as the array lives.
"""

from __future__ import annotations

import functools
import weakref
from typing import Any

import jax

from jaxlayers.core.symbolic import SymbolicTensor

_masks: dict[int, tuple[weakref.ref[Any], Any]] = {}


def in_use() -> bool:
    """Whether any array has a mask."""
    return bool(_masks)


def get_mask(array: Any) -> Any:
    """The mask of an array or symbolic tensor, or None."""
    if type(array) is SymbolicTensor:
        return array.mask
    if not _masks:
        return None
    entry = _masks.get(id(array))
    return entry[1] if entry is not None and entry[0]() is array else None


def set_mask(array: Any, mask: Any) -> None:
    """Let a mask travel with an array; None takes it away."""
    if type(array) is SymbolicTensor:
        array.mask = mask
    elif isinstance(array, jax.Array):
        key = id(array)
        if mask is None:
            _masks.pop(key, None)
        else:
            forget = functools.partial(_masks.pop, key)  # bound: at exit, module globals go before the last arrays
            _masks[key] = (weakref.ref(array, forget), mask)
