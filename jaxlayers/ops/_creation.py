"""Creation of arrays: constants, ranges, grids.

The default dtype is `floatx()`, or the dtype of the array that a function takes.
"""

from typing import Any

import jax.numpy as jnp

from jaxlayers.common.settings import standardize_dtype
from jaxlayers.core import operation
from jaxlayers.core.operations import as_array, sized_by_values
from jaxlayers.numerics.types import Array, ArrayLike, DType, Shape, dtype_or_none

__all__ = [
    "arange", "array", "empty", "empty_like", "full", "full_like", "geomspace", "linspace", "logspace", "meshgrid",
    "ones", "ones_like", "zeros", "zeros_like",
]  # fmt: skip


def zeros(shape: Shape, dtype: DType = None) -> Array:
    """An array of zeros.

    Args:
        shape: the shape of the array.
        dtype: the dtype of the array; `floatx()` by default.

    Example:
        >>> zeros((2,))
        Array([0., 0.], dtype=float32)
    """
    return jnp.zeros(shape, standardize_dtype(dtype))


def ones(shape: Shape, dtype: DType = None) -> Array:
    """An array of ones.

    Args:
        shape: the shape of the array.
        dtype: the dtype of the array; `floatx()` by default.

    Example:
        >>> ones((2,), "int32")
        Array([1, 1], dtype=int32)
    """
    return jnp.ones(shape, standardize_dtype(dtype))


def empty(shape: Shape, dtype: DType = None) -> Array:
    """An array with arbitrary values (zeros, in JAX).

    Args:
        shape: the shape of the array.
        dtype: the dtype of the array; `floatx()` by default.

    Example:
        >>> empty((2, 3)).shape
        (2, 3)
    """
    return jnp.empty(shape, standardize_dtype(dtype))


@operation("fill_value")
def full(shape: Shape, fill_value: ArrayLike, dtype: DType = None) -> Array:
    """An array filled with one value, or with an array that is broadcast to the shape.

    Args:
        shape: the shape of the array.
        fill_value: the value, or an array that broadcasts to the shape.
        dtype: the dtype of the array; `floatx()` by default.

    Example:
        >>> full((2,), 7)
        Array([7., 7.], dtype=float32)
    """
    return jnp.full(shape, fill_value, standardize_dtype(dtype))


@operation("x")
def zeros_like(x: ArrayLike, dtype: DType = None) -> Array:
    """An array of zeros with the shape of another array.

    Args:
        x: array.
        dtype: the dtype of the result; by default that of x.

    Example:
        >>> zeros_like([1, 2])
        Array([0, 0], dtype=int32)
    """
    return jnp.zeros_like(x, dtype_or_none(dtype))


@operation("x")
def ones_like(x: ArrayLike, dtype: DType = None) -> Array:
    """An array of ones with the shape of another array.

    Args:
        x: array.
        dtype: the dtype of the result; by default that of x.

    Example:
        >>> ones_like([3.0, 2.0])
        Array([1., 1.], dtype=float32)
    """
    return jnp.ones_like(x, dtype_or_none(dtype))


@operation("x")
def empty_like(x: ArrayLike, dtype: DType = None) -> Array:
    """An array with arbitrary values (zeros, in JAX) and the shape of another array.

    Args:
        x: array.
        dtype: the dtype of the result; by default that of x.

    Example:
        >>> empty_like([3.0, 2.0]).shape
        (2,)
    """
    return jnp.empty_like(x, dtype_or_none(dtype))


@operation("x", "fill_value")
def full_like(x: ArrayLike, fill_value: ArrayLike, dtype: DType = None) -> Array:
    """An array filled with one value, with the shape of another array.

    Args:
        x: array.
        fill_value: the value, or an array that broadcasts to the shape.
        dtype: the dtype of the result; by default that of x.

    Example:
        >>> full_like([3, 2], 7)
        Array([7, 7], dtype=int32)
    """
    return jnp.full_like(x, fill_value, dtype_or_none(dtype))


@operation("x")
def array(x: ArrayLike, dtype: DType = None) -> Array:
    """Convert a value to an array. The result is always a copy.

    Args:
        x: the value to convert.
        dtype: the dtype of the result; by default that of x, narrowed to 32 bits as JAX does.

    Example:
        >>> array([1, 2], "float32")
        Array([1., 2.], dtype=float32)
    """
    return jnp.array(x, dtype_or_none(dtype))


