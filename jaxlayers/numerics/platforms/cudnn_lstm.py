"""cuDNN's LSTM: one kernel for all time steps.

The kernel supports sequences that end early, but no other masks. So the unmasked steps are moved to the front, and each
step of the outputs is the output of the last unmasked step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.experimental import rnn

from jaxlayers.numerics.masking import select

Weights: TypeAlias = tuple[jax.Array, jax.Array, jax.Array | None]
Arrays: TypeAlias = tuple[jax.Array, ...]


def lstm(
    differentiable: tuple[Weights, jax.Array, Arrays],
    others: tuple[jax.Array | None, tuple[Arrays, Arrays]],
    all_outputs: bool,
    zero_output: bool,
    kernel: Callable[..., Any] = rnn.lstm,
) -> tuple[jax.Array, Arrays]:
    """Return the outputs and the last states of an LSTM with tanh and sigmoid.

    Args:
        differentiable: the weights; sequences, `[batch, time, features]`; the first states, output and carry.
        others: the mask, `[batch, time]`, or None; the dropout masks of inputs and of states.
        all_outputs: if True, return all outputs `[batch, time, units]`; if False, the last one.
        zero_output: if True, the outputs of masked steps are zeros.
        kernel: a function of the arguments of `jax.experimental.rnn.lstm`.
    """
    (weights, sequences, states), (mask, dropout_masks) = differentiable, others
    batch, steps, features = sequences.shape
    for dropout_mask in dropout_masks[0]:
        sequences = sequences * dropout_mask[:, None]
    lengths = jnp.full(batch, steps, "int32")
    if mask is not None:
        lengths = jnp.sum(mask, 1, dtype="int32")
        unmasked_first = jnp.argsort(~mask, 1, stable=True)
        sequences = select(mask, sequences, jnp.zeros_like(sequences))
        sequences = jnp.take_along_axis(sequences, unmasked_first[..., None], 1)
    outputs, *last = kernel(
        sequences,
        *(state[None] for state in states),
        _pack(weights),
        jnp.maximum(lengths, 1),  # the kernel needs at least one step
        input_size=features,
        hidden_size=states[0].shape[-1],
        num_layers=1,
        dropout=0.0,
        bidirectional=False,
    )
    new: Arrays = tuple(state[0] for state in last)
    if mask is None:
        return (outputs if all_outputs else new[0]), new
    new = select(lengths > 0, new, states)
    if not all_outputs:
        return new[0], new
    number = jnp.cumsum(mask, 1)  # of unmasked steps up to this one
    outputs = jnp.take_along_axis(outputs, jnp.maximum(number - 1, 0)[..., None], 1)
    outputs = select(number > 0, outputs, jnp.broadcast_to(states[0][:, None], outputs.shape))
    return (select(mask, outputs, jnp.zeros_like(outputs)) if zero_output else outputs), new


def _pack(weights: Weights) -> jax.Array:
    """Return the weights in cuDNN's layout: both kernels with the gates first, and a bias for each."""
    kernel, recurrent, bias = weights
    bias = jnp.zeros(kernel.shape[-1], kernel.dtype) if bias is None else bias
    return jnp.concatenate([kernel.T.ravel(), recurrent.T.ravel(), bias, jnp.zeros_like(bias)])
