"""Dense convolutions on CPU, the derivatives of which XLA has fast code for wherever they are.

That code is for inputs `[batch, *space, channels]` and kernels `[*window, channels, filters]`. XLA turns other layouts
into these where a program begins, but not inside of a loop or a branch, nor where strides are spread over a gradient:
there, the gradient of a kernel as JAX writes it takes thirty times as long. So the turning is written out here; other
platforms have code for every layout. JAX makes gradients by transposing the derivatives, which are in such layouts that
their transposes are in the fast one.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

How = tuple[Any, Any, Any]  # strides, the padding at both ends of each axis of space, dilation


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def convolve(inputs: jax.Array, kernel: jax.Array, how: How) -> jax.Array:
    """The convolution of inputs with the channels last."""
    last = inputs.ndim - 1
    arrays = (0, last, *range(1, last))
    return _convolution(inputs, kernel, how, arrays, (last, last - 1, *range(last - 1)), arrays)


@functools.partial(convolve.defjvp, symbolic_zeros=True)
def _(how: How, primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    (inputs, kernel), (d_inputs, d_kernel) = primals, tangents
    last = inputs.ndim - 1
    arrays, space = (0, last, *range(1, last)), range(1, last)
    parts = []
    if not isinstance(d_inputs, SymbolicZero):
        swapped = jax.lax.transpose(kernel, (*range(last - 1), last, last - 1))  # [*window, filters, channels]
        parts.append(_convolution(d_inputs, swapped, how, arrays, (last - 1, last, *range(last - 1)), arrays))
    if not isinstance(d_kernel, SymbolicZero):
        turned = jax.lax.transpose(inputs, (last, *space, 0))  # [channels, *space, batch]
        given = jax.lax.transpose(d_kernel, (last - 1, *range(last - 1), last))  # [channels, *window, filters]
        found = _convolution(
            turned, given, how, (last, 0, *space), (last, 0, *space), (last - 1, last, *range(last - 1))
        )  # [*space, batch, filters]
        parts.append(jax.lax.transpose(found, (last - 1, *range(last - 1), last)))
    outputs = convolve(inputs, kernel, how)
    return outputs, sum(parts[1:], parts[0]) if parts else jnp.zeros_like(outputs)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def convolve_transposed(inputs: jax.Array, kernel: jax.Array, how: How) -> jax.Array:
    """The transposed convolution of inputs with the channels last; the kernel is `[*window, filters, channels]`.

    `how` is as `jax.lax.conv_transpose` takes it.
    """
    last = inputs.ndim - 1
    flipped = jax.lax.rev(kernel, range(last - 1))
    swapped = jax.lax.transpose(flipped, (*range(last - 1), last, last - 1))  # [*window, channels, filters]
    return _spread(inputs, swapped, how, (last, last - 1, *range(last - 1)))


@functools.partial(convolve_transposed.defjvp, symbolic_zeros=True)
def _(how: How, primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    (inputs, kernel), (d_inputs, d_kernel) = primals, tangents
    outputs = convolve_transposed(inputs, kernel, how)
    parts = []
    if not isinstance(d_inputs, SymbolicZero):
        last = inputs.ndim - 1
        parts.append(_spread(d_inputs, jax.lax.rev(kernel, range(last - 1)), how, (last - 1, last, *range(last - 1))))
    if not isinstance(d_kernel, SymbolicZero):
        # Of the convolution that this is the transpose of: its inputs are the gradients here, its gradients the inputs.
        rank, (strides, _, dilation) = inputs.ndim - 2, how
        spans = [(size - 1) * step + 1 for size, step in zip(kernel.shape, dilation, strict=False)]
        pads = []
        for span, stride, (start, _), small, large in zip(
            spans, strides, how[1], inputs.shape[1:], outputs.shape[1:], strict=False
        ):
            low = span - 1 - start
            pads.append((low, span + (small - 1) * stride - large - low))
        turned = jnp.moveaxis(inputs, 0, -2)  # [*space, batch, channels]
        arrays = (0, rank + 1, *range(1, rank + 1))
        layout = (arrays, (rank + 1, rank, *range(rank)), arrays)

        def kernel_gradient(gradients: jax.Array) -> jax.Array:
            """`[filters, *window, channels]` from gradients `[filters, *space, batch]`."""
            return _convolution(gradients, turned, (dilation, pads, strides), *layout)

        (found,) = jax.linear_transpose(kernel_gradient, jnp.swapaxes(outputs, 0, -1))(jnp.moveaxis(d_kernel, -2, 0))
        parts.append(jnp.swapaxes(found, 0, -1))
    return outputs, sum(parts[1:], parts[0]) if parts else jnp.zeros_like(outputs)


def _spread(inputs: Any, kernel: Any, how: How, layout: tuple[int, ...]) -> jax.Array:
    """The convolution of inputs with zeros in between, as many as the strides say."""
    strides, pads, dilation = how
    arrays = (0, inputs.ndim - 1, *range(1, inputs.ndim - 1))
    return _convolution(inputs, kernel, ((1,) * len(strides), pads, dilation), arrays, layout, arrays, spread=strides)


def _convolution(inputs: Any, kernel: Any, how: How, *layout: tuple[int, ...], spread: Any = None) -> jax.Array:
    strides, pads, dilation = how
    numbers = jax.lax.ConvDimensionNumbers(*layout)
    return jax.lax.conv_general_dilated(
        inputs, kernel, strides, pads, lhs_dilation=spread, rhs_dilation=dilation, dimension_numbers=numbers
    )
