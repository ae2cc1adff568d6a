"""The mathematics of the recurrent cells, as pure functions of arrays.

A recurrence has two parts. `project` is the product of the inputs with the kernel, for any number of time steps at
once. `advance` computes the next state from a state and the projected inputs of a step. It consists of `mix`, the
product of the state with the recurrent kernel, of `join`, and of `combine`, the gates; the derivative of the loop
treats them separately (see `_loop`). A cell called alone does both for one step; a layer projects the whole sequence
and loops over `advance`. So the mathematics is written once.

The terms of each gate are an array of their own. If a loop takes one wide array and splits it at each step, XLA on CPU
fuses the slice of the step with the gates, whose arithmetic is then not vectorized: it takes twice the time.

Weights are a triple (kernel, recurrent kernel, bias or None). Dropout masks are drawn before the loop: none, one for
all gates, or one for each gate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.numerics.convolution import convolve

Weights = tuple[jax.Array, jax.Array, jax.Array | None]
Arrays = tuple[jax.Array, ...]
Activation = Callable[[jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Recurrence:
    """The base of the recurrences: products of inputs and states with kernels."""

    activation: Activation
    gates = 1
    channel_axis = -1
    apart = True  # True if `advance` is `mix`, `join`, `combine`
    summed = True  # True if `join` adds the two terms of each gate

    def project(self, weights: Weights, inputs: jax.Array, masks: Arrays) -> jax.Array:
        """Return the term of the inputs in all gates: `[time, batch, gates * units]`."""
        return self.product(self.input_product, inputs, weights[0], masks)

    def project_apiece(self, weights: Weights, inputs: jax.Array, masks: Arrays) -> Arrays:
        """Return the term of the inputs in each gate. A product for each need not be copied to be split."""
        kernel, recurrent, bias = weights
        kernels: list[Any] = jnp.split(kernel, self.gates, -1)
        biases: list[Any] = [None] * self.gates if bias is None else jnp.split(bias, self.gates, -1)
        each = [(mask,) for mask in masks] if len(masks) > 1 else [masks] * self.gates
        return tuple(
            self.project((kernel, recurrent, bias), inputs, masks)
            for kernel, bias, masks in zip(kernels, biases, each, strict=True)
        )

    def advance(self, weights: Weights, projected: Arrays, states: Arrays, masks: Arrays) -> Arrays:
        """Return the states after a step, the first of which is its output."""
        return self.combine(self.join(projected, self.apiece(self.mix(weights, states[0], masks))), states)

    def mix(self, weights: Weights, output: jax.Array, masks: Arrays) -> jax.Array:
        """Return the term of the previous output in all gates, bias included: linear in the weights.

        The bias is added at each step, together with the gates. Added to the term of the inputs, it would need one
        more pass over all time steps.
        """
        return self.plus(self.product(self.state_product, output, weights[1], masks), weights[2])

    def join(self, projected: Arrays, mixed: Arrays) -> Arrays:
        """Return the arguments of `combine`, from the two terms of each gate: linear in both."""
        return tuple(map(jnp.add, projected, mixed))

    def combine(self, joined: Arrays, states: Arrays) -> Arrays:
        """Return the states after a step, from the arguments of the gates."""
        raise NotImplementedError

    def input_product(self, inputs: jax.Array, kernel: jax.Array) -> jax.Array:
        """Return inputs times kernel."""
        return _matmul(inputs, kernel)

    def state_product(self, state: jax.Array, kernel: jax.Array) -> jax.Array:
        """Return a state times the recurrent kernel."""
        return _matmul(state, kernel)

    def product(self, product: Any, x: jax.Array, kernel: jax.Array, masks: Arrays) -> jax.Array:
        """Return the product for all gates; with a mask for each gate, of `x` times that mask."""
        if len(masks) < 2:
            return product(dropped(x, masks), kernel)
        each = zip(masks, jnp.split(kernel, self.gates, -1), strict=True)
        return jnp.concatenate([product(dropped(x, [mask]), part) for mask, part in each], self.channel_axis)

    def plus(self, product: jax.Array, bias: jax.Array | None) -> jax.Array:
        """Return a product plus the bias of each channel."""
        if bias is None:
            return product
        shape = [1] * product.ndim
        shape[self.channel_axis] = -1
        return product + bias.reshape(shape)

    def apiece(self, wide: jax.Array) -> Arrays:
        """Return the term of each gate."""
        return tuple(jnp.split(wide, self.gates, self.channel_axis))


def _matmul(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return `x @ kernel`, with all steps and samples along one axis."""
    if x.ndim == 2:
        return jnp.matmul(x, kernel)
    return jnp.matmul(x.reshape(-1, x.shape[-1]), kernel).reshape(*x.shape[:-1], kernel.shape[-1])


def dropped(x: jax.Array, masks: Sequence[jax.Array]) -> jax.Array:
    """Return `x` times the mask, the same for all time steps; `x` without a mask."""
    for mask in masks:
        x = x * mask.reshape(*(1,) * (x.ndim - mask.ndim), *mask.shape)
    return x


@dataclasses.dataclass(frozen=True)
class Simple(Recurrence):
    """`h' = activation(x W + h R + b)`."""

    def combine(self, joined: Arrays, states: Arrays) -> Arrays:
        """Return the activation."""
        return (self.activation(joined[0]),)


