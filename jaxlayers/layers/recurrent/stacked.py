"""A stack of recurrent cells as one cell, and functions for cells that need not be subclasses of `Cell`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import registry
from jaxlayers.common.explanations import describe
from jaxlayers.core import Layer, building, scope
from jaxlayers.layers.wrappers import InnerLayers


class StackedRNNCells(InnerLayers):
    """A stack of cells as one cell: the inputs of each cell are the outputs of the one before.

    Args:
        cells: a list of the cells, from the first to the last.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, features]`; states: a list of the states of each cell; outputs: those of the last cell, and the
        new states. (In Keras, the states of a stack of one cell are not in a list.)

    Raises:
        ValueError: when an element of `cells` has no `call` or no `state_size`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.RNN(jl.layers.StackedRNNCells([jl.layers.LSTMCell(4), jl.layers.GRUCell(3)]))
        >>> layer(jnp.ones((1, 5, 2))).shape
        (1, 3)
    """

    _inner_layers = ("cells",)

    def __init__(self, cells: Any, **kwargs: Any):
        super().__init__(**kwargs)
        for cell in cells:
            check_cell(type(self).__name__, cell)
        self.cells = list(cells)

    def build(self, input_shape: Any) -> None:
        """Build the cells for the outputs of the cells before them."""
        for cell in self.cells:
            build_cell(cell, input_shape)
            input_shape = (input_shape[0], output_size(cell))

    @property
    def state_size(self) -> list[Any]:
        """A list of the state sizes of the cells."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The output size of the last cell."""
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """A list of the initial states of the cells."""
        return [initial_state(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def call(self, inputs: jax.Array, states: Any, training: bool = False) -> Any:
        """Compute one step of each cell: the output of the last one, and a list of the new states of all."""
        new_states = []
        for cell, state in zip(self.cells, states, strict=True):
            is_list = isinstance(state, list | tuple)
            inputs, new = as_callable(cell)(inputs, list(state) if is_list else [state])
            new = list(new) if isinstance(new, list | tuple) else [new]
            new_states.append(new if is_list else new[0])
        return inputs, new_states

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data; the cells as configs of their own."""
        return {**super().get_config(), "cells": [registry.describe(cell) for cell in self.cells]}


def check_cell(where: str, cell: Any) -> None:
    """Check that an object is a cell.

    Raises:
        ValueError: when it has no `call` or no `state_size`.
    """
    for name in ("call", "state_size"):
        if isinstance(cell, type) or not hasattr(cell, name):
            raise ValueError(
                f"{where} expects cells, with call(inputs, states) and state_size; received {describe(cell)}"
                + ("." if isinstance(cell, type) else f", which has no {name}.")
            )


def build_cell(cell: Any, input_shape: Any) -> None:
    """Build a cell during the build of its owner, by its method `build` if this takes one shape.

    Other cells are built by their first call.
    """
    if not isinstance(cell, Layer) or cell.built or building.is_default(type(cell).build):
        return
    if len(cell._call_spec.build_names) == 1:
        inputs = jax.ShapeDtypeStruct(tuple(input_shape), cell.compute_dtype)
        inner: Any = scope.current()
        building.build_in_call(cell, inner, (inputs,), {})


def as_callable(cell: Any) -> Any:
    """The callable of a cell: the cell itself, or its method `call` if it is not a layer."""
    return cell if callable(cell) else cell.call


def output_size(cell: Any) -> Any:
    """The output size of a cell: its attribute `output_size`, or else the size of its first state."""
    size = getattr(cell, "output_size", None) or cell.state_size
    return size[0] if isinstance(size, list | tuple) else size


def initial_state(cell: Any, batch_size: int | None, dtype: Any) -> Any:
    """The initial states of a cell: from its method `get_initial_state`, or else zeros."""
    if hasattr(cell, "get_initial_state"):
        return cell.get_initial_state(batch_size=batch_size)
    is_single = isinstance(cell.state_size, int)
    sizes = [cell.state_size] if is_single else cell.state_size
    zeros = [jnp.zeros((batch_size, *(size if isinstance(size, list | tuple) else [size])), dtype) for size in sizes]
    return zeros[0] if is_single else zeros
