"""Moments, and arrays brought to mean 0, variance 1 or norm 1 with them.

Half-precision numbers are summed in float32; results come in the dtype of x.

The arithmetic of all normalisations is here, that of the layers too. What is normalised is used several times over
(for the mean, for the variance, for the result), and XLA on CPU computes it anew for each use, with all that leads up
to it: a transformer's step takes half as long again, and two to three times as long to compile. `apart` keeps it from
that. Subtracting the mean once, for the variance and the result, is the quickest of several ways to write it, and the
most exact. The derivative is written by hand: it needs nothing but the normalised numbers and their factor, where JAX
would keep five arrays (in a loop all of them are written and read again).
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import settings
from jaxlayers.core import operation
from jaxlayers.ops._platform import on_cpu
from jaxlayers.ops._types import Array, ArrayLike, Axis, hashable

__all__ = ["batch_normalization", "layer_normalization", "moments", "normalize", "rms_normalization"]


@operation("x")
def moments(
    x: ArrayLike, axes: int | Sequence[int], keepdims: bool = False, synchronized: bool = False
) -> tuple[Array, Array]:
    """Mean and variance.

    Args:
        x: array.
        axes: over which axes.
        keepdims: whether these stay, with size 1.
        synchronized: not supported: under a sharded `jit` they are of the whole array anyway.

    Returns:
        Mean and variance; those of half-precision numbers are held within the range of their dtype.

    Raises:
        NotImplementedError: for `synchronized=True`.

    Example:
        >>> moments([[1.0, 2.0], [3.0, 6.0]], axes=0)
        (Array([2., 4.], dtype=float32), Array([1., 4.], dtype=float32))
    """
    if synchronized:
        raise NotImplementedError("ops.moments has no synchronized=True; use jax.lax.pmean over the mesh axis.")
    full = wide(x)
    mean = jnp.mean(full, hashable(axes), keepdims=keepdims)
    variance = jnp.var(full, hashable(axes), keepdims=keepdims)
    return _narrow(mean, x), _narrow(variance, x)


@operation("x")
def normalize(x: ArrayLike, axis: Axis = -1, order: int = 2, epsilon: float | None = None) -> Array:
    """Divided by the norm: x / max(norm(x), epsilon).

    Args:
        x: array.
        axis: over which axis or axes the norm is; None for all.
        order: which norm: sum(|x| ** order) ** (1 / order).
        epsilon: smallest divisor; `epsilon()` of the settings by default.

    Raises:
        ValueError: when `order` is not a positive integer.

    Example:
        >>> normalize([[3.0, 4.0], [0.0, 0.0]])
        Array([[0.6, 0.8],
               [0. , 0. ]], dtype=float32)
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"ops.normalize expects an order that is a positive integer; received {order!r}.")
    x, axis = jnp.atleast_1d(x), hashable(axis)
    epsilon = settings.epsilon() if epsilon is None else epsilon
    if order == 2:  # the square root and the division in one, finite at zero
        return x * jnp.minimum(jax.lax.rsqrt(jnp.sum(jnp.square(x), axis, keepdims=True)), 1 / epsilon)
    return x / jnp.maximum(jnp.linalg.norm(x, order, axis, keepdims=True), epsilon)


@operation("x", "mean", "variance", "offset", "scale")
def batch_normalization(
    x: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    axis: int,
    offset: ArrayLike = None,
    scale: ArrayLike = None,
    epsilon: float = 1e-3,
) -> Array:
    """Normalised by given moments: (x - mean) / sqrt(variance + epsilon) scale + offset; arXiv:1502.03167.

    Args:
        x: array.
        mean: of each channel, [channels].
        variance: of each channel, [channels].
        axis: which axis of x the channels are.
        offset: [channels]; None for 0.
        scale: [channels]; None for 1.
        epsilon: added to the variance.

    Example:
        >>> batch_normalization([[3.0, 4.0]], [1.0, 2.0], [4.0, 1.0], axis=-1, epsilon=0.0)
        Array([[1., 2.]], dtype=float32)
    """
    shape = [1] * x.ndim
    shape[axis] = -1
    gain = jax.lax.rsqrt(variance + epsilon)
    gain = gain if scale is None else gain * scale
    shift = -mean * gain if offset is None else offset - mean * gain
    return x * gain.reshape(shape) + shift.reshape(shape)