@dataclasses.dataclass(frozen=True)
class LongShortTerm(Recurrence):
    """`i, f, g, o = x W + h R + b; c' = s(f) c + s(i) a(g); h' = s(o) a(c')`."""

    recurrent_activation: Activation
    gates = 4

    def combine(self, joined: Arrays, states: Arrays) -> Arrays:
        """Return the new output and the new carry."""
        (enter, forget, new, leave), carry = joined, states[1]
        squash, activation = self.recurrent_activation, self.activation
        carry = squash(forget) * carry + squash(enter) * activation(new)
        return squash(leave) * activation(carry), carry


@dataclasses.dataclass(frozen=True)
class Gated(Recurrence):
    """`z = s(x Wz + h Rz + bz); r = s(x Wr + h Rr + br); h' = z h + (1 - z) a(candidate)`.

    The candidate is `x Wh + bh + r (h Rh + b'h)` when the reset gate comes after the product, and
    `x Wh + bh + (r h) Rh` when it comes before.
    """

    recurrent_activation: Activation
    reset_after: bool
    gates = 3
    summed = False  # the reset gate multiplies one term of the candidate alone

    @property
    def apart(self) -> bool:  # type: ignore[override]
        """False if the reset gate comes before the product: `advance` then has two products."""
        return self.reset_after

    def project(self, weights: Weights, inputs: jax.Array, masks: Arrays) -> jax.Array:
        """Return the term of the inputs, with the first row of the bias if `mix` has a bias of its own."""
        bias = weights[2]
        return self.plus(
            super().project(weights, inputs, masks), bias[0] if self.reset_after and bias is not None else bias
        )

    def mix(self, weights: Weights, output: jax.Array, masks: Arrays) -> jax.Array:
        """Return the product of all gates, with their own bias."""
        kernel, recurrent, bias = weights
        return super().mix((kernel, recurrent, None if bias is None else bias[1]), output, masks)

    def join(self, projected: Arrays, mixed: Arrays) -> Arrays:
        """Return the sums of the update and reset gates, and both terms of the candidate."""
        *gates, before = mixed
        return (*super().join(projected[:2], tuple(gates)), projected[2], before)

    def combine(self, joined: Arrays, states: Arrays) -> Arrays:
        """Return the new state, with the reset gate after the product."""
        update, reset, new, before = joined
        candidate = new + self.recurrent_activation(reset) * before
        return self.mean(self.recurrent_activation(update), states[0], candidate)

    def advance(self, weights: Weights, projected: Arrays, states: Arrays, masks: Arrays) -> Arrays:
        """Return the state after a step."""
        if self.reset_after:
            return super().advance(weights, projected, states, masks)
        (hidden,) = states
        for_update, for_reset, for_new = jnp.split(weights[1], 3, -1)
        to_update, to_reset, to_new = projected
        each = masks if len(masks) > 1 else masks * 3
        update, reset, new = (dropped(hidden, each[gate : gate + 1]) for gate in range(3))
        update = self.recurrent_activation(to_update + _matmul(update, for_update))
        reset = self.recurrent_activation(to_reset + _matmul(reset, for_reset))
        return self.mean(update, hidden, to_new + _matmul(reset * new, for_new))

    def mean(self, update: jax.Array, hidden: jax.Array, candidate: jax.Array) -> Arrays:
        """Return the mean of the old state and the candidate, weighted by the update gate."""
        return (update * hidden + (1 - update) * self.activation(candidate),)


@dataclasses.dataclass(frozen=True)
class Convolutional(LongShortTerm):
    """`LongShortTerm` with convolutions in the place of products, over arrays `[batch, *space, channels]`."""

    strides: tuple[int, ...]
    padding: str
    data_format: str
    dilation_rate: tuple[int, ...]

    @property
    def channel_axis(self) -> int:  # type: ignore[override]
        """The axis of the channels, counted from the end."""
        return -1 if self.data_format == "channels_last" else -1 - len(self.strides)

    def input_product(self, inputs: jax.Array, kernel: jax.Array) -> jax.Array:
        """Return the convolution of the inputs."""
        return self.convolved(inputs, kernel, self.strides, self.padding, self.dilation_rate)

    def state_product(self, state: jax.Array, kernel: jax.Array) -> jax.Array:
        """Return the convolution of the state, which keeps its size."""
        ones = (1,) * len(self.strides)
        return self.convolved(state, kernel, ones, "same", ones)

    def project_apiece(self, weights: Weights, inputs: jax.Array, masks: Arrays) -> Arrays:
        """Return the term of the inputs in each gate, from one convolution."""
        return self.apiece(self.project(weights, inputs, masks))

    def convolved(self, x: jax.Array, kernel: jax.Array, strides: Any, padding: str, dilation_rate: Any) -> jax.Array:
        """Return the convolution over the last axes; all axes before them are the batch."""
        rank = len(self.strides) + 1
        batch = x.reshape(-1, *x.shape[-rank:])
        outputs = convolve(batch, kernel, strides, padding, self.data_format, dilation_rate)
        return outputs.reshape(*x.shape[:-rank], *outputs.shape[1:])
