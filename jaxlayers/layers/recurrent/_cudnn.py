"""cuDNN's LSTM in the place of the loop over time steps, on CUDA devices; `run` has the contract of `_loop.run`.

JAX can neither vectorize the kernel nor differentiate it twice: there, the loop computes.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import activations
from jaxlayers.common.manual_axes import varying_axes
from jaxlayers.layers.recurrent import _loop
from jaxlayers.layers.recurrent._recurrences import Arrays, LongShortTerm, Recurrence, Weights
from jaxlayers.numerics.platforms import cudnn
from jaxlayers.numerics.platforms.cudnn_lstm import lstm

_TANH = (activations.tanh, jnp.tanh)
_SIGMOID = (activations.sigmoid, jax.nn.sigmoid)
REFUSALS = cudnn.REFUSALS


def why_not(
    recurrence: Recurrence, sequences: jax.Array, states: Arrays, masks: tuple[Arrays, Arrays], unroll: bool
) -> str | None:
    """Return the reason why the kernel cannot be used; None if it can."""
    if type(recurrence) is not LongShortTerm:
        return "JAX has cuDNN's LSTM alone"
    if recurrence.activation not in _TANH or recurrence.recurrent_activation not in _SIGMOID:
        return "its activations are not tanh and sigmoid"
    if len(masks[0]) > 1 or masks[1]:
        return "it has dropout of the states, or for each gate"
    if unroll:
        return "the loop is to be unrolled"
    if sequences.dtype != jnp.float32:
        return f"it computes in {sequences.dtype}, not in float32"
    if 0 in sequences.shape:
        return f"the sequences are empty: {sequences.shape}"
    if varying_axes(sequences, states):
        return "it is inside of jax.shard_map"
    return cudnn.reason_against()


@functools.partial(jax.jit, static_argnums=(0, 6, 7))  # one dispatch when it is called eagerly
def run(
    recurrence: Recurrence,
    weights: Weights,
    sequences: jax.Array,
    states: Arrays,
    counts: jax.Array | None,
    masks: tuple[Arrays, Arrays],
    all_outputs: bool,
    zero_output: bool,
) -> tuple[jax.Array, Arrays]:
    """Return all outputs `[batch, time, units]`, or the last one alone; and the last states."""

    def loop(differentiable: Any, others: Any) -> Any:
        (weights, sequences, states), (counts, masks) = differentiable, others
        return _loop.run(recurrence, weights, sequences, states, counts, masks, False, all_outputs, zero_output)

    kernel = functools.partial(lstm, all_outputs=all_outputs, zero_output=zero_output)
    return cudnn.stand_in(kernel, loop)((weights, sequences, states), (counts, masks))
