"""Linear algebra over the last two axes: factorisations, systems of equations, norms."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.types import Array, ArrayLike, Axis, as_float, hashable

__all__ = [
    "cholesky", "cholesky_inverse", "det", "eig", "eigh", "inv", "jvp", "lstsq", "lu_factor", "matrix_rank", "norm",
    "pinv", "qr", "solve", "solve_triangular", "svd",
]  # fmt: skip


@operation("x")
def cholesky(x: ArrayLike, upper: bool = False) -> Array:
    """Cholesky factor: x = L L^T with L lower triangular, or x = U^T U.

    Args:
        x: symmetric, positive definite matrices, [..., n, n].
        upper: whether to return U.

    Returns:
        [..., n, n]; nan inside of compiled functions where x is not positive definite.

    Raises:
        ValueError: outside of compiled functions, when x is not positive definite.

    Example:
        >>> cholesky([[4.0, 2.0], [2.0, 5.0]])
        Array([[2., 0.],
               [1., 2.]], dtype=float32)
    """
    factor = jnp.linalg.cholesky(x, upper=upper)
    if not isinstance(factor, jax.core.Tracer) and bool(jnp.isnan(factor).any()):
        raise ValueError(f"ops.cholesky expects positive definite matrices; one among {jnp.shape(x)} is not.")
    return factor


@operation("x")
def cholesky_inverse(x: ArrayLike, upper: bool = False) -> Array:
    """Inverse of a matrix from its Cholesky factor: (L L^T)^-1, or (U^T U)^-1.

    Args:
        x: L, or U, [..., n, n].
        upper: whether it is U.

    Example:
        >>> cholesky_inverse([[2.0, 0.0], [1.0, 2.0]])
        Array([[ 0.3125, -0.125 ],
               [-0.125 ,  0.25  ]], dtype=float32)
    """
    identity = jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), x.shape)
    inverse = jax.scipy.linalg.solve_triangular(x, identity, lower=not upper)
    transposed = jnp.matrix_transpose(inverse)
    return inverse @ transposed if upper else transposed @ inverse


@operation("x")
def det(x: ArrayLike) -> Array:
    """Determinant.

    Args:
        x: [..., n, n].

    Returns:
        [...].

    Example:
        >>> det([[1.0, 2.0], [3.0, 4.0]])
        Array(-2., dtype=float32)
    """
    return jnp.linalg.det(x)


@operation("x")
def eig(x: ArrayLike) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors of square matrices, complex; on the CPU only.

    Args:
        x: [..., n, n].

    Returns:
        Values, [..., n], and vectors in columns, [..., n, n].

    Example:
        >>> eig([[2.0, 0.0], [0.0, 3.0]])[0]
        Array([2.+0.j, 3.+0.j], dtype=complex64)
    """
    values, vectors = jnp.linalg.eig(x)
    return values, vectors


@operation("x")
def eigh(x: ArrayLike) -> tuple[Array, Array]:
    """Eigenvalues, in ascending order, and eigenvectors of symmetric or Hermitian matrices.

    Args:
        x: [..., n, n].

    Returns:
        Values, [..., n], and vectors in columns, [..., n, n].

    Example:
        >>> eigh([[2.0, 0.0], [0.0, 3.0]])[0]
        Array([2., 3.], dtype=float32)
    """
    values, vectors = jnp.linalg.eigh(x)
    return values, vectors


@operation("x")
def inv(x: ArrayLike) -> Array:
    """Inverse of square matrices.

    Args:
        x: [..., n, n].

    Example:
        >>> inv([[2.0, 0.0], [0.0, 4.0]])
        Array([[0.5 , 0.  ],
               [0.  , 0.25]], dtype=float32)
    """
    return jnp.linalg.inv(x)


@operation("x")
def pinv(x: ArrayLike, rcond: ArrayLike = None) -> Array:
    """Moore-Penrose inverse, of any matrices.

    Args:
        x: [..., n, m].
        rcond: singular values below this share of the largest count as zero.

    Returns:
        [..., m, n].

    Example:
        >>> pinv([[2.0], [0.0]])
        Array([[0.5, 0. ]], dtype=float32)
    """
    return jnp.linalg.pinv(_matrices("pinv", x), rcond)


@operation("x")
def matrix_rank(x: ArrayLike, tol: ArrayLike = None) -> Array:
    """Rank: how many singular values are not zero.

    Args:
        x: [..., n, m].
        tol: up to where they count as zero.

    Returns:
        int32, [...].

    Example:
        >>> matrix_rank([[1.0, 2.0], [2.0, 4.0]])
        Array(1, dtype=int32)
    """
    return jnp.linalg.matrix_rank(_matrices("matrix_rank", x), tol).astype("int32")