@operation("x", "gamma", "beta")
def layer_normalization(
    x: ArrayLike,
    gamma: ArrayLike = None,
    beta: ArrayLike = None,
    axis: int | Sequence[int] = -1,
    epsilon: float | None = None,
) -> Array:
    """Normalised over axes of each example: (x - mean) / sqrt(variance + epsilon) gamma + beta; arXiv:1607.06450.

    Args:
        x: array.
        gamma: of the sizes along the axes; None for 1.
        beta: of the sizes along the axes; None for 0.
        axis: over which axis or axes.
        epsilon: added to the variance; `epsilon()` of the settings by default.

    Example:
        >>> layer_normalization([[1.0, 3.0]], gamma=[2.0, 2.0], epsilon=0.0)
        Array([[-2.,  2.]], dtype=float32)
    """
    axes = _axes(axis)
    epsilon = settings.epsilon() if epsilon is None else epsilon
    return normalize_over(x, gamma, beta, axes, _sizes_along(x, axes), epsilon, x.dtype)


@operation("x", "scale")
def rms_normalization(
    x: ArrayLike, scale: ArrayLike = None, axis: int | Sequence[int] = -1, epsilon: float | None = None
) -> Array:
    """Divided by the root mean square: x / sqrt(mean(x^2) + epsilon) scale; arXiv:1910.07467.

    Args:
        x: array.
        scale: what broadcasts to x; None for 1.
        axis: over which axis or axes the mean is.
        epsilon: added to the mean; `epsilon()` of the settings by default.

    Example:
        >>> rms_normalization([[1.0, 7.0]])
        Array([[0.2, 1.4]], dtype=float32)
    """
    x = jnp.atleast_1d(x)
    epsilon = settings.epsilon() if epsilon is None else epsilon
    scale = None if scale is None else jnp.broadcast_to(scale, x.shape)
    return normalize_by_root_mean_square(x, scale, _axes(axis), x.shape, epsilon, x.dtype)


def wide(x: Array) -> Array:
    """Half-size floats in float32, in which their squares and sums do not overflow."""
    return x.astype(jnp.promote_types(x.dtype, "float32"))


def apart(x: Array) -> Array:
    """The same values, computed once, however many computations they go into; other platforms fuse as they see fit."""
    return jax.lax.optimization_barrier(x) if on_cpu() else x


# Each of these is one dispatch when it is called eagerly, and one cached trace when it is not. Weights are laid out as
# a shape that broadcasts to x.


@functools.partial(jax.jit, static_argnums=(1,))
def shifted(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array, Array, Array]:
    """X less something near its mean over axes, what its mean is then and was before, and the variance.

    Near the mean, the mean square less the squared mean is as exact as the mean square of what is centred, and needs no
    pass of its own. On CPU, the mean of the first sample is near: of n samples, none is further from the mean of all
    than sqrt(n) standard deviations, so that at most n times the rounding error is in the variance. Elsewhere it is the
    mean itself, since samples may be spread over devices.
    """
    x = wide(apart(x))
    some = x
    if axes and on_cpu(x):
        some = jax.lax.slice_in_dim(x, 0, min(1, x.shape[axes[0]]), axis=axes[0])
    near = jax.lax.stop_gradient(jnp.mean(some, axes, keepdims=True))
    x = x - near
    mean = jnp.mean(x, axes, keepdims=True)
    variance = jnp.maximum(jnp.mean(jnp.square(x), axes, keepdims=True) - jnp.square(mean), 0)
    return x, mean, mean + near, variance


