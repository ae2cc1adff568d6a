"""The layer that runs a recurrent cell over a sequence."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import ops
from jaxlayers.common.masks import get_mask
from jaxlayers.common.own_variables import OwnVariables, compare
from jaxlayers.core import InputSpec, Variable, tracking
from jaxlayers.core.protocols import Role
from jaxlayers.layers.recurrent import _loop
from jaxlayers.layers.recurrent._cell import has_own_loop
from jaxlayers.layers.recurrent.stacked import StackedRNNCells, as_callable, build_cell, check_cell, initial_state
from jaxlayers.layers.wrappers import InnerLayers


class RNN(InnerLayers):
    """A layer that runs a cell over a sequence: `output, states = cell(inputs[:, t], states)` for each `t`.

    At a masked time step the states do not change, and the output is that of the time step before; before the first
    valid time step, it is the initial value of the first state. Padding may have any values. Differences from Keras:

    - The mask that the sequences carry is used also if an `initial_state` is passed.
    - The last output is that of the last valid time step, also with `zero_output_for_mask`.
    - A cell whose output is not one of its states repeats its output at a masked time step, not its state.

    Args:
        cell: a layer with `call(inputs, states) -> (output, states)` and `state_size`, an integer or a list of
            integers; or a list of cells, which becomes a `StackedRNNCells`. If the cell has
            `get_initial_state(batch_size)`, it returns the initial states; otherwise they are zeros.
        return_sequences: if True, the outputs of all time steps are returned; otherwise (the default) the last output.
        return_state: if True, the last states are returned as well. False by default.
        go_backwards: if True, the sequence is reversed first; the outputs are in the order of their computation. False
            by default.
        stateful: if True, the initial states of a call are the last states of the call before, for a fixed batch size;
            `reset_state()` sets them back. False by default. The states are in `variables`, not in `weights`. (Keras on
            JAX loses the states that `fit`, `predict` and other compiled steps compute.)
        unroll: if True, the loop is unrolled, which takes longer to compile. False by default.
        zero_output_for_mask: if True, the outputs at masked time steps are zero with `return_sequences`. False by
            default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        sequences: `[batch, time, ...]`; initial_state: a list of the states; mask: `[batch, time]`; outputs:
        `[batch, ...]`, or `[batch, time, ...]` with `return_sequences`; with `return_state`, followed by the last
        states.

    Raises:
        ValueError: when `cell` is not a cell; when the shapes of sequences, mask or states do not fit; when a stateful
            layer receives another batch size.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> class Sum(jl.layers.Layer):
        ...     state_size = 2
        ...     def call(self, inputs, states):
        ...         total = states[0] + inputs
        ...         return total, [total]
        >>> jl.layers.RNN(Sum())(jnp.ones((1, 5, 2))).tolist()
        [[5.0, 5.0]]
    """

    _inner_layers = ("cell",)

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ):
        if isinstance(cell, list | tuple):
            cell = StackedRNNCells(cell)
        check_cell(type(self).__name__, cell)
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful, self.unroll = go_backwards, stateful, unroll
        self.zero_output_for_mask = zero_output_for_mask
        self._states: _States | None = None

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the cell's states."""
        size = self.cell.state_size
        return list(size) if isinstance(size, list | tuple) else [size]

    @property
    def states(self) -> Any:
        """The variables with the states of a stateful layer; None if the layer is not stateful, or not built."""
        return None if self._states is None else jax.tree.unflatten(self._states.structure, self._states.held)

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Build the cell, and make the variables of a stateful layer."""
        batch, _, *sample = sequences_shape
        build_cell(self.cell, (batch, *sample))
        cell_spec = getattr(self.cell, "input_spec", None)
        if isinstance(cell_spec, InputSpec) and cell_spec.ndim is not None:
            # The axis of time comes after the batch, so positive axes move by one.
            self.input_spec = InputSpec(
                ndim=cell_spec.ndim + 1, axes={axis + (axis >= 0): size for axis, size in cell_spec.axes.items()}
            )
        if self.stateful:
            states, structure = jax.tree.flatten(jax.eval_shape(lambda: self.get_initial_state(batch)))
            variables = []
            for number, state in enumerate(states):
                initializer = functools.partial(_initial_state, self, number, batch)
                variables.append(Variable(initializer, state.shape, self.variable_dtype, False, name="rnn_state"))
            self._states = _States(variables, structure)

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states before the first time step: from `get_initial_state` of the cell, or zeros."""
        states = initial_state(self.cell, batch_size, getattr(self.cell, "compute_dtype", self.compute_dtype))
        return list(states) if isinstance(states, list | tuple) else [states]

    def reset_state(self) -> None:
        """Set the states of a stateful layer to the initial states."""
        if self._states is not None:
            batch = self._states.held[0].shape[0]
            for variable, value in zip(self._states.held, jax.tree.leaves(self.get_initial_state(batch)), strict=True):
                variable.assign(value)

    def reset_states(self) -> None:
        """Call `reset_state`, of which this is the former name."""
        self.reset_state()

    def call(self, sequences: jax.Array, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Run the cell over all time steps.

        Args:
            sequences: the sequences.
            initial_state: the states before the first time step; by default those of `get_initial_state`, or those of
                the call before if the layer is stateful.
            mask: the mask of the sequences; by default the one that they carry.
            training: if True, the cell runs in training. False by default.
        """
        if sequences.ndim < 3:
            raise ValueError(f"{self.path!r} expects sequences [batch, time, ...]; received shape {sequences.shape}.")
        valid = self._valid_steps(sequences, get_mask(sequences) if mask is None else jax.tree.leaves(mask)[0])
        states = self._initial_states(sequences.shape[0], initial_state)
        if self.go_backwards:
            sequences, valid = jnp.flip(sequences, 1), None if valid is None else jnp.flip(valid, 1)
        options = (self.unroll, self.return_sequences, self.zero_output_for_mask)
        output, states = _run(self.cell, sequences, states, valid, training, options)
        output, states = jax.tree.map(lambda array: array.astype(self.compute_dtype), (output, states))
        if self._states is not None:
            for variable, value in zip(self._states.held, jax.tree.leaves(states), strict=True):
                variable.assign(value)
        return (output, *states) if self.return_state else output

    def _valid_steps(self, sequences: jax.Array, mask: Any) -> jax.Array | None:
        """The mask as `[batch, time]`: a time step is valid if any element of its mask is True."""
        if mask is None:
            return None
        steps = sequences.shape[:2]
        mask = jnp.asarray(mask, bool)
        mask = mask[:, None] if mask.ndim == 1 else mask.reshape(*mask.shape[:2], math.prod(mask.shape[2:])).any(-1)
        if mask.shape[0] != steps[0] or mask.shape[1] not in (1, steps[1]):
            raise ValueError(
                f"{self.path!r} expects a mask of shape {steps} for sequences of shape {sequences.shape}; received a "
                f"mask of shape {mask.shape}."
            )
        return jnp.broadcast_to(mask, steps)

    def _initial_states(self, batch: int, states: Any) -> list[Any]:
        """The states before the first time step, from the argument of the call, the states held, or the cell."""
        if self._states is not None and (built := self._states.held[0].shape[0]) != batch:
            raise ValueError(
                f"{self.path!r} is stateful, and was built for batches of {built}; received one of {batch}. Set the "
                "batch_size of the model's Input, and use batches of this size."
            )
        default = self.get_initial_state(batch)
        if states is None:
            states = default if self._states is None else self.states
        states = list(states) if isinstance(states, list | tuple) else [states]
        dtype = getattr(self.cell, "compute_dtype", self.compute_dtype)
        arrays = [jnp.asarray(leaf, dtype) for leaf in jax.tree.leaves(states)]
        expected, received = [leaf.shape for leaf in jax.tree.leaves(default)], [array.shape for array in arrays]
        if expected != received:
            raise ValueError(f"{self.path!r} expects states of shapes {expected}; received {received}.")
        return jax.tree.unflatten(jax.tree.structure(default), arrays)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of the inputs, `[batch, time]`, for sequences of outputs; None for a last output and for states."""
        mask = None
        if self.return_sequences:
            mask = next(iter(jax.tree.leaves(previous_mask)), None)
            while mask is not None and len(mask.shape) > 2:
                mask = ops.any(mask, axis=-1)
        return [mask, *(None for _ in jax.tree.leaves(self.state_size))] if self.return_state else mask


class _States(OwnVariables, tracking.Tracked):
    """The states of a stateful layer: variables that are not in `weights`, as in Keras.

    They are in files (not in Keras's). States of another batch size are left out when a file is loaded.
    """

    _variable_role = Role.STATE

    def __init__(self, variables: list[Variable], structure: Any):
        self.held = variables
        self.structure = structure

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """The variables, by their number."""
        for number, variable in enumerate(self.held):
            yield str(number), variable

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Assign the states in a file, if it has them for this batch size."""
        if not compare(self._saved_variables(), store):
            super().load_own_variables(store)


def _initial_state(layer: RNN, number: int, batch: int, shape: Any, dtype: Any = None) -> jax.Array:
    """The initial value of a variable of a stateful layer: the initial state with this number."""
    return jnp.asarray(jax.tree.leaves(layer.get_initial_state(batch))[number], dtype)


def _run(
    cell: Any, sequences: jax.Array, states: Any, valid: Any, training: bool, options: tuple[bool, bool, bool]
) -> tuple[jax.Array, Any]:
    """Run a cell over all time steps; the arguments are those of `Cell.run`.

    A stack runs its first cell over all time steps, then the second on the outputs of the first, and so on. The results
    are those of all cells at each time step, and each cell can use the fastest loop that it has.
    """
    unroll, all_outputs, zero_output = options
    if type(cell) is StackedRNNCells and cell.activity_regularizer is None:
        last = []
        for number, (inner, state) in enumerate(zip(cell.cells, states, strict=True)):
            is_list, is_top = isinstance(state, list | tuple), number == len(cell.cells) - 1
            options = (unroll, all_outputs or not is_top, zero_output and is_top)
            sequences, new = _run(inner, sequences, list(state) if is_list else [state], valid, training, options)
            last.append(new if is_list else new[0])
        return sequences, last
    if has_own_loop(cell):
        return cell.run(sequences, states, valid, training, options)
    return _loop.run_any(as_callable(cell), sequences, states, valid, *options)
