"""Products of arrays, and sums along axes that come with them: matrices, tensors, differences, integrals."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.core.symbolic import as_array
from jaxlayers.numerics.types import Array, ArrayLike

__all__ = [
    "cross", "diff", "dot", "einsum", "inner", "kron", "matmul", "outer", "slogdet", "tensordot", "trace",
    "trapezoid", "vdot", "vectorize",
]  # fmt: skip

_INT8 = jnp.dtype("int8")


@operation("x1", "x2")
def matmul(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Matrix product over the last two axes; int8 matrices add up in int32.

    Args:
        x1: [..., n, k], or [k].
        x2: [..., k, m], or [k].

    Returns:
        [..., n, m], without the axes that x1 or x2 lack.

    Example:
        >>> matmul([[1, 2], [3, 4]], [1, 1])
        Array([3, 7], dtype=int32)
    """
    if _is_int8(x1) and _is_int8(x2):
        return jnp.matmul(x1, x2, preferred_element_type="int32")
    return jnp.matmul(x1, x2)


@operation("x1", "x2")
def dot(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Sum of products over the last axis of x1 and the second to last of x2; a plain product with a scalar.

    Example:
        >>> dot([1, 2], [3, 4])
        Array(11, dtype=int32)
    """
    return jnp.dot(x1, x2)


@operation("x1", "x2")
def vdot(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Sum of products of all elements; x1 is conjugated when it is complex.

    Example:
        >>> vdot([[1, 2]], [[3, 4]])
        Array(11, dtype=int32)
    """
    return jnp.vdot(x1, x2)


@operation("x1", "x2")
def inner(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Sum of products over the last axis of both.

    Example:
        >>> inner([[1, 2], [3, 4]], [1, 1])
        Array([3, 7], dtype=int32)
    """
    return jnp.inner(x1, x2)


@operation("x1", "x2")
def outer(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Products of every element of one with every element of the other, both flattened.

    Example:
        >>> outer([1, 2], [3, 4])
        Array([[3, 4],
               [6, 8]], dtype=int32)
    """
    return jnp.outer(x1, x2)


@operation("x1", "x2")
def tensordot(x1: ArrayLike, x2: ArrayLike, axes: Any = 2) -> Array:
    """Sum of products over chosen axes.

    Args:
        x1: array.
        x2: array.
        axes: how many of the last axes of x1 go with as many first ones of x2; or a pair of lists that name them.

    Example:
        >>> tensordot([[1, 2], [3, 4]], [1, 1], axes=1)
        Array([3, 7], dtype=int32)
    """
    return jnp.tensordot(x1, x2, axes)


@operation()
def einsum(subscripts: str, *operands: ArrayLike, **kwargs: Any) -> Array:
    """Sum of products in Einstein's notation; int8 operands add up in int32.

    Args:
        subscripts: the axes of each operand as letters, and of the result: `"ij,jk->ik"`.
        *operands: arrays.
        **kwargs: as for `jax.numpy.einsum`.

    Example:
        >>> einsum("ij,j->i", [[1, 2], [3, 4]], [1, 1])
        Array([3, 7], dtype=int32)
    """
    arrays = [as_array(operand) for operand in operands]
    if all(map(_is_int8, arrays)):
        kwargs.setdefault("preferred_element_type", "int32")
    return jnp.einsum(subscripts, *arrays, **kwargs)


@operation("x1", "x2")
def kron(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Kronecker product: x1 with each element replaced by its product with x2.

    Example:
        >>> kron([1, 2], [1, 1])
        Array([1, 1, 2, 2], dtype=int32)
    """
    return jnp.kron(x1, x2)


@operation("x1", "x2")
def cross(
    x1: ArrayLike, x2: ArrayLike, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Array:
    """Cross product of vectors with two or three parts.

    Args:
        x1: array of vectors.
        x2: array of vectors.
        axisa: which axis of x1 they lie along.
        axisb: which axis of x2 they lie along.
        axisc: which axis of the result they lie along.
        axis: all three at once.

    Example:
        >>> cross([1, 0, 0], [0, 1, 0])
        Array([0, 0, 1], dtype=int32)
    """
    return jnp.cross(x1, x2, axisa, axisb, axisc, axis)


@operation("x")
def trace(x: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Sum along a diagonal.

    Args:
        x: array.
        offset: how far above the main diagonal.
        axis1: which axis the rows are.
        axis2: which axis the columns are.

    Example:
        >>> trace([[1, 2], [3, 4]])
        Array(5, dtype=int32)
    """
    return jnp.trace(x, offset, axis1, axis2)


@operation("x")
def slogdet(x: ArrayLike) -> tuple[Array, Array]:
    """Sign of the determinant, and the logarithm of its absolute value.

    Args:
        x: [..., n, n].

    Returns:
        Two arrays, [...].

    Example:
        >>> slogdet([[2.0, 0.0], [0.0, -3.0]])
        (Array(-1., dtype=float32), Array(1.7917595, dtype=float32))
    """
    sign, logarithm = jnp.linalg.slogdet(x)
    return sign, logarithm


@operation("a")
def diff(a: ArrayLike, n: int = 1, axis: int = -1) -> Array:
    """Differences of neighbours: a[i + 1] - a[i], n times over.

    Args:
        a: array.
        n: how many times.
        axis: along which axis; it loses n elements.

    Example:
        >>> diff([1, 4, 9])
        Array([3, 5], dtype=int32)
    """
    return jnp.diff(a, n, axis)


@operation("y", "x", "dx")
def trapezoid(y: ArrayLike, x: ArrayLike = None, dx: ArrayLike = 1.0, axis: int = -1) -> Array:
    """Integral by the trapezoidal rule: sum of (y[i] + y[i + 1]) / 2 times the distance.

    Args:
        y: values.
        x: where they are; None for even distances.
        dx: those distances.
        axis: along which axis.

    Example:
        >>> trapezoid([1.0, 2.0, 4.0])
        Array(4.5, dtype=float32)
    """
    return jnp.trapezoid(y, x, dx, axis)


def vectorize(
    pyfunc: Callable[..., Any], *, excluded: Sequence[Any] | None = None, signature: str | None = None
) -> Callable[..., Any]:
    """A function of single elements as one of arrays.

    Args:
        pyfunc: the function.
        excluded: names or positions of arguments that it is handed as they are.
        signature: core axes, as `"(n),(n)->()"`, when it is one of small arrays.

    Raises:
        ValueError: when it cannot be called.

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
    # Accelerators add products of int8 up in int32 as fast, and without overflow.
    return getattr(array, "dtype", None) is _INT8
