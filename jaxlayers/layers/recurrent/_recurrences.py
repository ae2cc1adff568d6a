"""The mathematics of the recurrent cells, as pure functions of arrays.

A recurrence has two halves. `project` takes what depends on the inputs alone, for any number of time steps at once:
its product with the kernel. `advance` goes from one state to the next, with what was projected for that step. It is
made of `mix`, the product of the state with the recurrent kernel, `join`, and `combine`, the gates; the loop's
derivatives treat them apart (see `_loop`). A cell called alone does both halves for one step; a layer projects the
whole sequence and loops over the other. So the mathematics is written once.

What the gates are given stays side by side in one array, along the axis of channels, until `combine` takes it apart:
each array more that goes in or out of a loop is one more piece of code to compile, forward and backward.

Weights are a triple (kernel, recurrent kernel, bias or None). Dropout comes as masks, drawn before the loop: none, one
for all gates, or one for each gate.
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
    """What all recurrences share: how inputs and states are multiplied with kernels."""

    activation: Activation
    gates = 1
    channel_axis = -1
    apart = True  # whether `advance` is `mix`, then `combine`
    summed = True  # whether the gates look at nothing but the sum of what inputs and output before add

    def project(self, weights: Weights, inputs: jax.Array, masks: Arrays) -> jax.Array:
        """What the inputs add to the gates, bias included: `[time, batch, gates * units]`."""
        kernel, _, bias = weights
        return self.plus(self.product(self.input_product, inputs, kernel, masks), bias)

    def advance(self, weights: Weights, projected: jax.Array, states: Arrays, masks: Arrays) -> Arrays:
        """The states after a step, the first of which is its output."""
        return self.combine(self.join(projected, self.mix(weights, states[0], masks)), states)

    def mix(self, weights: Weights, output: jax.Array, masks: Arrays) -> jax.Array:
        """What the output before adds to the gates: linear in it, and in the weights."""
        return self.product(self.state_product, output, weights[1], masks)

    def join(self, projected: jax.Array, mixed: jax.Array) -> Arrays:
        """What inputs and output before add, as the gates take it: linear; `mixed` enters the last of it alone."""
        return (projected + mixed,) if self.summed else (projected, mixed)

    def combine(self, joined: Arrays, states: Arrays) -> Arrays:
        """The states after a step, from what the gates are given."""
        raise NotImplementedError

    def input_product(self, inputs: jax.Array, kernel: jax.Array) -> jax.Array:
        """Inputs times kernel."""
        return _matmul(inputs, kernel)

    def state_product(self, state: jax.Array, kernel: jax.Array) -> jax.Array:
        """A state times the recurrent kernel."""
        return _matmul(state, kernel)

    def product(self, product: Any, x: jax.Array, kernel: jax.Array, masks: Arrays) -> jax.Array:
        """The product for all gates; of `x` masked for each, where each has a mask."""
        if len(masks) < 2:
            return product(dropped(x, masks), kernel)
        each = zip(masks, jnp.split(kernel, self.gates, -1), strict=True)
        return self.beside(product(dropped(x, [mask]), one) for mask, one in each)

    def plus(self, product: jax.Array, bias: jax.Array | None) -> jax.Array:
        """A product with the bias of each channel."""
        if bias is None:
            return product
        shape = [1] * product.ndim
        shape[self.channel_axis] = -1
        return product + bias.reshape(shape)

    def beside(self, parts: Any) -> jax.Array:
        """What several gates are given, as one array."""
        return jnp.concatenate(list(parts), self.channel_axis)

    def apiece(self, wide: jax.Array, number: int) -> list[jax.Array]:
        """What each of several gates is given."""
        return jnp.split(wide, number, self.channel_axis)


def _matmul(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return `x @ kernel`, with all steps and samples along one axis."""
    if x.ndim == 2:
        return jnp.matmul(x, kernel)
    return jnp.matmul(x.reshape(-1, x.shape[-1]), kernel).reshape(*x.shape[:-1], kernel.shape[-1])


