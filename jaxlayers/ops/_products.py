"""Products of vectors, matrices and tensors; determinants, differences, integrals."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.core.operations import as_array
from jaxlayers.numerics.types import Array, ArrayLike
from jaxlayers.ops._declarations import computed_by

__all__ = [
    "cross", "diff", "dot", "einsum", "inner", "kron", "matmul", "outer", "slogdet", "tensordot", "trace",
    "trapezoid", "vdot", "vectorize",
]  # fmt: skip

_INT8 = jnp.dtype("int8")


@operation("x1", "x2")
def matmul(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Matrix product over the last two axes. The product of two int8 matrices is in int32.

    Args:
        x1: matrices, [..., n, k], or a vector, [k].
        x2: matrices, [..., k, m], or a vector, [k].

    Returns:
        The products, [..., n, m]; without the axis n or m if x1 or x2 is a vector.

    Example:
        >>> matmul([[1, 2], [3, 4]], [1, 1])
        Array([3, 7], dtype=int32)
    """
    if _is_int8(x1) and _is_int8(x2):
        return jnp.matmul(x1, x2, preferred_element_type="int32")
    return jnp.matmul(x1, x2)


@computed_by(jnp.dot)
def dot(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Sum of products over the last axis of x1 and the second to last (or only) axis of x2.

    If x1 or x2 is a scalar, it is the element-wise product.

    Example:
        >>> dot([1, 2], [3, 4])
        Array(11, dtype=int32)
    """


@computed_by(jnp.vdot)
def vdot(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Sum of the products of all elements: sum(conj(x1) x2).

    Example:
        >>> vdot([[1, 2]], [[3, 4]])
        Array(11, dtype=int32)
    """


@computed_by(jnp.inner)
def inner(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Sum of products over the last axis of x1 and the last axis of x2.

    Example:
        >>> inner([[1, 2], [3, 4]], [1, 1])
        Array([3, 7], dtype=int32)
    """


@computed_by(jnp.outer)
def outer(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Outer product: the products of all pairs of elements, [size of x1, size of x2].

    Example:
        >>> outer([1, 2], [3, 4])
        Array([[3, 4],
               [6, 8]], dtype=int32)
    """


@computed_by(jnp.tensordot, "x1", "x2")
def tensordot(x1: ArrayLike, x2: ArrayLike, axes: Any = 2) -> Array:
    """Sum of products over given axes.

    Args:
        x1: array.
        x2: array.
        axes: an integer n (2 by default) for the last n axes of x1 and the first n axes of x2; or a pair of lists, the
            axes of x1 and the axes of x2.

    Example:
        >>> tensordot([[1, 2], [3, 4]], [1, 1], axes=1)
        Array([3, 7], dtype=int32)
    """


@operation()
def einsum(subscripts: str, *operands: ArrayLike, **kwargs: Any) -> Array:
    """Sum of products in Einstein notation. The result of int8 arrays is in int32.

    Args:
        subscripts: one letter for each axis of each operand and of the result, e.g. `"ij,jk->ik"`.
        *operands: arrays.
        **kwargs: further arguments of `jax.numpy.einsum`.

    Example:
        >>> einsum("ij,j->i", [[1, 2], [3, 4]], [1, 1])
        Array([3, 7], dtype=int32)
    """
    arrays = [as_array(operand) for operand in operands]
    if all(map(_is_int8, arrays)):
        kwargs.setdefault("preferred_element_type", "int32")
    return jnp.einsum(subscripts, *arrays, **kwargs)


@computed_by(jnp.kron)
def kron(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Kronecker product: each element of x1 is replaced by the block of its products with x2.

    Example:
        >>> kron([1, 2], [1, 1])
        Array([1, 1, 2, 2], dtype=int32)
    """


@computed_by(jnp.cross, "x1", "x2")
def cross(
    x1: ArrayLike, x2: ArrayLike, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Array:
    """Cross product of vectors of size 2 or 3.

    Args:
        x1: an array of vectors.
        x2: an array of vectors.
        axisa: the axis of the vectors in x1; -1 by default.
        axisb: the axis of the vectors in x2; -1 by default.
        axisc: the axis of the vectors in the result; -1 by default.
        axis: the axis of the vectors in x1, x2 and the result; it overrides the other three.

    Example:
        >>> cross([1, 0, 0], [0, 1, 0])
        Array([0, 0, 1], dtype=int32)
    """


@computed_by(jnp.trace, "x")
def trace(x: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Trace: the sum of the elements of a diagonal.

    Args:
        x: array.
        offset: the diagonal: 0 (the default) for the main diagonal, positive numbers for those above it.
        axis1: the axis of the rows; 0 by default.
        axis2: the axis of the columns; 1 by default.

    Example:
        >>> trace([[1, 2], [3, 4]])
        Array(5, dtype=int32)
    """


@operation("x")
def slogdet(x: ArrayLike) -> tuple[Array, Array]:
    """Sign of the determinant, and the logarithm of its absolute value.

    Args:
        x: square matrices, [..., n, n].

    Returns:
        A tuple of the signs and the logarithms, each [...].

    Example:
        >>> slogdet([[2.0, 0.0], [0.0, -3.0]])
        (Array(-1., dtype=float32), Array(1.7917595, dtype=float32))
    """
    sign, logarithm = jnp.linalg.slogdet(x)
    return sign, logarithm


@computed_by(jnp.diff, "a")
def diff(a: ArrayLike, n: int = 1, axis: int = -1) -> Array:
    """Differences of neighbours, taken n times: a[i + 1] - a[i].

    Args:
        a: array.
        n: the number of times; 1 by default.
        axis: the axis, whose size is reduced by n; -1 by default.

    Example:
        >>> diff([1, 4, 9])
        Array([3, 5], dtype=int32)
    """


@operation("y", "x", "dx")
def trapezoid(y: ArrayLike, x: ArrayLike = None, dx: ArrayLike = 1.0, axis: int = -1) -> Array:
    """Integral by the trapezoidal rule: sum of (x[i + 1] - x[i]) (y[i] + y[i + 1]) / 2.

    Args:
        y: the values of the function.
        x: the points of the values; None (the default) for evenly spaced points.
        dx: the distance of evenly spaced points; 1 by default.
        axis: the axis of integration; -1 by default.

    Example:
        >>> trapezoid([1.0, 2.0, 4.0])
        Array(4.5, dtype=float32)
    """
    return jnp.trapezoid(y, x, dx, axis)


def vectorize(
    pyfunc: Callable[..., Any], *, excluded: Sequence[Any] | None = None, signature: str | None = None
) -> Callable[..., Any]:
    """Convert a function of scalars, or of small arrays, to a function of arrays, with broadcasting.

    Args:
        pyfunc: the function.
        excluded: names or positions of arguments that are passed to the function unchanged.
        signature: the axes of the function's own arguments and result, e.g. `"(n),(n)->()"`; None (the default) for
            scalars.

    Returns:
        The function of arrays.

    Raises:
        ValueError: when `pyfunc` is not callable.

    Example:
        >>> vectorize(lambda a, b: a + b)([1, 2], [[3], [4]])
        Array([[4, 5],
               [5, 6]], dtype=int32)
    """
    if not callable(pyfunc):
        raise ValueError(f"ops.vectorize expects a function; received {pyfunc!r}.")
    mapped = jnp.vectorize(pyfunc, excluded=frozenset(excluded or ()), signature=signature)

    @operation()
    def call(*args: ArrayLike, **kwargs: Any) -> Any:
        return mapped(*(a if i in (excluded or ()) else as_array(a) for i, a in enumerate(args)), **kwargs)

    return call


def _is_int8(array: Any) -> bool:
    # Accelerators sum int8 products in int32 at the same speed, and the sum does not overflow.
    return getattr(array, "dtype", None) is _INT8
