"""The layer that runs a recurrent cell over a sequence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import ops
from jaxlayers.common import registry
from jaxlayers.core import InputSpec, Layer, Variable, tracking
from jaxlayers.core.masks import get_mask
from jaxlayers.layers.recurrent import _loop
from jaxlayers.layers.recurrent._cell import runs_itself
from jaxlayers.layers.recurrent.stacked import StackedRNNCells, build_cell, called, check_cell, initial_state


class RNN(Layer):
    """Runs a cell over a sequence: `output, states = cell(inputs[:, t], states)` for each `t`.

    At a masked step the states stay as they are, and the output repeats the one before (the first state, when there is
    none before); padding may hold anything. Where Keras differs: a mask that travels with the sequences also counts
    when an `initial_state` is given; the last output is that of the last step that counts, also with
    `zero_output_for_mask`; the repeated output of a cell whose output is no state is its output, not its state.

    Args:
        cell: a layer with `call(inputs, states) -> (output, states)` and `state_size`, an integer or a list of them;
            with `get_initial_state(batch_size)` it may start from anything, from zeros otherwise. Or a list of cells,
            which is stacked.
        return_sequences: whether to return the outputs of all steps, or the last one.
        return_state: whether to return the last states as well.
        go_backwards: whether to begin at the end; outputs are in the order in which they are computed.
        stateful: whether a call begins with the states that the one before ended with. The batch size is fixed then;
            `reset_state()` starts again. The states are in `variables`, and not in `weights`. (Keras on JAX forgets
            what `fit`, `predict` and the other compiled steps leave in them.)
        unroll: whether to write the loop out, step by step: longer to compile.
        zero_output_for_mask: whether the output at a masked step is zero, with `return_sequences`.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        sequences: `[batch, time, ...]`; initial_state: the states, a list; mask: `[batch, time]`; outputs:
        `[batch, time, ...]` or `[batch, ...]`, followed by the last states with `return_state`.

    Raises:
        ValueError: when `cell` is none; when states do not fit; when a stateful layer meets another batch size.

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
        """The variables that a stateful layer keeps its states in; None when there are none."""
        return None if self._states is None else jax.tree.unflatten(self._states.structure, self._states.held)

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Build the cell, and make the variables of a stateful layer."""
        batch, _, *sample = sequences_shape
        build_cell(self.cell, (batch, *sample))
        of_cell = getattr(self.cell, "input_spec", None)
        if isinstance(of_cell, InputSpec) and of_cell.ndim is not None:
            self.input_spec = InputSpec(
                ndim=of_cell.ndim + 1, axes={axis + (axis >= 0): size for axis, size in of_cell.axes.items()}
            )
        if self.stateful:
            first = jax.eval_shape(lambda: self.get_initial_state(batch))
            variables = [
                Variable(
                    _FirstState(self, number, batch),
                    shape=state.shape,
                    dtype=self.variable_dtype,
                    trainable=False,
                    name="rnn_state",
                )
                for number, state in enumerate(jax.tree.leaves(first))
            ]
            self._states = _States(variables, jax.tree.structure(first))
        super().build(sequences_shape)

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states before the first step: what the cell says, or zeros."""
        found = initial_state(self.cell, batch_size, getattr(self.cell, "compute_dtype", self.compute_dtype))
        return list(found) if isinstance(found, list | tuple) else [found]

    def reset_state(self) -> None:
        """Let the next call of a stateful layer start anew."""
        if self._states is not None:
            batch = self._states.held[0].shape[0]
            for variable, value in zip(self._states.held, jax.tree.leaves(self.get_initial_state(batch)), strict=True):
                variable.assign(value)

    def reset_states(self) -> None:
        """The same as `reset_state`."""
        self.reset_state()

    def call(self, sequences: jax.Array, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Run the cell over all steps."""
        if sequences.ndim < 3:
            raise ValueError(f"{self.path!r} expects sequences [batch, time, ...]; received shape {sequences.shape}.")
        counts = self._counts(sequences, get_mask(sequences) if mask is None else jax.tree.leaves(mask)[0])
        states = self._first_states(sequences.shape[0], initial_state)
        if self.go_backwards:
            sequences, counts = jnp.flip(sequences, 1), None if counts is None else jnp.flip(counts, 1)
        how = (self.unroll, self.return_sequences, self.zero_output_for_mask)
        output, states = _run(self.cell, sequences, states, counts, training, how)
        output, states = jax.tree.map(lambda array: array.astype(self.compute_dtype), (output, states))
        if self._states is not None:
            for variable, value in zip(self._states.held, jax.tree.leaves(states), strict=True):
                variable.assign(value)
        return (output, *states) if self.return_state else output

    def _counts(self, sequences: jax.Array, mask: Any) -> jax.Array | None:
        """Which steps count, `[batch, time]`: those of which any part of the mask is true."""
        if mask is None:
            return None
        steps = sequences.shape[:2]
        mask = jnp.asarray(mask, bool)
        mask = mask[:, None] if mask.ndim == 1 else mask.reshape(*mask.shape[:2], math.prod(mask.shape[2:])).any(-1)
        if mask.shape[0] != steps[0] or mask.shape[1] not in (1, steps[1]):
            raise ValueError(
                f"{self.path!r} expects a mask of shape {steps} for sequences of shape {sequences.shape}; received "
                f"{mask.shape}."
            )
        return jnp.broadcast_to(mask, steps)

    def _first_states(self, batch: int, given: Any) -> list[Any]:
        if self._states is not None and (built := self._states.held[0].shape[0]) != batch:
            raise ValueError(
                f"{self.path!r} is stateful, and was built for batches of {built}; received one of {batch}. Give the "
                "model's Input a batch_size, and keep to it."
            )
        default = self.get_initial_state(batch)
        if given is None:
            given = default if self._states is None else self.states
        given = list(given) if isinstance(given, list | tuple) else [given]
        dtype = getattr(self.cell, "compute_dtype", self.compute_dtype)
        arrays = [jnp.asarray(leaf, dtype) for leaf in jax.tree.leaves(given)]
        wanted, received = [leaf.shape for leaf in jax.tree.leaves(default)], [array.shape for array in arrays]
        if wanted != received:
            raise ValueError(f"{self.path!r} expects states of shapes {wanted}; received {received}.")
        return jax.tree.unflatten(jax.tree.structure(default), arrays)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of the steps on the sequence of outputs; none on anything else."""
        mask = None
        if self.return_sequences:
            mask = next(iter(jax.tree.leaves(previous_mask)), None)
            while mask is not None and len(mask.shape) > 2:
                mask = ops.any(mask, axis=-1)
        return [mask, *(None for _ in jax.tree.leaves(self.state_size))] if self.return_state else mask

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The layer that `get_config()` describes; without weights."""
        if "cell" in config:
            config = {**config, "cell": registry.lookup("layer", config["cell"], custom_objects)}
        return super().from_config(config)


class _States(tracking.Tracked):
    """The states of a stateful layer: variables that are no weights, as in Keras."""

    _kind = "state"

    def __init__(self, variables: list[Variable], structure: Any):
        self.held = variables
        self.structure = structure

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """The variables by number."""
        for number, variable in enumerate(self.held):
            yield str(number), variable


class _FirstState:
    """The initializer of a stateful layer's variable."""

    def __init__(self, layer: RNN, number: int, batch: int):
        self.layer, self.number, self.batch = layer, number, batch

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        return jnp.asarray(jax.tree.leaves(self.layer.get_initial_state(self.batch))[self.number], dtype)


def _run(
    cell: Any, sequences: jax.Array, states: Any, counts: Any, training: bool, how: tuple[bool, bool, bool]
) -> tuple[jax.Array, Any]:
    """All steps of a cell; of a stack, those of one cell after those of the other, which comes to the same."""
    unroll, all_outputs, zero_output = how
    if type(cell) is StackedRNNCells and cell.activity_regularizer is None:
        last = []
        for number, (one, state) in enumerate(zip(cell.cells, states, strict=True)):
            several, top = isinstance(state, list | tuple), number == len(cell.cells) - 1
            how = (unroll, all_outputs or not top, zero_output and top)
            sequences, new = _run(one, sequences, list(state) if several else [state], counts, training, how)
            last.append(new if several else new[0])
        return sequences, last
    if runs_itself(cell):
        return cell.run(sequences, states, counts, training, how)
    return _loop.run_any(called(cell), sequences, states, counts, *how)