def dropped(x: jax.Array, masks: Sequence[jax.Array]) -> jax.Array:
    """`x` times the mask, the same for all time steps; unchanged without one."""
    for mask in masks:
        x = x * mask.reshape(*(1,) * (x.ndim - mask.ndim), *mask.shape)
    return x


@dataclasses.dataclass(frozen=True)
class Simple(Recurrence):
    """`h' = activation(x W + h R + b)`."""

    def combine(self, joined: Arrays, states: Arrays) -> Arrays:
        """The activation."""
        return (self.activation(joined[0]),)


@dataclasses.dataclass(frozen=True)
class LongShortTerm(Recurrence):
    """`i, f, g, o = x W + h R + b; c' = s(f) c + s(i) a(g); h' = s(o) a(c')`."""

    recurrent_activation: Activation
    gates = 4

    def combine(self, joined: Arrays, states: Arrays) -> Arrays:
        """The gates."""
        enter, forget, new, leave = self.apiece(joined[0], 4)
        carry = states[1]
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
    summed = False  # the reset gate comes in between

    @property
    def apart(self) -> bool:  # type: ignore[override]
        """Not when the reset gate comes first: there is a product after it."""
        return self.reset_after

    def project(self, weights: Weights, inputs: jax.Array, masks: Arrays) -> jax.Array:
        """With the first row of the bias, when the product with the state has one of its own."""
        kernel, recurrent, bias = weights
        return super().project(
            (kernel, recurrent, bias if bias is None or not self.reset_after else bias[0]), inputs, masks
        )

    def mix(self, weights: Weights, output: jax.Array, masks: Arrays) -> jax.Array:
        """The products of all gates, with the bias of their own."""
        return self.plus(super().mix(weights, output, masks), None if weights[2] is None else weights[2][1])

    def combine(self, joined: Arrays, states: Arrays) -> Arrays:
        """The gates, with the reset gate after the product."""
        (update, reset, new), (update_before, reset_before, before) = (self.apiece(wide, 3) for wide in joined)
        candidate = new + self.recurrent_activation(reset + reset_before) * before
        return self.mean(self.recurrent_activation(update + update_before), states[0], candidate)

    def advance(self, weights: Weights, projected: jax.Array, states: Arrays, masks: Arrays) -> Arrays:
        """One step."""
        if self.reset_after:
            return super().advance(weights, projected, states, masks)
        (hidden,) = states
        for_update, for_reset, for_new = self.apiece(weights[1], 3)
        to_update, to_reset, to_new = self.apiece(projected, 3)
        each = masks if len(masks) > 1 else masks * 3
        update, reset, new = (dropped(hidden, each[gate : gate + 1]) for gate in range(3))
        update = self.recurrent_activation(to_update + _matmul(update, for_update))
        reset = self.recurrent_activation(to_reset + _matmul(reset, for_reset))
        return self.mean(update, hidden, to_new + _matmul(reset * new, for_new))

    def mean(self, update: jax.Array, hidden: jax.Array, candidate: jax.Array) -> Arrays:
        """Between the old state and the candidate, as far as the update gate says."""
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
        """Where the channels are, counted from the end."""
        return -1 if self.data_format == "channels_last" else -1 - len(self.strides)

    def input_product(self, inputs: jax.Array, kernel: jax.Array) -> jax.Array:
        """The convolution of the inputs."""
        return self.convolved(inputs, kernel, self.strides, self.padding, self.dilation_rate)

    def state_product(self, state: jax.Array, kernel: jax.Array) -> jax.Array:
        """The convolution of the state, which keeps its size."""
        ones = (1,) * len(self.strides)
        return self.convolved(state, kernel, ones, "same", ones)

    def convolved(self, x: jax.Array, kernel: jax.Array, strides: Any, padding: str, dilation_rate: Any) -> jax.Array:
        """The convolution over the last axes; those before are one batch."""
        rank = len(self.strides) + 1
        batch = x.reshape(-1, *x.shape[-rank:])
        outputs = convolve(batch, kernel, strides, padding, self.data_format, dilation_rate)
        return outputs.reshape(*x.shape[:-rank], *outputs.shape[1:])
