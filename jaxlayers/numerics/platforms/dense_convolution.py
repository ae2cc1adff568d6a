"""Convolutions of one group on CPU, whose derivatives are written in the layout that XLA on CPU has fast code for.

The layout is inputs `[batch, *space, channels]` and kernels `[*window, channels, filters]`. XLA on CPU brings other
layouts into this one at the start of a program, but not inside of a loop or a branch, nor where a gradient is spread
out by strides. The gradient of a kernel as JAX writes it takes some twenty times as long there. So the derivatives here
are written with explicit transposes such that their own transposes, which JAX derives for the gradients, are in the
fast layout. Other platforms have fast code for every layout.
"""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

# Of each spatial axis: the strides, the padding at both ends, and the dilation.
Geometry: TypeAlias = tuple[tuple[int, ...], tuple[tuple[int, int], ...], tuple[int, ...]]


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def convolve(inputs: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Return the convolution of inputs with the channels last."""
    last = inputs.ndim - 1
    arrays = (0, last, *range(1, last))
    return _convolve(inputs, kernel, geometry, arrays, (last, last - 1, *range(last - 1)), arrays)


@functools.partial(convolve.defjvp, symbolic_zeros=True)
def _(geometry: Geometry, primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    (inputs, kernel), (d_inputs, d_kernel) = primals, tangents
    last = inputs.ndim - 1
    arrays, space = (0, last, *range(1, last)), range(1, last)
    terms = []
    if not isinstance(d_inputs, SymbolicZero):
        swapped = jax.lax.transpose(kernel, (*range(last - 1), last, last - 1))  # [*window, filters, channels]
        terms.append(_convolve(d_inputs, swapped, geometry, arrays, (last - 1, last, *range(last - 1)), arrays))
    if not isinstance(d_kernel, SymbolicZero):
        turned = jax.lax.transpose(inputs, (last, *space, 0))  # [channels, *space, batch]
        turned_kernel = jax.lax.transpose(d_kernel, (last - 1, *range(last - 1), last))  # [channels, *window, filters]
        layout = (last, 0, *space), (last, 0, *space), (last - 1, last, *range(last - 1))
        outputs = _convolve(turned, turned_kernel, geometry, *layout)  # [*space, batch, filters]
        terms.append(jax.lax.transpose(outputs, (last - 1, *range(last - 1), last)))
    outputs = convolve(inputs, kernel, geometry)
    return outputs, sum(terms[1:], terms[0]) if terms else jnp.zeros_like(outputs)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def convolve_transposed(inputs: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Return the transposed convolution of inputs with the channels last; the kernel is `[*window, filters, channels]`.

    The geometry is what `jax.lax.conv_transpose` takes.
    """
    last = inputs.ndim - 1
    flipped = jax.lax.rev(kernel, range(last - 1))
    swapped = jax.lax.transpose(flipped, (*range(last - 1), last, last - 1))  # [*window, channels, filters]
    return _convolve_spread(inputs, swapped, geometry, (last, last - 1, *range(last - 1)))


@functools.partial(convolve_transposed.defjvp, symbolic_zeros=True)
def _(geometry: Geometry, primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    (inputs, kernel), (d_inputs, d_kernel) = primals, tangents
    outputs = convolve_transposed(inputs, kernel, geometry)
    terms = []
    if not isinstance(d_inputs, SymbolicZero):
        last = inputs.ndim - 1
        flipped = jax.lax.rev(kernel, range(last - 1))
        terms.append(_convolve_spread(d_inputs, flipped, geometry, (last - 1, last, *range(last - 1))))
    if not isinstance(d_kernel, SymbolicZero):
        terms.append(_kernel_term(inputs, d_kernel, outputs, geometry))
    return outputs, sum(terms[1:], terms[0]) if terms else jnp.zeros_like(outputs)


def _kernel_term(inputs: Any, d_kernel: Any, outputs: Any, geometry: Geometry) -> jax.Array:
    """Return the tangent of a transposed convolution's outputs that the tangent of its kernel causes.

    It is the transpose of the kernel's gradient in the convolution that this one is the transpose of. There, `inputs`
    are the gradients of the outputs, and the gradients of `outputs` are the inputs.
    """
    rank, (strides, padding, dilation) = inputs.ndim - 2, geometry
    spans = [(size - 1) * step + 1 for size, step in zip(d_kernel.shape, dilation, strict=False)]
    pads = []
    for span, stride, (start, _), small, large in zip(
        spans, strides, padding, inputs.shape[1:], outputs.shape[1:], strict=False
    ):
        low = span - 1 - start
        pads.append((low, span + (small - 1) * stride - large - low))
    turned = jnp.moveaxis(inputs, 0, -2)  # [*space, batch, channels]
    arrays = (0, rank + 1, *range(1, rank + 1))
    layout = (arrays, (rank + 1, rank, *range(rank)), arrays)

    def kernel_gradient(gradients: jax.Array) -> jax.Array:
        """Return `[filters, *window, channels]` from gradients `[filters, *space, batch]`."""
        return _convolve(gradients, turned, (dilation, tuple(pads), strides), *layout)

    (term,) = jax.linear_transpose(kernel_gradient, jnp.swapaxes(outputs, 0, -1))(jnp.moveaxis(d_kernel, -2, 0))
    return jnp.swapaxes(term, 0, -1)


def _convolve_spread(inputs: Any, kernel: Any, geometry: Geometry, layout: tuple[int, ...]) -> jax.Array:
    """Return the convolution of inputs between which zeros are inserted, stride - 1 along each axis."""
    strides, pads, dilation = geometry
    arrays = (0, inputs.ndim - 1, *range(1, inputs.ndim - 1))
    return _convolve(inputs, kernel, ((1,) * len(strides), pads, dilation), arrays, layout, arrays, spread=strides)


def _convolve(inputs: Any, kernel: Any, geometry: Geometry, *layout: tuple[int, ...], spread: Any = None) -> jax.Array:
    strides, pads, dilation = geometry
    return jax.lax.conv_general_dilated(
        inputs,
        kernel,
        strides,
        pads,
        lhs_dilation=spread,
        rhs_dilation=dilation,
        dimension_numbers=jax.lax.ConvDimensionNumbers(*layout),
    )
