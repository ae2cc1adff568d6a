"""Linear algebra over the last two axes: factorisations, systems of equations, norms."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.norms import norm as compute_norm
from jaxlayers.numerics.types import Array, ArrayLike, Axis, as_float, hashable
from jaxlayers.ops._declarations import computed_by, widened

__all__ = [
    "cholesky", "cholesky_inverse", "det", "eig", "eigh", "inv", "jvp", "lstsq", "lu_factor", "matrix_rank", "norm",
    "pinv", "qr", "solve", "solve_triangular", "svd",
]  # fmt: skip


@operation("x")
def cholesky(x: ArrayLike, upper: bool = False) -> Array:
    """Cholesky factor: x = L L^T with a lower triangular L, or x = U^T U with an upper triangular U.

    Args:
        x: symmetric, positive definite matrices, [..., n, n].
        upper: If True, return U. If False (the default), return L.

    Returns:
        The factors, [..., n, n]. In a compiled function, the factor of a matrix that is not positive definite is nan.

    Raises:
        ValueError: when x is not positive definite, outside of compiled functions.

    Example:
        >>> cholesky([[4.0, 2.0], [2.0, 5.0]])
        Array([[2., 0.],
               [1., 2.]], dtype=float32)
    """
    factor = jnp.linalg.cholesky(x, upper=upper)
    if not isinstance(factor, jax.core.Tracer) and bool(jnp.isnan(factor).any()):
        raise ValueError(
            f"ops.cholesky expects positive definite matrices; received an array of shape {jnp.shape(x)} with at least "
            "one matrix that is not positive definite."
        )
    return factor


@operation("x")
def cholesky_inverse(x: ArrayLike, upper: bool = False) -> Array:
    """Inverse of a matrix from its Cholesky factor: (L L^T)^-1, or (U^T U)^-1.

    Args:
        x: the Cholesky factors L or U, [..., n, n].
        upper: If True, x is U. If False (the default), x is L.

    Example:
        >>> cholesky_inverse([[2.0, 0.0], [1.0, 2.0]])
        Array([[ 0.3125, -0.125 ],
               [-0.125 ,  0.25  ]], dtype=float32)
    """
    identity = jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), x.shape)
    return jax.scipy.linalg.cho_solve((x, not upper), identity)


@computed_by(jnp.linalg.det)
def det(x: ArrayLike) -> Array:
    """Determinant.

    Args:
        x: square matrices, [..., n, n].

    Returns:
        The determinants, [...].

    Example:
        >>> det([[1.0, 2.0], [3.0, 4.0]])
        Array(-2., dtype=float32)
    """


@operation("x")
def eig(x: ArrayLike) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors of square matrices, as complex numbers; on CPUs only.

    Args:
        x: square matrices, [..., n, n].

    Returns:
        The eigenvalues, [..., n], and the eigenvectors as columns, [..., n, n].

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
        x: symmetric or Hermitian matrices, [..., n, n].

    Returns:
        The eigenvalues, [..., n], and the eigenvectors as columns, [..., n, n].

    Example:
        >>> eigh([[2.0, 0.0], [0.0, 3.0]])[0]
        Array([2., 3.], dtype=float32)
    """
    values, vectors = jnp.linalg.eigh(x)
    return values, vectors


@computed_by(jnp.linalg.inv)
def inv(x: ArrayLike) -> Array:
    """Inverse of square matrices.

    Args:
        x: square matrices, [..., n, n].

    Example:
        >>> inv([[2.0, 0.0], [0.0, 4.0]])
        Array([[0.5 , 0.  ],
               [0.  , 0.25]], dtype=float32)
    """


@operation("x")
def pinv(x: ArrayLike, rcond: ArrayLike = None) -> Array:
    """Moore-Penrose inverse of any matrices.

    Args:
        x: matrices, [..., n, m].
        rcond: singular values below `rcond` times the largest one are treated as zero; None (the default) for the
            default of `jax.numpy.linalg.pinv`.

    Returns:
        The inverses, [..., m, n].

    Raises:
        ValueError: when x has fewer than two axes.

    Example:
        >>> pinv([[2.0], [0.0]])
        Array([[0.5, 0. ]], dtype=float32)
    """
    return jnp.linalg.pinv(_matrices("pinv", x), rcond)


@operation("x")
def matrix_rank(x: ArrayLike, tol: ArrayLike = None) -> Array:
    """Rank of matrices: the number of singular values that are not zero.

    Args:
        x: matrices, [..., n, m].
        tol: singular values up to this value are treated as zero; None (the default) for the default of
            `jax.numpy.linalg.matrix_rank`.

    Returns:
        The ranks in int32, [...].

    Raises:
        ValueError: when x has fewer than two axes.

    Example:
        >>> matrix_rank([[1.0, 2.0], [2.0, 4.0]])
        Array(1, dtype=int32)
    """
    return jnp.linalg.matrix_rank(_matrices("matrix_rank", x), tol).astype("int32")


@operation("x")
def lu_factor(x: ArrayLike) -> tuple[Array, Array]:
    """LU factorisation with partial pivoting.

    Args:
        x: matrices, [..., n, m].

    Returns:
        L and U in one array, [..., n, m], without the ones on the diagonal of L; and the pivots, [..., min(n, m)]: row
        i was exchanged with row `pivots[i]`.

    Example:
        >>> lu_factor([[1.0, 2.0], [4.0, 3.0]])
        (Array([[4.  , 3.  ],
               [0.25, 1.25]], dtype=float32), Array([1, 1], dtype=int32))
    """
    factors, pivots = jax.scipy.linalg.lu_factor(x)
    return factors, pivots


