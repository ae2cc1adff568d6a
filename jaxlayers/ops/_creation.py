"""New arrays: constants, ranges, grids, triangles, windows.

Without a `dtype` they are in `floatx()`, or in the dtype of what they are made from.
"""

from typing import Any

import jax.numpy as jnp

from jaxlayers.common.settings import floatx, standardize_dtype
from jaxlayers.core import operation
from jaxlayers.core.symbolic import as_array
from jaxlayers.numerics.types import Array, ArrayLike, DType, Shape, dtype_or_none

__all__ = [
    "arange", "array", "bartlett", "blackman", "diag", "diagflat", "empty", "empty_like", "eye", "full", "full_like",
    "geomspace", "hamming", "hanning", "identity", "kaiser", "linspace", "logspace", "meshgrid", "ones", "ones_like",
    "tri", "tril", "triu", "vander", "zeros", "zeros_like",
]  # fmt: skip


def zeros(shape: Shape, dtype: DType = None) -> Array:
    """An array of zeros.

    Example:
        >>> zeros((2,))
        Array([0., 0.], dtype=float32)
    """
    return jnp.zeros(shape, standardize_dtype(dtype))


def ones(shape: Shape, dtype: DType = None) -> Array:
    """An array of ones.

    Example:
        >>> ones((2,), "int32")
        Array([1, 1], dtype=int32)
    """
    return jnp.ones(shape, standardize_dtype(dtype))


def empty(shape: Shape, dtype: DType = None) -> Array:
    """An array of which only shape and dtype matter.

    Example:
        >>> empty((2, 3)).shape
        (2, 3)
    """
    return jnp.empty(shape, standardize_dtype(dtype))


@operation("fill_value")
def full(shape: Shape, fill_value: ArrayLike, dtype: DType = None) -> Array:
    """An array of one value, or of what broadcasts to its shape.

    Example:
        >>> full((2,), 7)
        Array([7., 7.], dtype=float32)
    """
    return jnp.full(shape, fill_value, standardize_dtype(dtype))


@operation("x")
def zeros_like(x: ArrayLike, dtype: DType = None) -> Array:
    """Zeros in the shape of an array.

    Example:
        >>> zeros_like([1, 2])
        Array([0, 0], dtype=int32)
    """
    return jnp.zeros_like(x, dtype_or_none(dtype))


@operation("x")
def ones_like(x: ArrayLike, dtype: DType = None) -> Array:
    """Ones in the shape of an array.

    Example:
        >>> ones_like([3.0, 2.0])
        Array([1., 1.], dtype=float32)
    """
    return jnp.ones_like(x, dtype_or_none(dtype))


@operation("x")
def empty_like(x: ArrayLike, dtype: DType = None) -> Array:
    """An array of the shape of another, of which only shape and dtype matter.

    Example:
        >>> empty_like([3.0, 2.0]).shape
        (2,)
    """
    return jnp.empty_like(x, dtype_or_none(dtype))


@operation("x", "fill_value")
def full_like(x: ArrayLike, fill_value: ArrayLike, dtype: DType = None) -> Array:
    """One value in the shape of an array.

    Example:
        >>> full_like([3, 2], 7)
        Array([7, 7], dtype=int32)
    """
    return jnp.full_like(x, fill_value, dtype_or_none(dtype))


@operation("x")
def array(x: ArrayLike, dtype: DType = None) -> Array:
    """An array from what becomes one, in memory of its own.

    Example:
        >>> array([1, 2], "float32")
        Array([1., 2.], dtype=float32)
    """
    return jnp.array(x, dtype_or_none(dtype))


@operation("start", "stop", "step")
def arange(start: ArrayLike, stop: ArrayLike = None, step: ArrayLike = None, dtype: DType = None) -> Array:
    """Numbers in even steps: start, start + step, ... while below stop.

    Args:
        start: the first; the end, from 0 on, when it is alone.
        stop: the end, which does not belong to them.
        step: from one to the next, 1 by default; may be negative.
        dtype: by default int32, or that of floats among the arguments.

    Example:
        >>> arange(3), arange(1.0, 0.0, -0.5)
        (Array([0, 1, 2], dtype=int32), Array([1. , 0.5], dtype=float32))
    """
    return jnp.arange(start, stop, step, dtype_or_none(dtype))


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
    """Numbers at even distances from one to another.

    Args:
        start: first number, or an array of them.
        stop: last number, or an array of them.
        num: how many.
        endpoint: whether `stop` is among them.
        retstep: whether to return the distance too.
        dtype: by default a float dtype.
        axis: which axis of the result they lie along, when start and stop are arrays.

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
    """Powers with even distances between the exponents: base ** linspace(start, stop).

    Args:
        start: first exponent, or an array of them.
        stop: last exponent, or an array of them.
        num: how many.
        endpoint: whether that of `stop` is among them.
        base: what the exponents are of.
        dtype: by default a float dtype.
        axis: which axis of the result they lie along, when start and stop are arrays.

    Example:
        >>> logspace(0, 2, 3)
        Array([  1.,  10., 100.], dtype=float32)
    """
    return jnp.logspace(start, stop, num, endpoint, base, dtype_or_none(dtype), axis)


@operation("start", "stop")
def geomspace(
    start: ArrayLike, stop: ArrayLike, num: int = 50, endpoint: bool = True, dtype: DType = None, axis: int = 0
) -> Array:
    """Numbers with even ratios from one to another.

    Args:
        start: first number, or an array of them.
        stop: last number, or an array of them.
        num: how many.
        endpoint: whether `stop` is among them.
        dtype: by default a float dtype.
        axis: which axis of the result they lie along, when start and stop are arrays.

    Example:
        >>> geomspace(1, 100, 3)
        Array([  1.,  10., 100.], dtype=float32)
    """
    return jnp.geomspace(start, stop, num, endpoint, dtype_or_none(dtype), axis)


@operation()
def meshgrid(*x: ArrayLike, indexing: str = "xy") -> list[Array]:
    """Coordinates of a grid, from those along its axes.

    Args:
        *x: coordinates along each axis, [size_i].
        indexing: `"ij"` for grids of shape [size_0, size_1, ...]; `"xy"` with the first two exchanged.

    Example:
        >>> meshgrid([1, 2, 3], [4, 5])
        [Array([[1, 2, 3],
               [1, 2, 3]], dtype=int32), Array([[4, 4, 4],
               [5, 5, 5]], dtype=int32)]
    """
    return list(jnp.meshgrid(*map(as_array, x), indexing=indexing))


def eye(N: int, M: int | None = None, k: int = 0, dtype: DType = None) -> Array:  # noqa: N803, NumPy's names
    """Ones on a diagonal, zeros elsewhere.

    Args:
        N: rows.
        M: columns; as many as rows by default.
        k: which diagonal: 0 the main one, positive ones above it.
        dtype: of the result.

    Example:
        >>> eye(2)
        Array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    return jnp.eye(N, M, k, standardize_dtype(dtype))


