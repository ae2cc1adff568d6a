"""Convolutions of one group whose derivatives, on CPU, are in the layout that XLA on CPU has fast code for.

The layout is inputs `[batch, *space, channels]` and kernels `[*window, channels, filters]`. XLA on CPU brings other
layouts into this one at the start of a program, but not inside of a loop or a branch, nor where a gradient is spread
out by strides. The gradient of a kernel as JAX writes it takes ten to twenty times as long there. So the derivatives
are written for CPU with explicit transposes such that their own transposes, which JAX derives for the gradients, are in
the fast layout. Other platforms have fast code for every layout. The outputs are computed in the same way on all
platforms: policies of `jax.checkpoint` see an ordinary convolution.
"""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxlayers.numerics.platforms.choice import choose

# Of each spatial axis: the strides, the padding at both ends, and the dilation.
Geometry: TypeAlias = tuple[tuple[int, ...], tuple[tuple[int, int], ...], tuple[int, ...]]


def plain(inputs: jax.Array, kernel: jax.Array, geometry: Geometry, groups: int = 1) -> jax.Array:
    """Return the convolution of inputs with the channels last, with the derivatives of JAX."""
    last = inputs.ndim - 1
    arrays = (0, last, *range(1, last))
    return _convolve(inputs, kernel, geometry, arrays, (last, last - 1, *range(last - 1)), arrays, groups=groups)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def convolve(inputs: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Return the convolution of inputs with the channels last."""
    return plain(inputs, kernel, geometry)


@functools.partial(convolve.defjvp, symbolic_zeros=True)
def _(geometry: Geometry, primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    last = primals[0].ndim - 1
    arrays, space = (0, last, *range(1, last)), range(1, last)

    def by_inputs(d_inputs: jax.Array, kernel: jax.Array) -> jax.Array:
        swapped = jax.lax.transpose(kernel, (*range(last - 1), last, last - 1))  # [*window, filters, channels]
        return _convolve(d_inputs, swapped, geometry, arrays, (last - 1, last, *range(last - 1)), arrays)

    def by_kernel(inputs: jax.Array, d_kernel: jax.Array) -> jax.Array:
        turned = jax.lax.transpose(inputs, (last, *space, 0))  # [channels, *space, batch]
        turned_kernel = jax.lax.transpose(d_kernel, (last - 1, *range(last - 1), last))  # [channels, *window, filters]
        layout = (last, 0, *space), (last, 0, *space), (last - 1, last, *range(last - 1))
        outputs = _convolve(turned, turned_kernel, geometry, *layout)  # [*space, batch, filters]
        return jax.lax.transpose(outputs, (last - 1, *range(last - 1), last))

    bilinear = functools.partial(plain, geometry=geometry)
    return _with_tangent(convolve(*primals, geometry), primals, tangents, by_inputs, by_kernel, bilinear)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def convolve_transposed(inputs: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Return the transposed convolution of inputs with the channels last; the kernel is `[*window, filters, channels]`.

    The geometry is what `jax.lax.conv_transpose` takes.
    """
    return _convolve_transposed(inputs, kernel, geometry)


@functools.partial(convolve_transposed.defjvp, symbolic_zeros=True)
def _(geometry: Geometry, primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    last = primals[0].ndim - 1
    outputs = convolve_transposed(*primals, geometry)

    def by_inputs(d_inputs: jax.Array, kernel: jax.Array) -> jax.Array:
        flipped = jax.lax.rev(kernel, range(last - 1))
        return _convolve_spread(d_inputs, flipped, geometry, (last - 1, last, *range(last - 1)))

    def by_kernel(inputs: jax.Array, d_kernel: jax.Array) -> jax.Array:
        return _kernel_term(inputs, d_kernel, jax.ShapeDtypeStruct(outputs.shape, outputs.dtype), geometry)

    bilinear = functools.partial(_convolve_transposed, geometry=geometry)
    return _with_tangent(outputs, primals, tangents, by_inputs, by_kernel, bilinear)


def _with_tangent(
    outputs: jax.Array, primals: Any, tangents: Any, by_inputs: Any, by_kernel: Any, bilinear: Any
) -> tuple[jax.Array, jax.Array]:
    """Return the outputs and their tangent: the sum of the bilinear function with either argument's tangent.

    Args:
        outputs: the bilinear function of the primals.
        primals: inputs and kernel.
        tangents: their tangents.
        by_inputs: on CPU, the function of the inputs' tangent and the kernel.
        by_kernel: on CPU, the function of the inputs and the kernel's tangent.
        bilinear: on other platforms, either function.
    """
    (inputs, kernel), (d_inputs, d_kernel) = primals, tangents
    terms = []
    if not isinstance(d_inputs, SymbolicZero):
        terms.append(choose(d_inputs, kernel, cpu=by_inputs, default=bilinear))
    if not isinstance(d_kernel, SymbolicZero):
        terms.append(choose(inputs, d_kernel, cpu=by_kernel, default=bilinear))
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

    *space, filters = outputs.shape[1:]
    gradients = jax.ShapeDtypeStruct((filters, *space, outputs.shape[0]), outputs.dtype)
    (term,) = jax.linear_transpose(kernel_gradient, gradients)(jnp.moveaxis(d_kernel, -2, 0))
    return jnp.swapaxes(term, 0, -1)


def _convolve_transposed(inputs: Any, kernel: Any, geometry: Geometry) -> jax.Array:
    last = inputs.ndim - 1
    flipped = jax.lax.rev(kernel, range(last - 1))
    swapped = jax.lax.transpose(flipped, (*range(last - 1), last, last - 1))  # [*window, channels, filters]
    return _convolve_spread(inputs, swapped, geometry, (last, last - 1, *range(last - 1)))


def _convolve_spread(inputs: Any, kernel: Any, geometry: Geometry, layout: tuple[int, ...]) -> jax.Array:
    """Return the convolution of inputs between which zeros are inserted, stride - 1 along each axis."""
    strides, pads, dilation = geometry
    arrays = (0, inputs.ndim - 1, *range(1, inputs.ndim - 1))
    return _convolve(inputs, kernel, ((1,) * len(strides), pads, dilation), arrays, layout, arrays, spread=strides)


def _convolve(
    inputs: Any, kernel: Any, geometry: Geometry, *layout: tuple[int, ...], spread: Any = None, groups: int = 1
) -> jax.Array:
    strides, pads, dilation = geometry
    return jax.lax.conv_general_dilated(
        inputs,
        kernel,
        strides,
        pads,
        lhs_dilation=spread,
        rhs_dilation=dilation,
        dimension_numbers=jax.lax.ConvDimensionNumbers(*layout),
        feature_group_count=groups,
    )
