"""cuDNN's LSTM in the place of the loop: one kernel for all steps, with the same results.

It is a step after the other of the same mathematics, so `run` has the contract of `_loop.run`. The kernel knows
sequences that end early, but no other masks. Hence the steps that count are moved to the front, and each step
afterwards takes the output of the last one that counted. JAX can neither vectorize the kernel nor differentiate it
twice: there, the loop computes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import rnn

from jaxlayers import activations
from jaxlayers.common.manual_axes import varying_axes
from jaxlayers.layers.recurrent import _loop
from jaxlayers.layers.recurrent._recurrences import Arrays, LongShortTerm, Recurrence, Weights
from jaxlayers.ops._platform import platform

_TANH = (activations.tanh, jnp.tanh)
_SIGMOID = (activations.sigmoid, jax.nn.sigmoid)
REFUSALS = (AttributeError, NotImplementedError, RuntimeError)  # what JAX says without cuDNN, or of a precision


def why_not(
    recurrence: Recurrence, sequences: jax.Array, states: Arrays, masks: tuple[Arrays, Arrays], unroll: bool
) -> str | None:
    """What keeps the kernel from being used, if anything does."""
    if type(recurrence) is not LongShortTerm:
        return "JAX has cuDNN's LSTM alone"
    if platform() != "gpu":
        return f"the platform is {platform()}"
    if recurrence.activation not in _TANH or recurrence.recurrent_activation not in _SIGMOID:
        return "its activations are others than tanh and sigmoid"
    if len(masks[0]) > 1 or masks[1]:
        return "there is dropout within the recurrence, or for each gate"
    if unroll:
        return "the loop is to be unrolled"
    if sequences.dtype != jnp.float32:
        return f"it computes in {sequences.dtype}, not in float32"
    if 0 in sequences.shape:
        return f"the sequences are empty: {sequences.shape}"
    if varying_axes(sequences, states):
        return "it is inside of jax.shard_map"
    return None


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
    """All outputs `[batch, time, units]`, or the last one alone; and the last states."""

    def loop(weights: Any, sequences: Any, states: Any, counts: Any, masks: Any) -> Any:
        return _loop.run(recurrence, weights, sequences, states, counts, masks, False, all_outputs, zero_output)

    fused = functools.partial(run_fused, all_outputs=all_outputs, zero_output=zero_output)
    return instead(fused, loop)(weights, sequences, states, counts, masks)


def run_fused(
    weights: Weights,
    sequences: jax.Array,
    states: Arrays,
    counts: jax.Array | None,
    masks: tuple[Arrays, Arrays],
    all_outputs: bool,
    zero_output: bool,
    kernel: Callable[..., Any] = rnn.lstm,
) -> tuple[jax.Array, Arrays]:
    """`run` by the kernel, or by another function of its arguments."""
    batch, steps, features = sequences.shape
    for mask in masks[0]:
        sequences = sequences * mask[:, None]
    lengths = jnp.full(batch, steps, "int32")
    if counts is not None:
        lengths = jnp.sum(counts, 1, dtype="int32")
        first = jnp.argsort(~counts, 1, stable=True)
        sequences = jnp.take_along_axis(_loop.select(counts, sequences, jnp.zeros_like(sequences)), first[..., None], 1)
    outputs, *last = kernel(
        sequences,
        *(state[None] for state in states),
        _as_one(weights),
        jnp.maximum(lengths, 1),  # the kernel wants a step at least
        input_size=features,
        hidden_size=states[0].shape[-1],
        num_layers=1,
        dropout=0.0,
        bidirectional=False,
    )
    new: Arrays = tuple(state[0] for state in last)
    if counts is None:
        return (outputs if all_outputs else new[0]), new
    new = _loop.select(lengths > 0, new, states)
    if not all_outputs:
        return new[0], new
    number = jnp.cumsum(counts, 1)  # of steps that counted up to this one
    outputs = jnp.take_along_axis(outputs, jnp.maximum(number - 1, 0)[..., None], 1)
    outputs = _loop.select(number > 0, outputs, jnp.broadcast_to(states[0][:, None], outputs.shape))
    return (_loop.select(counts, outputs, jnp.zeros_like(outputs)) if zero_output else outputs), new


def _as_one(weights: Weights) -> jax.Array:
    """The weights as cuDNN has them: both kernels with the gates first, and a bias for each."""
    kernel, recurrent, bias = weights
    bias = jnp.zeros(kernel.shape[-1], kernel.dtype) if bias is None else bias
    return jnp.concatenate([kernel.T.ravel(), recurrent.T.ravel(), bias, jnp.zeros_like(bias)])


def instead(fast: Callable[..., Any], plain: Callable[..., Any], platform: str = "cuda") -> Callable[..., Any]:
    """A function `(weights, sequences, states, counts, masks)`: on a platform, `fast` computes it and its derivative.

    What is placed or exported elsewhere, vectorized, or differentiated again, is `plain`. The derivative runs `fast`
    once more; compiled together with the first run, XLA finds the same call in both, and makes one of them.
    """

    def pullback(function: Callable[..., Any]) -> Callable[..., Any]:
        def pull(weights: Any, sequences: Any, states: Any, counts: Any, masks: Any, cotangents: Any) -> Any:
            def of_three(*three: Any) -> Any:
                return function(*three, counts, masks)

            return jax.vjp(of_three, weights, sequences, states)[1](cotangents)

        return pull

    forward, backward = _guarded(fast, plain, platform), _guarded(pullback(fast), pullback(plain), platform)
    whole = jax.custom_vjp(forward)
    whole.defvjp(
        lambda *arguments: (forward(*arguments), arguments),
        lambda arguments, cotangents: (*backward(*arguments, cotangents), None, None),
    )
    return whole


def _guarded(fast: Callable[..., Any], plain: Callable[..., Any], platform: str) -> Callable[..., Any]:
    """`fast` on one platform; on others, vectorized, and differentiated, it is `plain`."""

    @jax.custom_batching.custom_vmap
    def placed(*arguments: Any) -> Any:
        return jax.lax.platform_dependent(*arguments, **{platform: fast}, default=plain)

    @placed.def_vmap
    def _(size: int, batched: Any, *arguments: Any) -> Any:
        axes = jax.tree.map(lambda one: 0 if one else None, tuple(batched))
        outputs = jax.vmap(plain, in_axes=axes, axis_size=size)(*arguments)
        return outputs, jax.tree.map(lambda _: True, outputs)

    differentiable = jax.custom_jvp(placed)
    differentiable.defjvp(lambda primals, tangents: jax.jvp(plain, primals, tangents))
    return differentiable
