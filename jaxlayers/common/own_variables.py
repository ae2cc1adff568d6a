"""The variables that an object holds itself, as files store them: numbered, in the order of Keras.

A *store* is a mapping from names to arrays. Keras's layers and optimizers name their variables "0", "1", ... . A
subclass may override both methods to store something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np

from jaxlayers.common.array_like import ArrayLike


class OwnVariables:
    """The base of objects whose own variables can be saved: layers, optimizers, seed generators."""

    def _saved_variables(self) -> list[Any]:
        """Return the variables assigned to this object, also in containers; those made trainable come first."""
        order = {key: number for number, key in enumerate(self._child_order)}  # type: ignore[attr-defined]
        found = {id(v): v for _, value in self._tracked_children() for v in variables_in(value)}  # type: ignore[attr-defined]
        return sorted(found.values(), key=lambda v: (not v.was_trainable, order.get(id(v), len(order))))

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Write the variables that this object holds itself, not those of objects inside.

        Args:
            store: a mapping that receives the arrays.
        """
        for number, variable in enumerate(self._saved_variables()):
            store[str(number)] = variable

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Assign the arrays that `save_own_variables` wrote.

        Args:
            store: the arrays by name.

        Raises:
            ValueError: when an array is missing, too much or of another shape; nothing has changed then.
        """
        variables = self._saved_variables()
        problems = compare(variables, store)
        if problems:
            raise ValueError("; ".join(problems))
        for number, variable in enumerate(variables):
            variable.assign(store[str(number)])


def numbered(variables: Iterable[Any]) -> dict[str, Any]:
    """Return variables by the names "0", "1", ... ."""
    return {str(number): variable for number, variable in enumerate(variables)}


def compare(variables: Iterable[Any], store: Mapping[str, Any]) -> list[str]:
    """List the differences between stored arrays and the variables that they are for, without reading an array.

    Args:
        variables: the variables, by name in a dict, or to be numbered.
        store: the arrays by name.
    """
    expected = variables if isinstance(variables, dict) else numbered(variables)
    shapes = store.shapes() if hasattr(store, "shapes") else {name: np.shape(store[name]) for name in store}
    problems = []
    for name, variable in expected.items():
        if name not in shapes:
            problems.append(f"{variable.name!r} of shape {tuple(variable.shape)} is missing (as {name!r})")
        elif shapes[name] != tuple(variable.shape):
            problems.append(f"{variable.name!r} has shape {tuple(variable.shape)}, the file has {shapes[name]}")
    extra = [f"{name!r} of shape {shapes[name]}" for name in shapes if name not in expected]
    return problems + ([f"the file has more: {', '.join(extra)}"] if extra else [])


def variables_in(value: Any) -> Iterator[Any]:
    """Yield the variables in a value: itself, or those in containers at any depth."""
    if isinstance(value, ArrayLike) and hasattr(value, "was_trainable"):
        yield value
    elif isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from variables_in(item)
