"""Reductions and running sums and products that ignore nan; see `_reductions` for the same functions without `nan`."""

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.norms import standard_deviation_without_nan
from jaxlayers.numerics.types import Array, ArrayLike, Axis, DType, dtype_or_none
from jaxlayers.ops._declarations import reduced_by, widened

__all__ = [
    "nanargmax", "nanargmin", "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum",
    "nanvar",
]  # fmt: skip


@reduced_by(jnp.nansum)
def nansum(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum of the elements that are not nan.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> nansum([1.0, float("nan"), 2.0])
        Array(3., dtype=float32)
    """


@reduced_by(jnp.nanprod)
def nanprod(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Product of the elements that are not nan.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> nanprod([3.0, float("nan"), 2.0])
        Array(6., dtype=float32)
    """


@reduced_by(widened(jnp.nanmean))
def nanmean(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Mean of the elements that are not nan.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> nanmean([1.0, float("nan"), 2.0])
        Array(1.5, dtype=float32)
    """


@reduced_by(widened(jnp.nanvar))
def nanvar(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Variance of the elements that are not nan.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> nanvar([1.0, float("nan"), 3.0])
        Array(1., dtype=float32)
    """


@reduced_by(widened(standard_deviation_without_nan))
def nanstd(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Standard deviation of the elements that are not nan.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> nanstd([1.0, float("nan"), 5.0])
        Array(2., dtype=float32)
    """


@reduced_by(jnp.nanmax)
def nanmax(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest of the elements that are not nan.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> nanmax([1.0, float("nan"), 3.0])
        Array(3., dtype=float32)
    """


@reduced_by(jnp.nanmin)
def nanmin(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Smallest of the elements that are not nan.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> nanmin([1.0, float("nan"), 3.0])
        Array(1., dtype=float32)
    """


@reduced_by(jnp.nanargmax)
def nanargmax(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the largest element that is not nan; -1 if all elements are nan.

    Args:
        x: array.
        axis: the axis; None (the default) for the flattened array.
        keepdims: If True, keep the axis with size 1. False by default.

    Example:
        >>> nanargmax([1.0, float("nan"), 3.0])
        Array(2, dtype=int32)
    """


@reduced_by(jnp.nanargmin)
def nanargmin(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the smallest element that is not nan; -1 if all elements are nan.

    Args:
        x: array.
        axis: the axis; None (the default) for the flattened array.
        keepdims: If True, keep the axis with size 1. False by default.

    Example:
        >>> nanargmin([float("nan"), 1.0, 3.0])
        Array(1, dtype=int32)
    """


@operation("x")
def nancumsum(x: ArrayLike, axis: int | None = None, dtype: DType = None) -> Array:
    """Running sum along an axis, with 0 in the place of nan.

    Args:
        x: array.
        axis: the axis; None (the default) for the flattened array.
        dtype: the dtype of the computation and of the result; None (the default) to choose it from the dtype of x.

    Example:
        >>> nancumsum([1.0, float("nan"), 2.0])
        Array([1., 1., 3.], dtype=float32)
    """
    return _nancumsum(x, axis=axis) if dtype is None else jnp.nancumsum(x, axis, dtype_or_none(dtype))


@operation("x")
def nancumprod(x: ArrayLike, axis: int | None = None, dtype: DType = None) -> Array:
    """Running product along an axis, with 1 in the place of nan.

    Args:
        x: array.
        axis: the axis; None (the default) for the flattened array.
        dtype: the dtype of the computation and of the result; None (the default) to choose it from the dtype of x.

    Example:
        >>> nancumprod([3.0, float("nan"), 2.0])
        Array([3., 3., 6.], dtype=float32)
    """
    return _nancumprod(x, axis=axis) if dtype is None else jnp.nancumprod(x, axis, dtype_or_none(dtype))


_nancumsum, _nancumprod = widened(jnp.nancumsum), widened(jnp.nancumprod)
