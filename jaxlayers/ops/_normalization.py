"""Moments, and arrays normalised with them to mean 0 and variance 1, or to norm 1.

Half precision is summed in float32; results have the dtype of x.

The mathematics that the layers share is in `numerics.normalization`.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxlayers.common import settings
from jaxlayers.core import operation
from jaxlayers.numerics.normalization import normalize_by_root_mean_square, normalize_over
from jaxlayers.numerics.norms import divide_by_norm
from jaxlayers.numerics.types import Array, ArrayLike, Axis, as_float, hashable, wide

__all__ = ["batch_normalization", "layer_normalization", "moments", "normalize", "rms_normalization"]


@operation("x")
def moments(
    x: ArrayLike, axes: int | Sequence[int], keepdims: bool = False, synchronized: bool = False
) -> tuple[Array, Array]:
    """Mean and variance.

    Args:
        x: array.
        axes: the axes that are reduced.
        keepdims: If True, these axes stay, with size 1. False by default.
        synchronized: not supported: under a sharded `jit` the moments are those of the whole array.

    Returns:
        Mean and variance; in half precision, they are clipped to the range of the dtype.

    Raises:
        NotImplementedError: if `synchronized` is True.

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
    """Division by the norm: x / max(norm(x), epsilon). Zeros stay zeros, with gradients of 0.

    Args:
        x: array.
        axis: the axis or axes of the norm; None for all.
        order: the order of the norm: sum(|x| ** order) ** (1 / order).
        epsilon: the smallest divisor; `epsilon()` of the settings by default.

    Raises:
        ValueError: if `order` is not a positive integer.

    Example:
        >>> normalize([[3.0, 4.0], [0.0, 0.0]])
        Array([[0.6, 0.8],
               [0. , 0. ]], dtype=float32)
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"ops.normalize expects an order that is a positive integer; received {order!r}.")
    epsilon = settings.epsilon() if epsilon is None else epsilon
    return divide_by_norm(as_float(jnp.atleast_1d(x)), hashable(axis), order, float(epsilon))


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
    """Normalisation by given moments: (x - mean) / sqrt(variance + epsilon) scale + offset; arXiv:1502.03167.

    Args:
        x: array.
        mean: of each channel, [channels].
        variance: of each channel, [channels].
        axis: the axis of the channels in x.
        offset: [channels]; None for 0.
        scale: [channels]; None for 1.
        epsilon: added to the variance.

    Example:
        >>> batch_normalization([[3.0, 4.0]], [1.0, 2.0], [4.0, 1.0], axis=-1, epsilon=0.0)
        Array([[1., 2.]], dtype=float32)
    """
    shape = [1] * x.ndim
    shape[axis] = -1
    arrays = (mean, variance, offset, scale)
    dtype = jnp.result_type(x, *(array for array in arrays if array is not None))
    mean, variance, offset, scale = (None if array is None else wide(array).reshape(shape) for array in arrays)
    gain = jax.lax.rsqrt(variance + epsilon)
    outputs = (wide(x) - mean) * (gain if scale is None else gain * scale)
    return (outputs if offset is None else outputs + offset).astype(dtype)


@operation("x", "gamma", "beta")
def layer_normalization(
    x: ArrayLike,
    gamma: ArrayLike = None,
    beta: ArrayLike = None,
    axis: int | Sequence[int] = -1,
    epsilon: float | None = None,
) -> Array:
    """Normalisation over axes of each example: (x - mean) / sqrt(variance + epsilon) gamma + beta; arXiv:1607.06450.

    Args:
        x: array.
        gamma: an array of the sizes along the axes; None for 1.
        beta: an array of the sizes along the axes; None for 0.
        axis: the axis or axes that are normalised over.
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
    """Division by the root mean square: x / sqrt(mean(x^2) + epsilon) scale; arXiv:1910.07467.

    Args:
        x: array.
        scale: an array that broadcasts to x; None for 1.
        axis: the axis or axes of the mean.
        epsilon: added to the mean; `epsilon()` of the settings by default.

    Example:
        >>> rms_normalization([[1.0, 7.0]])
        Array([[0.2, 1.4]], dtype=float32)
    """
    x = jnp.atleast_1d(x)
    epsilon = settings.epsilon() if epsilon is None else epsilon
    scale = None if scale is None else jnp.broadcast_to(scale, x.shape)
    return normalize_by_root_mean_square(x, scale, _axes(axis), x.shape, epsilon, x.dtype)


def _narrow(value: Array, like: Array) -> Array:
    if value.dtype == like.dtype or not jnp.issubdtype(like.dtype, jnp.floating):
        return value
    limits = jnp.finfo(like.dtype)
    return jnp.clip(value, float(limits.min), float(limits.max)).astype(like.dtype)


def _axes(axis: int | Sequence[int]) -> tuple[int, ...]:
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _sizes_along(x: Array, axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes of `x` along these axes, and 1 along the others."""
    positions = {axis % x.ndim for axis in axes}
    return tuple(size if axis in positions else 1 for axis, size in enumerate(x.shape))
