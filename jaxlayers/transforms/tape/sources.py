"""Variables and layers as sources of gradients.

A variable is watched when it is read. The first read of each value that it holds makes a *leaf*: an array of its own
that stands for the variable in one record. So reads outside of the tape, two variables with the same array, and nested
tapes are told apart. The gradient of a variable is the sum over its leaves.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core.layer import Layer
from jaxlayers.core.variable import Variable
from jaxlayers.transforms.gradients import is_facade, trainable_of


class WatchedVariables:
    """The variables of a record, and their leaves.

    Attributes:
        accessed: if True, trainable variables are watched when they are read.
    """

    def __init__(self) -> None:
        self.accessed = True
        self._explicit: dict[Variable, None] = {}
        self._leaves: dict[Variable, list[tuple[Any, Any]]] = {}  # (array held, leaf), the newest last

    def watch(self, variable: Variable) -> None:
        """Watch a variable from now on, trainable or not."""
        self._explicit[variable] = None

    def watches(self, variable: Variable) -> bool:
        """True if reads of a variable are recorded."""
        return variable in self._explicit or (
            self.accessed and variable.trainable and jnp.issubdtype(variable.dtype, jnp.inexact)
        )

    def leaf(self, variable: Variable, array: Any) -> Any:
        """Return the leaf of a variable for the array that it holds, or None if it has none yet."""
        leaves = self._leaves.get(variable)
        if leaves and (leaves[-1][0] is array or leaves[-1][1] is array):
            return leaves[-1][1]
        return None

    def add(self, variable: Variable, array: Any, leaf: Any) -> None:
        """Note the leaf of a variable for the array that it holds now."""
        self._leaves.setdefault(variable, []).append((array, leaf))
        _all_leaves[id(leaf)] = leaf

    def leaves(self, variable: Variable) -> list[Any]:
        """All leaves of a variable."""
        return [leaf for _, leaf in self._leaves.get(variable, ())]

    def all(self) -> list[Variable]:
        """The variables that are watched explicitly, and those that were read."""
        return list({**self._explicit, **dict.fromkeys(self._leaves)})


_all_leaves: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def is_old_leaf(array: Any, known: Mapping[int, Any]) -> bool:
    """True if an array is a leaf of another record than the one with these arrays."""
    return id(array) not in known and _all_leaves.get(id(array)) is array


def flatten(structure: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Return the variables and arrays in a structure, and a function that gives a list of gradients its structure.

    A layer stands for its `params`.
    """
    expanded = jax.tree.map(
        lambda leaf: trainable_of(leaf) if isinstance(leaf, Layer) else leaf, structure, is_leaf=is_facade
    )
    leaves, tree = jax.tree.flatten(expanded, is_leaf=is_facade)
    return leaves, lambda gradients: jax.tree.unflatten(tree, gradients)
