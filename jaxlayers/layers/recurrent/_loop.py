"""The loop over time steps: one for cells of ours, which are pure functions of arrays, and one for any other cell.

Both take sequences `[batch, time, ...]`, and `counts`, which steps of `[batch, time]` are no padding, or None. At a
step that is left out, all states stay what they were, and the output is that of the step before (the first state, when
there is none before), or zeros where that is asked for. Padding is set to zero before anything is computed from it, so
that it may hold anything, and gradients are finite whatever it holds.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import scan
from jaxlayers.layers.recurrent._recurrences import Arrays, Recurrence, Weights


def step(
    recurrence: Recurrence, weights: Weights, inputs: jax.Array, states: Arrays, masks: tuple[Arrays, Arrays]
) -> Arrays:
    """The states after one step; inputs `[batch, ...]`."""
    projected = recurrence.project(weights, inputs, masks[0])
    return recurrence.advance(weights, projected, states, masks[1])


def run(
    recurrence: Recurrence,
    weights: Weights,
    sequences: jax.Array,
    states: Arrays,
    counts: jax.Array | None,
    masks: tuple[Arrays, Arrays],
    unroll: bool,
    all_outputs: bool,
    zero_output: bool,
    loop: Any = jax.lax.scan,
) -> tuple[jax.Array, Arrays]:
    """All outputs `[batch, time, ...]`, or the last one alone; and the last states."""
    inputs = jnp.swapaxes(_cleared(sequences, counts), 0, 1)
    projected = recurrence.project(weights, inputs, masks[0])  # [time, batch, units] for each gate
    turns = None if counts is None else jnp.swapaxes(counts, 0, 1)

    def body(states: Arrays, turn: Any) -> tuple[Arrays, jax.Array | None]:
        projected, count = turn
        new = recurrence.advance(weights, projected, states, masks[1])
        new = select(count, new, states)
        output = new[0] if all_outputs else None
        if zero_output and all_outputs and count is not None:
            output = select(count, output, jnp.zeros_like(new[0]))
        return new, output

    states, outputs = loop(body, states, (projected, turns), unroll=unroll)
    return (states[0] if outputs is None else jnp.swapaxes(outputs, 0, 1)), states


# Called eagerly, each is one dispatch; only for recurrences that are known to be pure, since traces are kept.
compiled_step = jax.jit(step, static_argnums=0)
compiled_run = jax.jit(run, static_argnums=(0, 6, 7, 8))
run_with_facades = functools.partial(run, loop=scan)


def run_any(
    call: Any,
    sequences: jax.Array,
    states: Any,
    counts: jax.Array | None,
    unroll: bool,
    all_outputs: bool,
    zero_output: bool,
) -> tuple[jax.Array, Any]:
    """The same for a cell that is any function `(inputs, states) -> (output, states)`, reading and writing facades."""
    inputs = jnp.swapaxes(_cleared(sequences, counts), 0, 1)
    turns = None if counts is None else jnp.swapaxes(counts, 0, 1)
    structure, first = jax.tree.structure(states), jax.tree.leaves(states)[0]

    def body(states: Any, turn: Any) -> tuple[Any, jax.Array]:
        inputs, count = turn
        output, new = call(inputs, states)
        leaves = jax.tree.leaves(new)
        if len(leaves) != structure.num_leaves:
            raise ValueError(
                f"A recurrent cell was called with {structure.num_leaves} states, and returned {len(leaves)}. Its "
                "state_size says how many there are; call() must return as many."
            )
        kept = [leaf.astype(old.dtype) for leaf, old in zip(leaves, jax.tree.leaves(states), strict=True)]
        return select(count, jax.tree.unflatten(structure, kept), states), output

    states, outputs = scan(body, states, (inputs, turns), unroll=unroll)
    if turns is None:
        return (jnp.swapaxes(outputs, 0, 1) if all_outputs else outputs[-1]), states
    if zero_output and all_outputs:
        return jnp.swapaxes(select(turns, outputs, jnp.zeros_like(outputs)), 0, 1), states
    # For each step, the number of the last one that counts; -1 where none has been.
    numbers = jnp.where(turns, jnp.arange(len(turns))[:, None], -1)
    numbers = jax.lax.cummax(numbers, axis=0) if all_outputs else jnp.max(numbers, axis=0, keepdims=True)
    before = first if (first.shape, first.dtype) == (outputs.shape[1:], outputs.dtype) else jnp.zeros_like(outputs[0])
    found = jnp.take_along_axis(outputs, _as_wide(jnp.maximum(numbers, 0), outputs), axis=0)
    outputs = select(numbers >= 0, found, jnp.broadcast_to(before[None], found.shape))
    return (jnp.swapaxes(outputs, 0, 1) if all_outputs else outputs[0]), states


def select(count: jax.Array | None, new: Any, old: Any) -> Any:
    """The new arrays for the samples that count, the old ones for the rest."""
    if count is None:
        return new
    return jax.tree.map(lambda a, b: jnp.where(_as_wide(count, a), a, b), new, old)


def _cleared(sequences: jax.Array, counts: jax.Array | None) -> jax.Array:
    return select(counts, sequences, jnp.zeros_like(sequences))


def _as_wide(count: jax.Array, array: jax.Array) -> jax.Array:
    """With axes of size 1 at the end, to as many as the array has."""
    return count.reshape(*count.shape, *(1,) * (array.ndim - count.ndim))
