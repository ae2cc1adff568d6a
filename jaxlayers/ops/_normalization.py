"""Moments, and arrays brought to mean 0, variance 1 or norm 1 with them.

Half-precision numbers are summed in float32; results come in the dtype of x.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxlayers.core import operation, settings
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
    wide = _wide(x)
    mean = jnp.mean(wide, hashable(axes), keepdims=keepdims)
    variance = jnp.var(wide, hashable(axes), keepdims=keepdims)
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
    wide, axes = _wide(x), _axes(axis)
    gain = jax.lax.rsqrt(jnp.var(wide, axes, keepdims=True) + (settings.epsilon() if epsilon is None else epsilon))
    gain = gain if gamma is None else gain * _along(gamma, wide, axes)
    shift = -jnp.mean(wide, axes, keepdims=True) * gain
    shift = shift if beta is None else shift + _along(beta, wide, axes)
    return (wide * gain + shift).astype(x.dtype)


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
    epsilon = settings.epsilon() if epsilon is None else epsilon
    wide = _wide(jnp.atleast_1d(x))
    out = wide * jax.lax.rsqrt(jnp.mean(jnp.square(wide), _axes(axis), keepdims=True) + epsilon)
    out = out if scale is None else out * jnp.broadcast_to(scale.astype(wide.dtype), wide.shape)
    return out.astype(x.dtype)


def _wide(x: Array) -> Array:
    return x.astype(jnp.promote_types(x.dtype, "float32"))


def _narrow(value: Array, like: Array) -> Array:
    if value.dtype == like.dtype or not jnp.issubdtype(like.dtype, jnp.floating):
        return value
    limits = jnp.finfo(like.dtype)
    return jnp.clip(value, limits.min, limits.max).astype(like.dtype)


def _axes(axis: int | Sequence[int]) -> tuple[int, ...]:
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _along(weights: Array, x: Array, axes: tuple[int, ...]) -> Array:
    """Weights with an axis for each of x's."""
    shape = [1] * x.ndim
    for axis in axes:
        shape[axis] = x.shape[axis]
    return weights.astype(x.dtype).reshape(shape)
