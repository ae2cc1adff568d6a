"""Normalization of arrays to mean 0 and variance 1, or to root mean square 1. Callers check all arguments.

Subtracting the mean once, for the variance and for the result, is the fastest of several forms, and the most exact. The
derivative of `_standardize` is written by hand: it keeps the normalised array and its factor, where JAX would keep five
arrays.

Half precision is computed in float32. Weights are reshaped to a shape that broadcasts to the array. Each public
function is compiled: one dispatch when it is called eagerly, and one cached trace otherwise.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.numerics.types import Array, wide


@functools.partial(jax.jit, static_argnums=(1,))
def shifted(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array, Array, Array]:
    """Return `x - estimate`, the mean of this difference, the mean of `x`, and the variance of `x`, over axes.

    The estimate is the mean of `x` as computed, rounding errors included; no gradient is taken of it.

    After the subtraction, the mean square less the squared mean is as exact as the mean square of a centred array, and
    needs no pass over the array of its own.
    """
    x = wide(x)
    near = jax.lax.stop_gradient(jnp.mean(x, axes, keepdims=True))
    x = x - near
    mean = jnp.mean(x, axes, keepdims=True)
    variance = jnp.maximum(jnp.mean(jnp.square(x), axes, keepdims=True) - jnp.square(mean), 0)
    return x, mean, mean + near, variance


@functools.partial(jax.jit, static_argnums=(5, 6, 7))
def scale_and_shift(
    x: Array, mean: Any, variance: Array, gamma: Any, beta: Any, shape: tuple[int, ...], epsilon: float, dtype: Any
) -> Array:
    """Return `gamma * (x - mean) / sqrt(variance + epsilon) + beta`; all but `x` are reshaped to the shape, or None."""
    mean, gamma, beta = (None if a is None else a.astype(x.dtype).reshape(shape) for a in (mean, gamma, beta))
    gain = jax.lax.rsqrt(variance.astype(x.dtype).reshape(shape) + epsilon)
    gain = gain if gamma is None else gain * gamma
    if mean is not None:
        beta = -mean * gain if beta is None else beta - mean * gain
    return (x * gain if beta is None else x * gain + beta).astype(dtype)


@functools.partial(jax.jit, static_argnums=(3, 4, 5, 6))
def normalize_over(
    x: Array, gamma: Any, beta: Any, axes: tuple[int, ...], shape: tuple[int, ...], epsilon: float, dtype: Any
) -> Array:
    """Return `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, with mean and variance over axes."""
    return _apply_weights(_standardize(wide(x), axes, epsilon, True), gamma, beta, shape).astype(dtype)


@functools.partial(jax.jit, static_argnums=(2, 3, 4, 5))
def normalize_by_root_mean_square(
    x: Array, scale: Any, axes: tuple[int, ...], shape: tuple[int, ...], epsilon: float, dtype: Any
) -> Array:
    """Return `scale * x / sqrt(mean(x^2) + epsilon)`, with the mean over axes."""
    return _apply_weights(_standardize(wide(x), axes, epsilon, False), scale, None, shape).astype(dtype)


def _apply_weights(outputs: Array, gamma: Any, beta: Any, shape: tuple[int, ...]) -> Array:
    outputs = outputs if gamma is None else outputs * gamma.astype(outputs.dtype).reshape(shape)
    return outputs if beta is None else outputs + beta.astype(outputs.dtype).reshape(shape)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3))
def _standardize(x: Array, axes: tuple[int, ...], epsilon: float, centred: bool) -> Array:
    """Return `x`, less its mean over axes if `centred`, divided by the root of its mean square plus epsilon."""
    return _standardize_with_factor(x, axes, epsilon, centred)[0]


def _standardize_with_factor(x: Array, axes: tuple[int, ...], epsilon: float, centred: bool) -> tuple[Array, Array]:
    x = x - _mean(x, axes) if centred else x
    factor = jax.lax.rsqrt(_mean(jnp.square(x), axes) + epsilon)
    return x * factor, factor


def _mean(x: Array, axes: tuple[int, ...]) -> Array:
    """Return the mean over axes, which stay, with size 1.

    The last axis is reduced by itself if it is not next to another one (the channels of a group): XLA on CPU has no
    fast code for one sum over both kinds.
    """
    last = x.ndim - 1
    others = tuple(axis for axis in axes if axis % x.ndim != last)
    if not others or len(others) == len(axes) or (last - 1) in [axis % x.ndim for axis in axes]:
        return jnp.mean(x, axes, keepdims=True)
    return jnp.mean(jnp.mean(x, others, keepdims=True), -1, keepdims=True)


@_standardize.defjvp
def _standardize_with_tangent(axes: tuple[int, ...], epsilon: float, centred: bool, primals: Any, tangents: Any) -> Any:
    """Return the outputs and their tangent, which has no part along the outputs, nor a mean if they are centred."""
    outputs, factor = _standardize_with_factor(primals[0], axes, epsilon, centred)
    (tangent,) = tangents
    along = outputs * _mean(outputs * tangent, axes)
    tangent = tangent - _mean(tangent, axes) if centred else tangent
    return outputs, factor * (tangent - along)
