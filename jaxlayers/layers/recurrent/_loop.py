"""The loops over time steps: one for the library's cells, which are pure functions of arrays, and one for other cells.

Both take sequences `[batch, time, ...]` and `counts`, a mask `[batch, time]` that is False for padding, or None. At a
padded step the states do not change, and the output is that of the step before (the first state, if there is none), or
zeros if `zero_output` is True. Padding is set to zero before it is used, so that values and gradients are finite,
whatever it holds.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.manual_axes import vary, varying_axes
from jaxlayers.layers.recurrent._recurrences import Arrays, Recurrence, Weights
from jaxlayers.numerics.masking import append_axes, select
from jaxlayers.transforms import scan


def step(
    recurrence: Recurrence, weights: Weights, inputs: jax.Array, states: Arrays, masks: tuple[Arrays, Arrays]
) -> Arrays:
    """Return the states after one step; inputs `[batch, ...]`."""
    projected = recurrence.apiece(recurrence.project(weights, inputs, masks[0]))
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
    facades: bool = False,
) -> tuple[jax.Array, Arrays]:
    """Return all outputs `[batch, time, ...]`, or the last one alone; and the last states."""
    inputs = jnp.swapaxes(_cleared(sequences, counts), 0, 1)
    turns = None if counts is None else jnp.swapaxes(counts, 0, 1)
    states = vary(states, varying_axes(inputs, weights, masks, states))
    arguments = (recurrence, unroll, weights, inputs, states, masks, turns)
    if recurrence.apart and not facades:
        states, outputs = _iterate(*arguments)
    else:
        states, outputs = _loop(scan if facades else jax.lax.scan, *arguments)
    if not all_outputs:
        return states[0], states
    if zero_output:
        outputs = select(turns, outputs, jnp.zeros_like(outputs))
    return jnp.swapaxes(outputs, 0, 1), states


def _loop(
    scan: Any,
    recurrence: Recurrence,
    unroll: bool,
    weights: Weights,
    inputs: jax.Array,
    states: Arrays,
    masks: tuple[Arrays, Arrays],
    turns: Any,
) -> tuple[Arrays, jax.Array]:
    """Return the last states, and all outputs `[time, batch, ...]`; `scan` is JAX's, or that for cells with facades."""

    def body(states: Arrays, turn: Any) -> tuple[Arrays, jax.Array]:
        projected, count = turn
        new = select(count, recurrence.advance(weights, projected, states, masks[1]), states)
        return new, new[0]

    projected = recurrence.project_apiece(weights, inputs, masks[0])
    return scan(body, states, (projected, turns), unroll=unroll)


_iterate = jax.custom_jvp(functools.partial(_loop, jax.lax.scan), nondiff_argnums=(0, 1))


@_iterate.defjvp
def _iterate_with_tangents(recurrence: Recurrence, unroll: bool, primals: Any, tangents: Any) -> Any:
    """Return the derivative that JAX would compute, in another order: the weights' part is one product over all steps.

    `mix` is linear in the previous output and in the weights. So its tangent is a term of the output's tangent, inside
    of the loop, plus a term of the weights' tangent, which needs nothing but the outputs. Transposed, the gradient of
    the weights is one product after the loop; JAX's own has one for each step. The gates are computed again rather than
    kept, which costs less than the memory. The tangents of all gates are one array: transposed, the loop then writes
    the array that the products after it read. (The gradient of an LSTM takes up to 1.2 times as long with an array for
    each gate, which these products would have to copy.)
    """
    weights, inputs, states, masks, turns = primals
    d_weights, d_inputs, d_states, *_ = tangents  # masks are constants

    def body(states: Arrays, turn: Any) -> Any:
        projected, count = turn
        joined = recurrence.join(projected, recurrence.apiece(recurrence.mix(weights, states[0], masks[1])))
        new = select(count, recurrence.combine(joined, states), states)
        return new, (new[0], states, joined)

    projected = recurrence.project_apiece(weights, inputs, masks[0])
    last, (outputs, before, joined) = jax.lax.scan(body, states, (projected, turns), unroll=unroll)

    @functools.partial(jax.checkpoint, prevent_cse=False)
    def slope(joined: Arrays, states: Arrays, count: Any, d_joined: Arrays, d_states: Arrays) -> Arrays:
        def gates(joined: Arrays, states: Arrays) -> Arrays:
            return select(count, recurrence.combine(joined, states), states)

        return jax.jvp(gates, (joined, states), (d_joined, d_states))[1]

    def tangent(d_states: Arrays, turn: Any) -> tuple[Arrays, jax.Array]:
        joined, states, count, d_terms = turn
        by_output = recurrence.product(recurrence.state_product, d_states[0], weights[1], masks[1])
        d_terms = (*d_terms[:-1], d_terms[-1] + by_output)
        d_joined = tuple(map(recurrence.apiece, d_terms))
        d_new = slope(joined, states, count, d_joined[0] if recurrence.summed else recurrence.join(*d_joined), d_states)
        return d_new, d_new[0]

    def project(weights: Weights, inputs: jax.Array) -> jax.Array:
        return recurrence.project(weights, inputs, masks[0])

    d_projected = jax.jvp(project, (weights, inputs), (d_weights, d_inputs))[1]
    d_mixed = recurrence.mix(d_weights, before[0], masks[1])
    d_terms = (d_projected + d_mixed,) if recurrence.summed else (d_projected, d_mixed)
    return (last, outputs), jax.lax.scan(tangent, d_states, (joined, before, turns, d_terms), unroll=unroll)


