"""The mathematics of the recurrent cells, as pure functions of arrays.

A recurrence has two halves. `project` takes what depends on the inputs alone, for any number of time steps at once:
one product with the kernel. `advance` goes from one state to the next, with what was projected for that step: the
product with the recurrent kernel, and the gates. A cell called alone does both for one step; a layer projects the whole
sequence and loops over `advance` (see `_loop`). So the mathematics is written once.

What is projected stays apart gate by gate: XLA on CPU makes fast, vectorised code of arithmetic on whole arrays, and
slow code of arithmetic on slices of a wider one.

Weights are a triple (kernel, recurrent kernel, bias or None). Dropout comes as masks, drawn before the loop: none, one
for all gates, or one for each gate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.ops._convolution import convolve

Weights = tuple[jax.Array, jax.Array, jax.Array | None]
Arrays = tuple[jax.Array, ...]
Activation = Callable[[jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Recurrence:
    """What all recurrences share: how inputs and states are multiplied with kernels."""

    activation: Activation
    gates = 1
    channel_axis = -1

    def project(self, weights: Weights, inputs: jax.Array, masks: Arrays) -> Arrays:
        """What the inputs add to each gate, bias included: `[time, batch, units]` each."""
        kernel, _, bias = weights
        products = self.products(self.input_product, inputs, kernel, masks)
        return products if bias is None else self.plus(products, self.input_bias(bias))

    def advance(self, weights: Weights, projected: Arrays, states: Arrays, masks: Arrays) -> Arrays:
        """The states after a step, the first of which is its output."""
        raise NotImplementedError

    def input_bias(self, bias: jax.Array) -> jax.Array:
        """The part of the bias that belongs to the inputs."""
        return bias

    def input_product(self, inputs: jax.Array, kernel: jax.Array) -> jax.Array:
        """Inputs times kernel."""
        return jnp.matmul(inputs, kernel)

    def state_product(self, state: jax.Array, kernel: jax.Array) -> jax.Array:
        """A state times the recurrent kernel."""
        return jnp.matmul(state, kernel)

    def products(self, product: Any, x: jax.Array, kernel: jax.Array, masks: Arrays) -> Arrays:
        """The product for each gate."""
        if len(masks) < 2:
            return tuple(jnp.split(product(dropped(x, masks), kernel), self.gates, self.channel_axis))
        kernels = jnp.split(kernel, self.gates, -1)
        return tuple(product(dropped(x, [mask]), one) for mask, one in zip(masks, kernels, strict=True))

    def plus(self, products: Sequence[jax.Array], bias: jax.Array) -> Arrays:
        """Products with the bias of each gate."""
        shape = [1] * products[0].ndim
        shape[self.channel_axis] = -1
        parts = jnp.split(bias, self.gates)
        return tuple(product + part.reshape(shape) for product, part in zip(products, parts, strict=True))


def dropped(x: jax.Array, masks: Sequence[jax.Array]) -> jax.Array:
    """`x` times the mask, the same for all time steps; unchanged without one."""
    for mask in masks:
        x = x * mask.reshape(*(1,) * (x.ndim - mask.ndim), *mask.shape)
    return x


@dataclasses.dataclass(frozen=True)
class Simple(Recurrence):
    """`h' = activation(x W + h R + b)`."""

    def advance(self, weights: Weights, projected: Arrays, states: Arrays, masks: Arrays) -> Arrays:
        """One step."""
        (from_state,) = self.products(self.state_product, states[0], weights[1], masks)
        return (self.activation(projected[0] + from_state),)


@dataclasses.dataclass(frozen=True)
class LongShortTerm(Recurrence):
    """`i, f, g, o = x W + h R + b; c' = s(f) c + s(i) a(g); h' = s(o) a(c')`."""

    recurrent_activation: Activation
    gates = 4

    def advance(self, weights: Weights, projected: Arrays, states: Arrays, masks: Arrays) -> Arrays:
        """One step."""
        hidden, carry = states
        from_state = self.products(self.state_product, hidden, weights[1], masks)
        enter, forget, new, leave = (x + h for x, h in zip(projected, from_state, strict=True))
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

    def input_bias(self, bias: jax.Array) -> jax.Array:
        """The first row, when the product with the state has a bias of its own."""
        return bias[0] if self.reset_after else bias

    def advance(self, weights: Weights, projected: Arrays, states: Arrays, masks: Arrays) -> Arrays:
        """One step."""
        (hidden,) = states
        _, kernel, bias = weights
        if self.reset_after:
            update, reset, candidate = self.products(self.state_product, hidden, kernel, masks)
            if bias is not None:
                update, reset, candidate = self.plus((update, reset, candidate), bias[1])
        else:
            *kernels, last = jnp.split(kernel, 3, -1)
            each = masks if len(masks) > 1 else masks * 3
            parts = [each[i : i + 1] for i in range(3)]
            update, reset = (jnp.matmul(dropped(hidden, m), k) for k, m in zip(kernels, parts[:2], strict=True))
        update = self.recurrent_activation(projected[0] + update)
        reset = self.recurrent_activation(projected[1] + reset)
        if self.reset_after:
            candidate = reset * candidate
        else:
            candidate = jnp.matmul(reset * dropped(hidden, parts[2]), last)
        return (update * hidden + (1 - update) * self.activation(projected[2] + candidate),)


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
        """The convolution of the inputs; all time steps are one batch."""
        rank = len(self.strides) + 1
        before, sample = inputs.shape[:-rank], inputs.shape[-rank:]
        batch = inputs.reshape(-1, *sample)
        outputs = convolve(batch, kernel, self.strides, self.padding, self.data_format, self.dilation_rate)
        return outputs.reshape(*before, *outputs.shape[1:])

    def state_product(self, state: jax.Array, kernel: jax.Array) -> jax.Array:
        """The convolution of the state, which keeps its size."""
        ones = (1,) * len(self.strides)
        return convolve(state, kernel, ones, "same", self.data_format, ones)
