"""Matrices from numbers and vectors: the identity, diagonals, triangles, powers."""

import jax.numpy as jnp

from jaxlayers.common.settings import standardize_dtype
from jaxlayers.numerics.types import Array, ArrayLike, DType
from jaxlayers.ops._declarations import computed_by

__all__ = ["diag", "diagflat", "eye", "identity", "tri", "tril", "triu", "vander"]


def eye(N: int, M: int | None = None, k: int = 0, dtype: DType = None) -> Array:  # noqa: N803, NumPy's names
    """A matrix with ones on one diagonal and zeros elsewhere.

    Args:
        N: the number of rows.
        M: the number of columns; N by default.
        k: the diagonal: 0 (the default) for the main diagonal, positive numbers for those above it.
        dtype: the dtype of the result; `floatx()` by default.

    Example:
        >>> eye(2)
        Array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    return jnp.eye(N, M, k, standardize_dtype(dtype))


def identity(n: int, dtype: DType = None) -> Array:
    """The identity matrix, [n, n].

    Args:
        n: the number of rows and columns.
        dtype: the dtype of the array; `floatx()` by default.

    Example:
        >>> identity(2)
        Array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    return jnp.identity(n, standardize_dtype(dtype))


def tri(N: int, M: int | None = None, k: int = 0, dtype: DType = None) -> Array:  # noqa: N803, NumPy's names
    """A matrix with ones on and below one diagonal, and zeros above it.

    Args:
        N: the number of rows.
        M: the number of columns; N by default.
        k: the diagonal: 0 (the default) for the main diagonal, positive numbers for those above it.
        dtype: the dtype of the array; `floatx()` by default.

    Example:
        >>> tri(2)
        Array([[1., 0.],
               [1., 1.]], dtype=float32)
    """
    return jnp.tri(N, M, k, standardize_dtype(dtype))


@computed_by(jnp.tril, "x")
def tril(x: ArrayLike, k: int = 0) -> Array:
    """Lower triangle of matrices: elements above the k-th diagonal become zero.

    Args:
        x: matrices, [..., n, m].
        k: the diagonal: 0 (the default) for the main diagonal, positive numbers for those above it.

    Example:
        >>> tril([[1, 2], [3, 4]])
        Array([[1, 0],
               [3, 4]], dtype=int32)
    """


@computed_by(jnp.triu, "x")
def triu(x: ArrayLike, k: int = 0) -> Array:
    """Upper triangle of matrices: elements below the k-th diagonal become zero.

    Args:
        x: matrices, [..., n, m].
        k: the diagonal: 0 (the default) for the main diagonal, positive numbers for those above it.

    Example:
        >>> triu([[1, 2], [3, 4]])
        Array([[1, 2],
               [0, 4]], dtype=int32)
    """


@computed_by(jnp.diag, "x")
def diag(x: ArrayLike, k: int = 0) -> Array:
    """A matrix with the vector x on its k-th diagonal, or the k-th diagonal of the matrix x.

    Args:
        x: a vector, [n], or a matrix, [n, m].
        k: the diagonal: 0 (the default) for the main diagonal, positive numbers for those above it.

    Example:
        >>> diag([1, 2]), diag([[1, 2], [3, 4]])
        (Array([[1, 0],
               [0, 2]], dtype=int32), Array([1, 4], dtype=int32))
    """


@computed_by(jnp.diagflat, "x")
def diagflat(x: ArrayLike, k: int = 0) -> Array:
    """A matrix with the elements of the flattened x on its k-th diagonal.

    Args:
        x: array.
        k: the diagonal: 0 (the default) for the main diagonal, positive numbers for those above it.

    Example:
        >>> diagflat([[1], [2]])
        Array([[1, 0],
               [0, 2]], dtype=int32)
    """


@computed_by(jnp.vander, "x")
def vander(x: ArrayLike, N: int | None = None, increasing: bool = False) -> Array:  # noqa: N803, NumPy's names
    """Vandermonde matrix: each row has the powers x ** (N - 1), ..., x, 1 of one number.

    Args:
        x: [length].
        N: the number of powers; `length` by default.
        increasing: If True, the powers are in ascending order. False by default.

    Returns:
        The matrix, [length, N].

    Example:
        >>> vander([2, 3], 3)
        Array([[4, 2, 1],
               [9, 3, 1]], dtype=int32)
    """