# Called eagerly, each of these is one dispatch. They serve only recurrences that are known to be pure, since JAX caches
# their traces. It then caches their derivatives as well, so that an eager gradient does not compile at each call.
compiled_step = jax.jit(step, static_argnums=0)
compiled_run = jax.jit(run, static_argnums=(0, 6, 7, 8))
run_with_facades = functools.partial(run, facades=True)


def run_any(
    call: Any,
    sequences: jax.Array,
    states: Any,
    counts: jax.Array | None,
    unroll: bool,
    all_outputs: bool,
    zero_output: bool,
) -> tuple[jax.Array, Any]:
    """Return the result of `run` for any cell `call(inputs, states) -> (output, states)`, which may use variables."""
    inputs = jnp.swapaxes(_cleared(sequences, counts), 0, 1)
    turns = None if counts is None else jnp.swapaxes(counts, 0, 1)
    states = vary(states, varying_axes(inputs, states))
    structure: Any = jax.tree.structure(states)
    first = jax.tree.leaves(states)[0]

    def body(states: Any, turn: Any) -> tuple[Any, jax.Array]:
        inputs, count = turn
        output, new = call(inputs, states)
        leaves = jax.tree.leaves(new)
        if len(leaves) != structure.num_leaves:
            raise ValueError(
                f"A recurrent cell was called with {structure.num_leaves} states, and returned {len(leaves)}. Its "
                "state_size says how many there are; call() must return as many."
            )
        cast = [leaf.astype(old.dtype) for leaf, old in zip(leaves, jax.tree.leaves(states), strict=True)]
        return select(count, jax.tree.unflatten(structure, cast), states), output

    states, outputs = scan(body, states, (inputs, turns), unroll=unroll)
    if turns is None:
        return (jnp.swapaxes(outputs, 0, 1) if all_outputs else outputs[-1]), states
    if zero_output and all_outputs:
        return jnp.swapaxes(select(turns, outputs, jnp.zeros_like(outputs)), 0, 1), states
    # For each step, the number of the last step that counts; -1 if there is none.
    numbers = jnp.where(turns, jnp.arange(len(turns))[:, None], -1)
    numbers = jax.lax.cummax(numbers, axis=0) if all_outputs else jnp.max(numbers, axis=0, keepdims=True)
    before = first if (first.shape, first.dtype) == (outputs.shape[1:], outputs.dtype) else jnp.zeros_like(outputs[0])
    counted = jnp.take_along_axis(outputs, append_axes(jnp.maximum(numbers, 0), outputs), axis=0)
    outputs = select(numbers >= 0, counted, jnp.broadcast_to(before[None], counted.shape))
    return (jnp.swapaxes(outputs, 0, 1) if all_outputs else outputs[0]), states


def _cleared(sequences: jax.Array, counts: jax.Array | None) -> jax.Array:
    return select(counts, sequences, jnp.zeros_like(sequences))