@operation("start", "stop", "step")
def arange(start: ArrayLike, stop: ArrayLike = None, step: ArrayLike = None, dtype: DType = None) -> Array:
    """Evenly spaced numbers: start, start + step, ..., less than stop.

    Args:
        start: the first number. `arange(n)` is `arange(0, n)`.
        stop: the end of the range, which is excluded.
        step: the distance between neighbours, 1 by default; it may be negative.
        dtype: the dtype of the result; by default int32 if all arguments are integers, else their float dtype.

    Example:
        >>> arange(3), arange(1.0, 0.0, -0.5)
        (Array([0, 1, 2], dtype=int32), Array([1. , 0.5], dtype=float32))
    """
    return jnp.arange(start, stop, step, dtype_or_none(dtype))


@sized_by_values(arange)
def _arange_of_size(
    start: ArrayLike, stop: ArrayLike = None, step: ArrayLike = None, dtype: DType = None, *, size: int
) -> Array:
    return jnp.zeros(size, dtype_or_none(dtype) or jnp.result_type(start, *(n for n in (stop, step) if n is not None)))


@operation("start", "stop")
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DType = None,
    axis: int = 0,
) -> Any:
    """A given number of evenly spaced numbers from start to stop.

    Args:
        start: the first number, or an array of first numbers.
        stop: the last number, or an array of last numbers.
        num: how many numbers to return; 50 by default.
        endpoint: If True (the default), the last number is `stop`. If False, `stop` is excluded.
        retstep: If True, return `(numbers, distance between neighbours)`. False by default.
        dtype: the dtype of the result; a float dtype by default.
        axis: the new axis of the result if `start` or `stop` is an array; 0 by default.

    Example:
        >>> linspace(0, 1, 3)
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    return jnp.linspace(start, stop, num, endpoint, retstep, dtype_or_none(dtype), axis)


@operation("start", "stop")
def logspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10,
    dtype: DType = None,
    axis: int = 0,
) -> Array:
    """Powers with evenly spaced exponents: base ** linspace(start, stop).

    Args:
        start: the first exponent, or an array of first exponents.
        stop: the last exponent, or an array of last exponents.
        num: how many numbers to return; 50 by default.
        endpoint: If True (the default), the last exponent is `stop`. If False, `stop` is excluded.
        base: the base of the powers; 10 by default.
        dtype: the dtype of the result; a float dtype by default.
        axis: the new axis of the result if `start` or `stop` is an array; 0 by default.

    Example:
        >>> logspace(0, 2, 3)
        Array([  1.,  10., 100.], dtype=float32)
    """
    return jnp.logspace(start, stop, num, endpoint, base, dtype_or_none(dtype), axis)


@operation("start", "stop")
def geomspace(
    start: ArrayLike, stop: ArrayLike, num: int = 50, endpoint: bool = True, dtype: DType = None, axis: int = 0
) -> Array:
    """Numbers from start to stop with equal ratios of neighbours.

    Args:
        start: the first number, or an array of first numbers.
        stop: the last number, or an array of last numbers.
        num: how many numbers to return; 50 by default.
        endpoint: If True (the default), the last number is `stop`. If False, `stop` is excluded.
        dtype: the dtype of the result; a float dtype by default.
        axis: the new axis of the result if `start` or `stop` is an array; 0 by default.

    Example:
        >>> geomspace(1, 100, 3)
        Array([  1.,  10., 100.], dtype=float32)
    """
    return jnp.geomspace(start, stop, num, endpoint, dtype_or_none(dtype), axis)


@operation()
def meshgrid(*x: ArrayLike, indexing: str = "xy") -> list[Array]:
    """The coordinates of all points of a grid, from the coordinates along its axes.

    Args:
        *x: the coordinates along each axis, [size_i].
        indexing: `"ij"` for results of shape [size_0, size_1, ...]; `"xy"` (the default) for results with the first
            two axes exchanged.

    Returns:
        One array for each axis.

    Example:
        >>> meshgrid([1, 2, 3], [4, 5])
        [Array([[1, 2, 3],
               [1, 2, 3]], dtype=int32), Array([[4, 4, 4],
               [5, 5, 5]], dtype=int32)]
    """
    return list(jnp.meshgrid(*map(as_array, x), indexing=indexing))
