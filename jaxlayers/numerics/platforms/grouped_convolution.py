"""Convolutions in groups, and of each channel by itself, on CPU.

XLA on CPU computes the gradients of such convolutions in loops over single elements, which take a hundred times as long
as the gradients of a dense convolution. Here, groups are computed as dense convolutions with a kernel that is zero
between groups, and single channels as a sum of shifted inputs, one for each element of the window.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.numerics.platforms.dense_convolution import Geometry, convolve
from jaxlayers.numerics.types import wide

_BLOCK = 64  # the most channels of a dense convolution that computes several groups
_SHIFTS = 64  # the most elements of a window for which inputs are shifted


def convolve_groups(inputs: jax.Array, kernel: jax.Array, geometry: Geometry, groups: int) -> jax.Array:
    """Return the convolution in groups, by dense convolutions of as many groups as are together `_BLOCK` channels wide.

    Args:
        inputs: `[batch, *space, channels]`.
        kernel: `[*window, channels / groups, filters]`.
        geometry: the strides, padding and dilation.
        groups: the number of groups.
    """
    *window, within, filters = kernel.shape
    joined = max(n for n in range(1, groups + 1) if groups % n == 0 and (n == 1 or n * within <= _BLOCK))
    blocks = groups // joined
    by_group = kernel.reshape(*window, within, blocks, joined, filters // groups)
    same_group = jnp.eye(joined, dtype=bool)[:, None, None, :, None]  # [group of inputs, 1, 1, group of filters, 1]
    spread = jnp.where(same_group, by_group[..., None, :, :, :, :], 0)
    spread = spread.reshape(*window, joined * within, blocks, joined * filters // groups)
    parts = zip(jnp.split(inputs, blocks, -1), jnp.moveaxis(spread, -2, 0), strict=True)
    return jnp.concatenate([convolve(part, block, geometry) for part, block in parts], -1)


def suits_shifts(kernel: Any) -> bool:
    """Return True if the window of a kernel is small enough for a sum of shifted inputs."""
    return math.prod(kernel.shape[:-2]) <= _SHIFTS


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def convolve_by_shifts(inputs: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Return the convolution of each channel by itself with a kernel `[*window, channels, multiplier]`."""
    return _sum_of_shifts(_repeat_channels(inputs, kernel), _flat(kernel), geometry)


@convolve_by_shifts.defjvp
def _(geometry: Geometry, primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    # JAX derives the gradients by transposing the tangents. The fast forms of the gradients are `_input_gradient` and
    # `_kernel_gradient`, so the tangents are written as the transposes of those.
    (inputs, kernel), (d_inputs, d_kernel) = primals, tangents
    outputs = convolve_by_shifts(inputs, kernel, geometry)
    repeated, d_repeated = (_repeat_channels(x, kernel) for x in (inputs, d_inputs))
    window = kernel.shape[:-2]
    input_gradient = functools.partial(
        _input_gradient, kernel=_flat(kernel), geometry=geometry, sizes=d_repeated.shape[1:-1]
    )
    kernel_gradient = functools.partial(_kernel_gradient, inputs=repeated, window=window, geometry=geometry)
    (by_inputs,) = jax.linear_transpose(input_gradient, outputs)(d_repeated)
    (by_kernel,) = jax.linear_transpose(kernel_gradient, outputs)(_flat(d_kernel))
    return outputs, by_inputs + by_kernel


def _flat(kernel: Any) -> jax.Array:
    """Return the kernel as `[*window, channels * multiplier]`."""
    return kernel.reshape(*kernel.shape[:-2], -1)


def _repeat_channels(inputs: Any, kernel: Any) -> jax.Array:
    """Return inputs with each channel repeated once for each of its kernels."""
    return jnp.repeat(inputs, kernel.shape[-1], -1) if kernel.shape[-1] > 1 else inputs


def _pad(inputs: jax.Array, padding: Any) -> jax.Array:
    return jax.lax.pad(inputs, jnp.zeros((), inputs.dtype), [(0, 0, 0), *((*ends, 0) for ends in padding), (0, 0, 0)])


def _sum_of_shifts(inputs: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Return the sum over the window of shifted inputs times an element of the kernel; half precision in float32."""
    strides, padding, dilation = geometry
    dtype = inputs.dtype
    padded = _pad(inputs, padding)
    total: Any = 0.0
    for place in itertools.product(*map(range, kernel.shape[:-1])):
        starts = [position * step for position, step in zip(place, dilation, strict=True)]
        spans = [(size - 1) * step for size, step in zip(kernel.shape, dilation, strict=False)]
        ends = [start + size - span for start, size, span in zip(starts, padded.shape[1:], spans, strict=False)]
        shifted = jax.lax.slice(padded, (0, *starts, 0), (padded.shape[0], *ends, padded.shape[-1]), (1, *strides, 1))
        total = total + wide(shifted) * wide(kernel[place]).reshape([1] * (inputs.ndim - 1) + [-1])
    return total.astype(dtype)


def _input_gradient(gradients: Any, kernel: Any, geometry: Geometry, sizes: tuple[int, ...]) -> jax.Array:
    """Return the gradient of inputs of these sizes: `_sum_of_shifts` of gradients spread out by the strides."""
    strides, padding, dilation = geometry
    ends = []
    for size, out, stride, (before, _), window, step in zip(
        sizes, gradients.shape[1:-1], strides, padding, kernel.shape, dilation, strict=False
    ):
        span = (window - 1) * step
        start = span - before
        ends.append((start, size + span - start - ((out - 1) * stride + 1), stride - 1))
    spread = jax.lax.pad(gradients, jnp.zeros((), gradients.dtype), [(0, 0, 0), *ends, (0, 0, 0)])
    flipped = jnp.flip(kernel, range(kernel.ndim - 1))
    return _sum_of_shifts(spread, flipped, ((1,) * len(strides), ((0, 0),) * len(strides), dilation))


def _kernel_gradient(gradients: Any, inputs: jax.Array, window: tuple[int, ...], geometry: Geometry) -> jax.Array:
    """Return the gradient of the kernel, `[*window, channels]`: for each element of the window, a sum over outputs.

    It is a loop, so that large windows compile as fast as small ones.
    """
    strides, padding, dilation = geometry
    dtype = inputs.dtype
    padded = _pad(inputs, padding)
    reach = [(size - 1) * stride + 1 for size, stride in zip(gradients.shape[1:-1], strides, strict=True)]
    gradients = wide(gradients)

    def sum_at(_: None, start: jax.Array) -> tuple[None, jax.Array]:
        shifted = jax.lax.dynamic_slice(padded, start, (padded.shape[0], *reach, padded.shape[-1]))
        shifted = jax.lax.slice(shifted, (0,) * shifted.ndim, shifted.shape, (1, *strides, 1))
        return None, jnp.sum(wide(shifted) * gradients, range(shifted.ndim - 1))

    starts = np.indices(window, "int32").reshape(len(window), -1).T * np.asarray(dilation, "int32")
    starts = np.pad(starts, ((0, 0), (1, 1)))  # [elements of the window, axes of the inputs]
    return jax.lax.scan(sum_at, None, jnp.asarray(starts))[1].reshape(*window, -1).astype(dtype)