@functools.partial(jax.jit, static_argnums=(5, 6, 7))
def scale_and_shift(
    x: Array, mean: Any, variance: Array, gamma: Any, beta: Any, shape: tuple[int, ...], epsilon: float, dtype: Any
) -> Array:
    """`gamma * (x - mean) / sqrt(variance + epsilon) + beta`; all but x laid out as the shape, or None."""
    mean, gamma, beta = (None if one is None else one.astype(x.dtype).reshape(shape) for one in (mean, gamma, beta))
    gain = jax.lax.rsqrt(variance.astype(x.dtype).reshape(shape) + epsilon)
    gain = gain if gamma is None else gain * gamma
    if mean is not None:
        beta = -mean * gain if beta is None else beta - mean * gain
    return (x * gain if beta is None else x * gain + beta).astype(dtype)


@functools.partial(jax.jit, static_argnums=(3, 4, 5, 6))
def normalize_over(
    x: Array, gamma: Any, beta: Any, axes: tuple[int, ...], shape: tuple[int, ...], epsilon: float, dtype: Any
) -> Array:
    """`gamma * (x - mean) / sqrt(variance + epsilon) + beta`, with moments over axes."""
    return _weighted(_standard(wide(apart(x)), axes, epsilon, True), gamma, beta, shape).astype(dtype)


@functools.partial(jax.jit, static_argnums=(2, 3, 4, 5))
def normalize_by_root_mean_square(
    x: Array, scale: Any, axes: tuple[int, ...], shape: tuple[int, ...], epsilon: float, dtype: Any
) -> Array:
    """`scale * x / sqrt(mean(x^2) + epsilon)`, with the mean over axes."""
    return _weighted(_standard(wide(apart(x)), axes, epsilon, False), scale, None, shape).astype(dtype)


def _weighted(outputs: Array, gamma: Any, beta: Any, shape: tuple[int, ...]) -> Array:
    outputs = outputs if gamma is None else outputs * gamma.astype(outputs.dtype).reshape(shape)
    return outputs if beta is None else outputs + beta.astype(outputs.dtype).reshape(shape)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3))
def _standard(x: Array, axes: tuple[int, ...], epsilon: float, centred: bool) -> Array:
    """X, less its mean over axes if it is to be centred, divided by the root of its mean square and epsilon."""
    return _standard_and_factor(x, axes, epsilon, centred)[0]


def _standard_and_factor(x: Array, axes: tuple[int, ...], epsilon: float, centred: bool) -> tuple[Array, Array]:
    x = x - _mean(x, axes) if centred else x
    factor = jax.lax.rsqrt(_mean(jnp.square(x), axes) + epsilon)
    return x * factor, factor


def _mean(x: Array, axes: tuple[int, ...]) -> Array:
    """The mean over axes, which stay, with size 1.

    The last axis by itself if it is not next to another (channels of a group): what XLA on CPU has no fast code for is
    one sum over both kinds.
    """
    last = x.ndim - 1
    others = tuple(axis for axis in axes if axis % x.ndim != last)
    if not others or len(others) == len(axes) or (last - 1) in [axis % x.ndim for axis in axes]:
        return jnp.mean(x, axes, keepdims=True)
    return jnp.mean(jnp.mean(x, others, keepdims=True), -1, keepdims=True)


@_standard.defjvp
def _slope_of_standard(axes: tuple[int, ...], epsilon: float, centred: bool, primals: Any, tangents: Any) -> Any:
    """The part of the tangent that goes along the outputs (and what all numbers share) changes nothing."""
    outputs, factor = _standard_and_factor(primals[0], axes, epsilon, centred)
    (change,) = tangents
    along = outputs * _mean(outputs * change, axes)
    change = change - _mean(change, axes) if centred else change
    return outputs, factor * (change - along)


def _narrow(value: Array, like: Array) -> Array:
    if value.dtype == like.dtype or not jnp.issubdtype(like.dtype, jnp.floating):
        return value
    limits = jnp.finfo(like.dtype)
    return jnp.clip(value, limits.min, limits.max).astype(like.dtype)


def _axes(axis: int | Sequence[int]) -> tuple[int, ...]:
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _sizes_along(x: Array, axes: tuple[int, ...]) -> tuple[int, ...]:
    """X's sizes along these axes, and 1 along the others."""
    kept = {axis % x.ndim for axis in axes}
    return tuple(size if axis in kept else 1 for axis, size in enumerate(x.shape))
