"""Convolutions in groups, and of each channel by itself, in the form that is fastest on each platform.

XLA's own are fast where cuDNN or a TPU computes them. On CPU they are loops over single elements: their gradients
take a hundred times as long as those of a dense convolution. There, groups are computed as dense convolutions with a
kernel that is zero between groups, and single channels as a sum of shifted inputs, one for each element of the window.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_BLOCK = 64  # channels of a dense convolution that stands for several groups
_SHIFTS = 64  # elements of the largest window that is written out

# A convolution here is `direct(inputs, kernel, groups)`, the rest being bound, and `axis` is that of the channels.


def in_groups(direct: Any, inputs: jax.Array, kernel: jax.Array, groups: int, axis: int) -> jax.Array:
    """`direct(inputs, kernel, groups)` of a kernel `[*window, channels / groups, filters]`."""

    def dense(inputs: Any, kernel: Any) -> jax.Array:
        *window, within, filters = kernel.shape
        joined = max(n for n in range(1, groups + 1) if groups % n == 0 and (n == 1 or n * within <= _BLOCK))
        blocks = groups // joined
        apart = kernel.reshape(*window, within, blocks, joined, filters // groups)
        own = jnp.eye(joined, dtype=bool)[:, None, None, :, None]  # [group of inputs, 1, 1, group of filters, 1]
        spread = jnp.where(own, apart[..., None, :, :, :, :], 0)
        spread = spread.reshape(*window, joined * within, blocks, joined * filters // groups)
        kernels = jnp.moveaxis(spread, -2, 0)
        parts = zip(jnp.split(inputs, blocks, axis), kernels, strict=True)
        return jnp.concatenate([direct(part, block, 1) for part, block in parts], axis)

    return jax.lax.platform_dependent(inputs, kernel, cpu=dense, default=lambda x, k: direct(x, k, groups))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 3, 4))
def by_channel(direct: Any, inputs: jax.Array, kernel: jax.Array, how: tuple[Any, ...], axis: int) -> jax.Array:
    """The convolution of each channel by itself with a kernel `[*window, channels, multiplier]`.

    `how` is the strides, the padding at both ends and the dilation, for each axis of space.
    """
    return jax.lax.platform_dependent(
        inputs,
        kernel,
        cpu=lambda x, k: jnp.moveaxis(_shifted(_repeated(x, k, axis), _flat(k), how), -1, axis),
        default=lambda x, k: direct(x, jnp.expand_dims(_flat(k), -2), x.shape[axis]),
    )


@by_channel.defjvp
def _(direct: Any, how: tuple[Any, ...], axis: int, primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    inputs, kernel = primals
    outputs = by_channel(direct, inputs, kernel, how, axis)

    def shifted(inputs: Any, kernel: Any, new_inputs: Any, new_kernel: Any) -> jax.Array:
        # This is linear in the tangents, and the gradients are its transpose. What is fast is written there: gradients
        # shifted back, and summed with shifted inputs; here, their transposes, of which those are the transposes.
        repeated, moving = _repeated(inputs, kernel, axis), _repeated(new_inputs, kernel, axis)
        last, window = jnp.moveaxis(outputs, axis, -1), kernel.shape[:-2]
        back = functools.partial(_shifted_back, kernel=_flat(kernel), how=how, sizes=moving.shape[1:-1])
        (moved,) = jax.linear_transpose(back, last)(moving)
        sums = functools.partial(_kernel_gradient, inputs=repeated, window=window, how=how)
        (weighed,) = jax.linear_transpose(sums, last)(_flat(new_kernel))
        return jax.lax.optimization_barrier(jnp.moveaxis(moved + weighed, -1, axis))

    def plain(inputs: Any, kernel: Any, new_inputs: Any, new_kernel: Any) -> jax.Array:
        old, new = (jnp.expand_dims(_flat(k), -2) for k in (kernel, new_kernel))
        channels = inputs.shape[axis]
        return direct(new_inputs, old, channels) + direct(inputs, new, channels)

    return outputs, jax.lax.platform_dependent(inputs, kernel, *tangents, cpu=shifted, default=plain)


def worth_shifting(kernel: Any) -> bool:
    """Whether a window is small enough to be written out."""
    return math.prod(kernel.shape[:-2]) <= _SHIFTS


def _flat(kernel: Any) -> jax.Array:
    return kernel.reshape(*kernel.shape[:-2], -1)


def _repeated(inputs: Any, kernel: Any, axis: int) -> jax.Array:
    """Inputs with the channels last, each as often as it has kernels."""
    last = jnp.moveaxis(inputs, axis, -1)
    return jnp.repeat(last, kernel.shape[-1], -1) if kernel.shape[-1] > 1 else last


def _shifted(inputs: jax.Array, kernel: jax.Array, how: tuple[Any, ...]) -> jax.Array:
    """The sum over the window of shifted inputs times an element of the kernel; half-size floats add up in float32."""
    strides, padding, dilation = how
    dtype, wide = inputs.dtype, jnp.promote_types(inputs.dtype, jnp.float32)
    padded = jax.lax.pad(inputs, jnp.zeros((), dtype), [(0, 0, 0), *((*ends, 0) for ends in padding), (0, 0, 0)])
    total: Any = 0.0
    for place in itertools.product(*map(range, kernel.shape[:-1])):
        starts = [at * step for at, step in zip(place, dilation, strict=True)]
        spans = [(size - 1) * step for size, step in zip(kernel.shape, dilation, strict=False)]
        ends = [start + size - span for start, size, span in zip(starts, padded.shape[1:], spans, strict=False)]
        part = jax.lax.slice(padded, (0, *starts, 0), (padded.shape[0], *ends, padded.shape[-1]), (1, *strides, 1))
        total = total + part.astype(wide) * kernel[place].astype(wide).reshape([1] * (inputs.ndim - 1) + [-1])
    return jax.lax.optimization_barrier(total.astype(dtype))


def _shifted_back(gradients: Any, kernel: Any, how: tuple[Any, ...], sizes: tuple[int, ...]) -> jax.Array:
    """The gradient with respect to inputs of these sizes: `_shifted` again, of gradients spread out by the strides."""
    strides, padding, dilation = how
    ends = []
    for size, out, stride, (before, _), window, step in zip(
        sizes, gradients.shape[1:-1], strides, padding, kernel.shape, dilation, strict=False
    ):
        span = (window - 1) * step
        start = span - before
        ends.append((start, size + span - start - ((out - 1) * stride + 1), stride - 1))
    spread = jax.lax.pad(gradients, jnp.zeros((), gradients.dtype), [(0, 0, 0), *ends, (0, 0, 0)])
    once = (1,) * len(strides)
    flipped = jnp.flip(kernel, range(kernel.ndim - 1))
    return _shifted(spread, flipped, (once, [(0, 0)] * len(strides), dilation))


def _kernel_gradient(gradients: Any, inputs: jax.Array, window: tuple[int, ...], how: tuple[Any, ...]) -> jax.Array:
    """The gradient with respect to the kernel, `[*window, channels]`: for each of its elements, a sum over the outputs.

    A loop, so that large windows compile as fast as small ones.
    """
    strides, padding, dilation = how
    dtype, wide = inputs.dtype, jnp.promote_types(inputs.dtype, jnp.float32)
    padded = jax.lax.pad(inputs, jnp.zeros((), dtype), [(0, 0, 0), *((*ends, 0) for ends in padding), (0, 0, 0)])
    reach = [(size - 1) * stride + 1 for size, stride in zip(gradients.shape[1:-1], strides, strict=True)]
    gradients = gradients.astype(wide)

    def one(_: None, start: jax.Array) -> tuple[None, jax.Array]:
        part = jax.lax.dynamic_slice(padded, (0, *start, 0), (padded.shape[0], *reach, padded.shape[-1]))
        part = jax.lax.slice(part, (0,) * part.ndim, part.shape, (1, *strides, 1))
        return None, jnp.sum(part.astype(wide) * gradients, range(part.ndim - 1))

    starts = np.indices(window, "int32").reshape(len(window), -1).T * np.asarray(dilation, "int32")
    return jax.lax.scan(one, None, starts)[1].reshape(*window, -1).astype(dtype)
