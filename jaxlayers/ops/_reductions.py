"""Reductions along axes, and running sums and products.

Dtypes: means of integers are floats; sums and products of bools and of narrow integers are in 32 bits; indices are in
int32. The functions that ignore nan are in `_nan_reductions`.
"""

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.norms import standard_deviation
from jaxlayers.numerics.types import Array, ArrayLike, Axis, DType, dtype_or_none, hashable
from jaxlayers.ops._declarations import reduced_by, widened

__all__ = [
    "amax", "amin", "argmax", "argmin", "count_nonzero", "cumprod", "cumsum", "max", "mean", "min", "prod", "ptp",
    "std", "sum", "var",
]  # fmt: skip


@reduced_by(jnp.sum)
def sum(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum of the elements along the axes.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> sum([[1, 2], [3, 4]], axis=0)
        Array([4, 6], dtype=int32)
    """


@operation("x")
def prod(x: ArrayLike, axis: Axis = None, keepdims: bool = False, dtype: DType = None) -> Array:
    """Product of the elements along the axes.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.
        dtype: the dtype of the computation and of the result; None (the default) to choose it from the dtype of x.

    Example:
        >>> prod([[1, 2], [3, 4]], axis=0)
        Array([3, 8], dtype=int32)
    """
    return jnp.prod(x, axis=hashable(axis), keepdims=keepdims, dtype=dtype_or_none(dtype))


@reduced_by(jnp.mean)
def mean(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Arithmetic mean along the axes. The sum of half-precision numbers is computed in float32.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> mean([[1, 2], [3, 5]], axis=0)
        Array([2. , 3.5], dtype=float32)
    """


@reduced_by(widened(jnp.var))
def var(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Variance along the axes: mean(|x - mean(x)|^2).

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> var([1.0, 2.0, 6.0])
        Array(4.6666665, dtype=float32)
    """


@reduced_by(widened(standard_deviation))
def std(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Standard deviation along the axes: sqrt(var(x)). Its gradient is 0 where all elements are equal.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> std([1.0, 3.0])
        Array(1., dtype=float32)
    """


@operation("x", "initial")
def max(x: ArrayLike, axis: Axis = None, keepdims: bool = False, initial: ArrayLike = None) -> Array:
    """Largest element along the axes; nan if one of the elements is nan.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.
        initial: a number that is treated as one more element; None (the default) for none.

    Example:
        >>> max([[1, 7], [3, 4]], axis=0)
        Array([3, 7], dtype=int32)
    """
    return jnp.max(x, axis=hashable(axis), keepdims=keepdims, initial=initial)


@operation("x", "initial")
def min(x: ArrayLike, axis: Axis = None, keepdims: bool = False, initial: ArrayLike = None) -> Array:
    """Smallest element along the axes; nan if one of the elements is nan.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.
        initial: a number that is treated as one more element; None (the default) for none.

    Example:
        >>> min([[1, 7], [3, 4]], axis=0)
        Array([1, 4], dtype=int32)
    """
    return jnp.min(x, axis=hashable(axis), keepdims=keepdims, initial=initial)


@reduced_by(jnp.max)
def amax(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest element along the axes: another name of `max`.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> amax([[1, 7], [3, 4]], axis=0)
        Array([3, 7], dtype=int32)
    """


@reduced_by(jnp.min)
def amin(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Smallest element along the axes: another name of `min`.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> amin([[1, 7], [3, 4]], axis=0)
        Array([1, 4], dtype=int32)
    """


@reduced_by(jnp.ptp)
def ptp(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Difference of the largest and the smallest element along the axes.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> ptp([[1, 7], [3, 4]], axis=0)
        Array([2, 3], dtype=int32)
    """


@reduced_by(jnp.argmax)
def argmax(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the largest element along an axis; the first index if there are several.

    Args:
        x: array.
        axis: the axis; None (the default) for the flattened array.
        keepdims: If True, keep the axis with size 1. False by default.

    Example:
        >>> argmax([[1, 7], [3, 4]], axis=1)
        Array([1, 1], dtype=int32)
    """


@reduced_by(jnp.argmin)
def argmin(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the smallest element along an axis; the first index if there are several.

    Args:
        x: array.
        axis: the axis; None (the default) for the flattened array.
        keepdims: If True, keep the axis with size 1. False by default.

    Example:
        >>> argmin([[1, 7], [3, 2]], axis=1)
        Array([0, 1], dtype=int32)
    """


@operation("x")
def count_nonzero(x: ArrayLike, axis: Axis = None) -> Array:
    """Number of elements along the axes that are not zero.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.

    Example:
        >>> count_nonzero([[1, 0], [3, 4]], axis=0)
        Array([2, 1], dtype=int32)
    """
    return jnp.count_nonzero(x, axis=hashable(axis))


@operation("x")
def cumsum(x: ArrayLike, axis: int | None = None, dtype: DType = None) -> Array:
    """Running sum along an axis: y[i] = x[0] + ... + x[i].

    Args:
        x: array.
        axis: the axis; None (the default) for the flattened array.
        dtype: the dtype of the computation and of the result; None (the default) to choose it from the dtype of x.

    Example:
        >>> cumsum([[1, 2], [3, 4]], axis=1)
        Array([[1, 3],
               [3, 7]], dtype=int32)
    """
    return _cumsum(x, axis=axis) if dtype is None else jnp.cumsum(x, axis, dtype_or_none(dtype))


@operation("x")
def cumprod(x: ArrayLike, axis: int | None = None, dtype: DType = None) -> Array:
    """Running product along an axis: y[i] = x[0] * ... * x[i].

    Args:
        x: array.
        axis: the axis; None (the default) for the flattened array.
        dtype: the dtype of the computation and of the result; None (the default) to choose it from the dtype of x.

    Example:
        >>> cumprod([[1, 2], [3, 4]], axis=1)
        Array([[ 1,  2],
               [ 3, 12]], dtype=int32)
    """
    return _cumprod(x, axis=axis) if dtype is None else jnp.cumprod(x, axis, dtype_or_none(dtype))


_cumsum, _cumprod = widened(jnp.cumsum), widened(jnp.cumprod)