@operation("x")
def lu_factor(x: ArrayLike) -> tuple[Array, Array]:
    """LU factorisation with exchanged rows.

    Args:
        x: [..., n, m].

    Returns:
        Both factors in one, [..., n, m] (the ones on the diagonal of L left out), and which row each was exchanged
        with, [..., min(n, m)].

    Example:
        >>> lu_factor([[1.0, 2.0], [4.0, 3.0]])
        (Array([[4.  , 3.  ],
               [0.25, 1.25]], dtype=float32), Array([1, 1], dtype=int32))
    """
    factors, pivots = jax.scipy.linalg.lu_factor(x)
    return factors, pivots


@operation("x")
def qr(x: ArrayLike, mode: str = "reduced") -> tuple[Array, Array]:
    """QR factorisation: x = Q R, with orthonormal columns of Q and R upper triangular.

    Args:
        x: [..., n, m].
        mode: `"reduced"`, or `"complete"` for a square Q.

    Returns:
        Q, [..., n, k], and R, [..., k, m]; k = min(n, m), or n when complete.

    Raises:
        ValueError: for another mode.

    Example:
        >>> qr([[0.0, 2.0], [1.0, 3.0]])[1]
        Array([[-1., -3.],
               [ 0., -2.]], dtype=float32)
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"ops.qr expects mode 'reduced' or 'complete'; received {mode!r}.")
    q, r = jnp.linalg.qr(x, mode)
    return q, r


@operation("x")
def svd(x: ArrayLike, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Singular values: x = U diag(s) V^T.

    Args:
        x: [..., n, m].
        full_matrices: whether U and V^T are square, [..., n, n] and [..., m, m]; or [..., n, k] and [..., k, m] with
            k = min(n, m).
        compute_uv: whether to return U and V^T.

    Returns:
        U, s and V^T, or s alone; s is [..., k] in descending order.

    Example:
        >>> svd([[3.0, 0.0], [0.0, 4.0]], compute_uv=False)
        Array([4., 3.], dtype=float32)
    """
    found = jnp.linalg.svd(x, full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


@operation("a", "b")
def solve(a: ArrayLike, b: ArrayLike) -> Array:
    """What solves a x = b.

    Args:
        a: [..., n, n].
        b: [..., n, m], or [n].

    Example:
        >>> solve([[2.0, 0.0], [0.0, 4.0]], [1.0, 1.0])
        Array([0.5 , 0.25], dtype=float32)
    """
    return jnp.linalg.solve(a, b)


@operation("a", "b")
def solve_triangular(a: ArrayLike, b: ArrayLike, lower: bool = False) -> Array:
    """What solves a x = b, for triangular a.

    Args:
        a: [..., n, n]; the other triangle is not looked at.
        b: [..., n, m], or [n].
        lower: whether a is lower triangular.

    Example:
        >>> solve_triangular([[2.0, 0.0], [1.0, 4.0]], [2.0, 5.0], lower=True)
        Array([1., 1.], dtype=float32)
    """
    return jax.scipy.linalg.solve_triangular(a, b, lower=lower)


@operation("a", "b")
def lstsq(a: ArrayLike, b: ArrayLike, rcond: float | None = None) -> Array:
    """What comes nearest to a x = b, in the sum of squares.

    Args:
        a: [n, m].
        b: [n, k], or [n].
        rcond: singular values of a below this share of the largest count as zero.

    Example:
        >>> lstsq([[2.0], [0.0]], [1.0, 3.0])
        Array([0.5], dtype=float32)
    """
    return jnp.linalg.lstsq(a, b, rcond)[0]


@operation("x")
def norm(x: ArrayLike, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """Norm of vectors or matrices.

    Args:
        x: array.
        ord: 2, 1, inf, -inf, 0 or another p; for matrices also `"fro"` and `"nuc"`. None is the root of the sum of
            squares.
        axis: one axis for vectors, two for matrices; None for all of x.
        keepdims: whether these stay, with size 1.

    Example:
        >>> norm([[3.0, 4.0], [5.0, 12.0]], axis=1)
        Array([ 5., 13.], dtype=float32)
    """
    return jnp.linalg.norm(as_float(x), ord, hashable(axis), keepdims)


def jvp(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """A function's value, and its derivative along a direction.

    Args:
        fun: function of arrays.
        primals: where, one for each argument.
        tangents: which way, of the same shapes.
        has_aux: whether `fun` returns a pair, of which the second is not differentiated.

    Returns:
        Value and derivative; with `has_aux`, and the second of the pair.

    Example:
        >>> jvp(jnp.sum, (jnp.ones(3),), (jnp.arange(3.0),))
        (Array(3., dtype=float32), Array(3., dtype=float32))
    """
    return jax.jvp(fun, tuple(primals), tuple(tangents), has_aux=has_aux)


def _matrices(function: str, x: Array) -> Array:
    if jnp.ndim(x) < 2:
        raise ValueError(f"ops.{function} expects matrices, [..., n, m]; received shape {jnp.shape(x)}.")
    return x