def identity(n: int, dtype: DType = None) -> Array:
    """The identity matrix, [n, n].

    Example:
        >>> identity(2)
        Array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    return jnp.identity(n, standardize_dtype(dtype))


def tri(N: int, M: int | None = None, k: int = 0, dtype: DType = None) -> Array:  # noqa: N803, NumPy's names
    """Ones on and below a diagonal, zeros above; arguments as for `eye`.

    Example:
        >>> tri(2)
        Array([[1., 0.],
               [1., 1.]], dtype=float32)
    """
    return jnp.tri(N, M, k, standardize_dtype(dtype))


@operation("x")
def tril(x: ArrayLike, k: int = 0) -> Array:
    """What is on and below the k-th diagonal of the last two axes; zeros above.

    Example:
        >>> tril([[1, 2], [3, 4]])
        Array([[1, 0],
               [3, 4]], dtype=int32)
    """
    return jnp.tril(x, k)


@operation("x")
def triu(x: ArrayLike, k: int = 0) -> Array:
    """What is on and above the k-th diagonal of the last two axes; zeros below.

    Example:
        >>> triu([[1, 2], [3, 4]])
        Array([[1, 2],
               [0, 4]], dtype=int32)
    """
    return jnp.triu(x, k)


@operation("x")
def diag(x: ArrayLike, k: int = 0) -> Array:
    """A matrix with x on its k-th diagonal; or that diagonal of the matrix x.

    Example:
        >>> diag([1, 2]), diag([[1, 2], [3, 4]])
        (Array([[1, 0],
               [0, 2]], dtype=int32), Array([1, 4], dtype=int32))
    """
    return jnp.diag(x, k)


@operation("x")
def diagflat(x: ArrayLike, k: int = 0) -> Array:
    """A matrix with the elements of x, flattened, on its k-th diagonal.

    Example:
        >>> diagflat([[1], [2]])
        Array([[1, 0],
               [0, 2]], dtype=int32)
    """
    return jnp.diagflat(x, k)


@operation("x")
def vander(x: ArrayLike, N: int | None = None, increasing: bool = False) -> Array:  # noqa: N803, NumPy's names
    """Powers of each number in a row: x ** (N - 1), ..., x, 1.

    Args:
        x: [length].
        N: how many powers; as many as numbers by default.
        increasing: whether they begin with 1.

    Example:
        >>> vander([2, 3], 3)
        Array([[4, 2, 1],
               [9, 3, 1]], dtype=int32)
    """
    return jnp.vander(x, N, increasing)


def bartlett(x: int) -> Array:
    """Triangular window of x points, zero at both ends.

    Example:
        >>> bartlett(5)
        Array([0. , 0.5, 1. , 0.5, 0. ], dtype=float32)
    """
    return jnp.bartlett(int(x)).astype(floatx())


def blackman(x: int) -> Array:
    """Blackman window of x points: 0.42 - 0.5 cos(2 pi n / (x - 1)) + 0.08 cos(4 pi n / (x - 1)).

    Example:
        >>> blackman(3)[1]
        Array(0.99999994, dtype=float32)
    """
    return jnp.blackman(int(x)).astype(floatx())


def hamming(x: int) -> Array:
    """Hamming window of x points: 0.54 - 0.46 cos(2 pi n / (x - 1)).

    Example:
        >>> hamming(3)
        Array([0.08000001, 1.        , 0.08000001], dtype=float32)
    """
    return jnp.hamming(int(x)).astype(floatx())


def hanning(x: int) -> Array:
    """Hann window of x points: 0.5 - 0.5 cos(2 pi n / (x - 1)).

    Example:
        >>> hanning(3)
        Array([0., 1., 0.], dtype=float32)
    """
    return jnp.hanning(int(x)).astype(floatx())


@operation("beta")
def kaiser(x: int, beta: ArrayLike) -> Array:
    """Kaiser window of x points: i0(beta sqrt(1 - (2 n / (x - 1) - 1)^2)) / i0(beta).

    Args:
        x: how many points.
        beta: how steep; 0 is a rectangle.

    Example:
        >>> kaiser(3, 0.0)
        Array([1., 1., 1.], dtype=float32)
    """
    return jnp.kaiser(int(x), beta).astype(floatx())