@operation("x")
def qr(x: ArrayLike, mode: str = "reduced") -> tuple[Array, Array]:
    """QR factorisation: x = Q R; the columns of Q are orthonormal, R is upper triangular.

    Args:
        x: matrices, [..., n, m].
        mode: `"reduced"` (the default), or `"complete"` for a square Q.

    Returns:
        Q, [..., n, k], and R, [..., k, m]. k is min(n, m) with `"reduced"`, and n with `"complete"`.

    Raises:
        ValueError: for any other mode.

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
    """Singular value decomposition: x = U diag(s) V^T.

    Args:
        x: matrices, [..., n, m].
        full_matrices: If True (the default), U is [..., n, n] and V^T is [..., m, m]. If False, U is [..., n, k] and
            V^T is [..., k, m], with k = min(n, m).
        compute_uv: If True (the default), return U, s and V^T. If False, return s only.

    Returns:
        `(U, s, V^T)`, or s. The singular values s, [..., k], are in descending order.

    Example:
        >>> svd([[3.0, 0.0], [0.0, 4.0]], compute_uv=False)
        Array([4., 3.], dtype=float32)
    """
    result = jnp.linalg.svd(x, full_matrices, compute_uv)
    return tuple(result) if compute_uv else result


@operation("a", "b")
def solve(a: ArrayLike, b: ArrayLike) -> Array:
    """Solution x of the linear equations a x = b.

    Args:
        a: square matrices, [..., n, n].
        b: right-hand sides: matrices [..., n, m], or vectors [..., n] if b has one axis less than a. (Keras's `solve`
            takes such vectors in symbolic tensors, but not in arrays.)

    Returns:
        The solutions, in the shape of b.

    Example:
        >>> solve([[2.0, 0.0], [0.0, 4.0]], [1.0, 1.0])
        Array([0.5 , 0.25], dtype=float32)
    """
    if jnp.ndim(b) == jnp.ndim(a) - 1:
        return jnp.linalg.solve(a, b[..., None])[..., 0]
    return jnp.linalg.solve(a, b)


@operation("a", "b")
def solve_triangular(a: ArrayLike, b: ArrayLike, lower: bool = False) -> Array:
    """Solution x of the linear equations a x = b with a triangular a.

    Args:
        a: triangular matrices, [..., n, n]; elements in the other triangle are ignored.
        b: right-hand sides, [..., n, m], or [n].
        lower: If True, a is lower triangular. If False (the default), a is upper triangular.

    Returns:
        The solutions, in the shape of b.

    Example:
        >>> solve_triangular([[2.0, 0.0], [1.0, 4.0]], [2.0, 5.0], lower=True)
        Array([1., 1.], dtype=float32)
    """
    return jax.scipy.linalg.solve_triangular(a, b, lower=lower)


@operation("a", "b")
def lstsq(a: ArrayLike, b: ArrayLike, rcond: float | None = None) -> Array:
    """Least-squares solution of a x = b: the x with the smallest sum of squares of a x - b.

    Args:
        a: a matrix, [n, m].
        b: right-hand sides, [n, k], or [n].
        rcond: singular values of a below `rcond` times the largest one are treated as zero; None (the default) for the
            default of `jax.numpy.linalg.lstsq`.

    Returns:
        The solutions, [m, k], or [m].

    Example:
        >>> lstsq([[2.0], [0.0]], [1.0, 3.0])
        Array([0.5], dtype=float32)
    """
    return jnp.linalg.lstsq(a, b, rcond)[0]


@operation("x")
def norm(x: ArrayLike, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """Norm of vectors or matrices.

    The gradient of a root of a sum is 0 where all elements are 0. Half precision is computed in float32.

    Args:
        x: array.
        ord: the order of the norm: 2, 1, inf, -inf, 0 or another number; for matrices also `"fro"` and `"nuc"`. None
            (the default) is the square root of the sum of squares.
        axis: one axis for vectors, two axes for matrices; None (the default) for all axes.
        keepdims: If True, keep these axes with size 1. False by default.

    Example:
        >>> norm([[3.0, 4.0], [5.0, 12.0]], axis=1)
        Array([ 5., 13.], dtype=float32)
    """
    return _norm(as_float(x), order=ord, axis=hashable(axis), keepdims=keepdims)


_norm = widened(compute_norm)


def jvp(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """Jacobian-vector product: the value of a function, and its directional derivative.

    Args:
        fun: a function of arrays.
        primals: the arguments of the function.
        tangents: the direction: one array for each argument, of the same shape.
        has_aux: If True, `fun` returns a pair `(output, aux)`, and `aux` is not differentiated. False by default.

    Returns:
        `(output, derivative)`, or `(output, derivative, aux)` if `has_aux` is True.

    Example:
        >>> jvp(jnp.sum, (jnp.ones(3),), (jnp.arange(3.0),))
        (Array(3., dtype=float32), Array(3., dtype=float32))
    """
    return jax.jvp(fun, tuple(primals), tuple(tangents), has_aux=has_aux)


def _matrices(function: str, x: Array) -> Array:
    if jnp.ndim(x) < 2:
        raise ValueError(f"ops.{function} expects matrices, [..., n, m]; received shape {jnp.shape(x)}.")
    return x
