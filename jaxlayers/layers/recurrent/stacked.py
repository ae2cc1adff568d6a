"""Several recurrent cells as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import registry
from jaxlayers.core import Layer, building, scope


class StackedRNNCells(Layer):
    """Cells on top of each other: each is called with the output of the one before.

    Args:
        cells: the cells, first to last.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, features]`; states: a list with the states of each cell; outputs: those of the last cell, and
        the new states. Unlike in Keras, the states of a single cell are in a list too.

    Raises:
        ValueError: when something is no cell: it has no `call` or no `state_size`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.RNN(jl.layers.StackedRNNCells([jl.layers.LSTMCell(4), jl.layers.GRUCell(3)]))
        >>> layer(jnp.ones((1, 5, 2))).shape
        (1, 3)
    """

    builds_from_shape = True

    def __init__(self, cells: Any, **kwargs: Any):
        super().__init__(**kwargs)
        for cell in cells:
            check_cell(type(self).__name__, cell)
        self.cells = list(cells)

    def build(self, input_shape: Any) -> None:
        """Build the cells of this library; others build themselves when they are called."""
        for cell in self.cells:
            build_cell(cell, input_shape)
            input_shape = (input_shape[0], output_size(cell))
        super().build(input_shape)

    @property
    def state_size(self) -> list[Any]:
        """The state sizes of the cells."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The output size of the last cell."""
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """The states before the first step, cell by cell."""
        return [initial_state(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def call(self, inputs: jax.Array, states: Any, training: bool = False) -> Any:
        """One step of each cell."""
        new_states = []
        for cell, state in zip(self.cells, states, strict=True):
            several = isinstance(state, list | tuple)
            inputs, new = called(cell)(inputs, list(state) if several else [state])
            new = list(new) if isinstance(new, list | tuple) else [new]
            new_states.append(new if several else new[0])
        return inputs, new_states

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again; the cells as configs of their own."""
        return {**super().get_config(), "cells": [registry.describe(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The stack that `get_config()` describes; without weights."""
        cells = [registry.lookup("layer", cell, custom_objects) for cell in config["cells"]]
        return super().from_config({**config, "cells": cells})


def check_cell(where: str, cell: Any) -> None:
    """Refuse what is no cell.

    Raises:
        ValueError: when it has no `call` or no `state_size`.
    """
    for name in ("call", "state_size"):
        if not hasattr(cell, name):
            raise ValueError(
                f"{where} needs cells, which have call(inputs, states) and state_size; {cell!r} has no {name}."
            )


def build_cell(cell: Any, input_shape: Any) -> None:
    """Build a cell of ours for inputs of a step in the midst of a build; others are built when they are called."""
    if getattr(cell, "builds_from_shape", False) and not cell.built:
        inputs = jax.ShapeDtypeStruct(tuple(input_shape), cell.compute_dtype)
        inner: Any = scope.current()
        building.build_in_call(cell, inner, (inputs,), {})


def called(cell: Any) -> Any:
    """What to call: the cell, or its `call` when it is no layer."""
    return cell if callable(cell) else cell.call


def output_size(cell: Any) -> Any:
    """What a cell says of its output's size, or that of its first state."""
    size = getattr(cell, "output_size", None)
    if size is None:
        size = cell.state_size
    return size[0] if isinstance(size, list | tuple) else size


def initial_state(cell: Any, batch_size: int | None, dtype: Any) -> Any:
    """The states a cell starts from: what it says, or zeros."""
    if hasattr(cell, "get_initial_state"):
        return cell.get_initial_state(batch_size=batch_size)
    one = isinstance(cell.state_size, int)
    sizes = [cell.state_size] if one else cell.state_size
    zeros = [jnp.zeros((batch_size, *(size if isinstance(size, list | tuple) else [size])), dtype) for size in sizes]
    return zeros[0] if one else zeros
