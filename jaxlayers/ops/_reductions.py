"""Reductions: one number from those along some axes; and running sums and products.

In all of them `axis` is an axis, several, or None for all, and `keepdims=True` leaves the reduced axes in place with
size 1. Means of integers are floats; sums of bools and of narrow integers are in 32 bits; positions are int32. The
`nan...` functions pass over nan.
"""

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.types import Array, ArrayLike, Axis, DType, dtype_or_none, hashable

__all__ = [
    "amax", "amin", "argmax", "argmin", "count_nonzero", "cumprod", "cumsum", "max", "mean", "min", "nanargmax",
    "nanargmin", "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar",
    "prod", "ptp", "std", "sum", "var",
]  # fmt: skip


@operation("x")
def sum(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum.

    Example:
        >>> sum([[1, 2], [3, 4]], axis=0)
        Array([4, 6], dtype=int32)
    """
    return jnp.sum(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def prod(x: ArrayLike, axis: Axis = None, keepdims: bool = False, dtype: DType = None) -> Array:
    """Product, computed in `dtype` when it is given.

    Example:
        >>> prod([[1, 2], [3, 4]], axis=0)
        Array([3, 8], dtype=int32)
    """
    return jnp.prod(x, axis=hashable(axis), keepdims=keepdims, dtype=dtype_or_none(dtype))


@operation("x")
def mean(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Arithmetic mean; of half-precision numbers it is computed in float32.

    Example:
        >>> mean([[1, 2], [3, 5]], axis=0)
        Array([2. , 3.5], dtype=float32)
    """
    return jnp.mean(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def var(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Variance: mean(|x - mean(x)|^2).

    Example:
        >>> var([1.0, 2.0, 6.0])
        Array(4.6666665, dtype=float32)
    """
    return jnp.var(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def std(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Standard deviation: sqrt(var(x)).

    Example:
        >>> std([1.0, 3.0])
        Array(1., dtype=float32)
    """
    return jnp.std(x, axis=hashable(axis), keepdims=keepdims)


@operation("x", "initial")
def max(x: ArrayLike, axis: Axis = None, keepdims: bool = False, initial: ArrayLike = None) -> Array:
    """Largest element, and at least `initial` when that is given; nan when there is one.

    Example:
        >>> max([[1, 7], [3, 4]], axis=0)
        Array([3, 7], dtype=int32)
    """
    return jnp.max(x, axis=hashable(axis), keepdims=keepdims, initial=initial)


@operation("x", "initial")
def min(x: ArrayLike, axis: Axis = None, keepdims: bool = False, initial: ArrayLike = None) -> Array:
    """Smallest element, and at most `initial` when that is given; nan when there is one.

    Example:
        >>> min([[1, 7], [3, 4]], axis=0)
        Array([1, 4], dtype=int32)
    """
    return jnp.min(x, axis=hashable(axis), keepdims=keepdims, initial=initial)


@operation("x")
def amax(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest element: another name of `max`.

    Example:
        >>> amax([[1, 7], [3, 4]], axis=0)
        Array([3, 7], dtype=int32)
    """
    return jnp.max(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def amin(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Smallest element: another name of `min`.

    Example:
        >>> amin([[1, 7], [3, 4]], axis=0)
        Array([1, 4], dtype=int32)
    """
    return jnp.min(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def ptp(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Distance from the smallest to the largest element.

    Example:
        >>> ptp([[1, 7], [3, 4]], axis=0)
        Array([2, 3], dtype=int32)
    """
    return jnp.ptp(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def argmax(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """Position of the largest element, the first of several; in the flattened array for `axis=None`.

    Example:
        >>> argmax([[1, 7], [3, 4]], axis=1)
        Array([1, 1], dtype=int32)
    """
    return jnp.argmax(x, axis=axis, keepdims=keepdims)


@operation("x")
def argmin(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """Position of the smallest element, the first of several; in the flattened array for `axis=None`.

    Example:
        >>> argmin([[1, 7], [3, 2]], axis=1)
        Array([0, 1], dtype=int32)
    """
    return jnp.argmin(x, axis=axis, keepdims=keepdims)


@operation("x")
def count_nonzero(x: ArrayLike, axis: Axis = None) -> Array:
    """How many elements are not zero.

    Example:
        >>> count_nonzero([[1, 0], [3, 4]], axis=0)
        Array([2, 1], dtype=int32)
    """
    return jnp.count_nonzero(x, axis=hashable(axis))


@operation("x")
def cumsum(x: ArrayLike, axis: int | None = None, dtype: DType = None) -> Array:
    """Running sum along an axis; of the flattened array for `axis=None`.

    Example:
        >>> cumsum([[1, 2], [3, 4]], axis=1)
        Array([[1, 3],
               [3, 7]], dtype=int32)
    """
    return jnp.cumsum(x, axis=axis, dtype=dtype_or_none(dtype))


@operation("x")
def cumprod(x: ArrayLike, axis: int | None = None, dtype: DType = None) -> Array:
    """Running product along an axis; of the flattened array for `axis=None`.

    Example:
        >>> cumprod([[1, 2], [3, 4]], axis=1)
        Array([[ 1,  2],
               [ 3, 12]], dtype=int32)
    """
    return jnp.cumprod(x, axis=axis, dtype=dtype_or_none(dtype))


@operation("x")
def nansum(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum of what is not nan.

    Example:
        >>> nansum([1.0, float("nan"), 2.0])
        Array(3., dtype=float32)
    """
    return jnp.nansum(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def nanprod(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Product of what is not nan.

    Example:
        >>> nanprod([3.0, float("nan"), 2.0])
        Array(6., dtype=float32)
    """
    return jnp.nanprod(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def nanmean(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Mean of what is not nan.

    Example:
        >>> nanmean([1.0, float("nan"), 2.0])
        Array(1.5, dtype=float32)
    """
    return jnp.nanmean(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def nanvar(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Variance of what is not nan.

    Example:
        >>> nanvar([1.0, float("nan"), 3.0])
        Array(1., dtype=float32)
    """
    return jnp.nanvar(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def nanstd(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Standard deviation of what is not nan.

    Example:
        >>> nanstd([1.0, float("nan"), 5.0])
        Array(2., dtype=float32)
    """
    return jnp.nanstd(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def nanmax(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest of what is not nan.

    Example:
        >>> nanmax([1.0, float("nan"), 3.0])
        Array(3., dtype=float32)
    """
    return jnp.nanmax(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def nanmin(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Smallest of what is not nan.

    Example:
        >>> nanmin([1.0, float("nan"), 3.0])
        Array(1., dtype=float32)
    """
    return jnp.nanmin(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def nanargmax(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """Position of the largest of what is not nan; -1 where all is.

    Example:
        >>> nanargmax([1.0, float("nan"), 3.0])
        Array(2, dtype=int32)
    """
    return jnp.nanargmax(x, axis=axis, keepdims=keepdims)


@operation("x")
def nanargmin(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """Position of the smallest of what is not nan; -1 where all is.

    Example:
        >>> nanargmin([float("nan"), 1.0, 3.0])
        Array(1, dtype=int32)
    """
    return jnp.nanargmin(x, axis=axis, keepdims=keepdims)


@operation("x")
def nancumsum(x: ArrayLike, axis: int | None = None, dtype: DType = None) -> Array:
    """Running sum in which nan counts as 0.

    Example:
        >>> nancumsum([1.0, float("nan"), 2.0])
        Array([1., 1., 3.], dtype=float32)
    """
    return jnp.nancumsum(x, axis=axis, dtype=dtype_or_none(dtype))


@operation("x")
def nancumprod(x: ArrayLike, axis: int | None = None, dtype: DType = None) -> Array:
    """Running product in which nan counts as 1.

    Example:
        >>> nancumprod([3.0, float("nan"), 2.0])
        Array([3., 3., 6.], dtype=float32)
    """
    return jnp.nancumprod(x, axis=axis, dtype=dtype_or_none(dtype))
