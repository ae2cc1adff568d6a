"""Comparisons, logic and bits, element by element, with `all` and `any` over axes."""

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.types import Array, ArrayLike, Axis, hashable

__all__ = [
    "all", "allclose", "any", "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "equal", "greater", "greater_equal", "isclose", "isfinite", "isin", "isinf",
    "isnan", "isneginf", "isposinf", "isreal", "left_shift", "less", "less_equal", "logical_and", "logical_not",
    "logical_or", "logical_xor", "not_equal", "right_shift",
]  # fmt: skip


@operation("x1", "x2")
def equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether x1 == x2.

    Example:
        >>> equal([1, 2], 2)
        Array([False,  True], dtype=bool)
    """
    return jnp.equal(x1, x2)


@operation("x1", "x2")
def not_equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether x1 != x2.

    Example:
        >>> not_equal([1, 2], 2)
        Array([ True, False], dtype=bool)
    """
    return jnp.not_equal(x1, x2)


@operation("x1", "x2")
def less(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether x1 < x2.

    Example:
        >>> less([1, 2], 2)
        Array([ True, False], dtype=bool)
    """
    return jnp.less(x1, x2)


@operation("x1", "x2")
def less_equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether x1 <= x2.

    Example:
        >>> less_equal([1, 3], 2)
        Array([ True, False], dtype=bool)
    """
    return jnp.less_equal(x1, x2)


@operation("x1", "x2")
def greater(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether x1 > x2.

    Example:
        >>> greater([1, 3], 2)
        Array([False,  True], dtype=bool)
    """
    return jnp.greater(x1, x2)


@operation("x1", "x2")
def greater_equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether x1 >= x2.

    Example:
        >>> greater_equal([1, 2], 2)
        Array([False,  True], dtype=bool)
    """
    return jnp.greater_equal(x1, x2)


@operation("x1", "x2")
def isclose(x1: ArrayLike, x2: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """Whether two numbers differ little: |x1 - x2| <= atol + rtol |x2|.

    Args:
        x1: array.
        x2: array.
        rtol: relative tolerance.
        atol: absolute tolerance.
        equal_nan: whether two nan are close.

    Example:
        >>> isclose([1.0, 1.1], 1.0000001)
        Array([ True, False], dtype=bool)
    """
    return jnp.isclose(x1, x2, rtol, atol, equal_nan)


@operation("x1", "x2")
def allclose(x1: ArrayLike, x2: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """Whether `isclose` holds everywhere.

    Args:
        x1: array.
        x2: array.
        rtol: relative tolerance.
        atol: absolute tolerance.
        equal_nan: whether two nan are close.

    Example:
        >>> allclose([1.0, 1.1], 1.0)
        Array(False, dtype=bool)
    """
    return jnp.allclose(x1, x2, rtol, atol, equal_nan)


@operation("x1", "x2")
def isin(x1: ArrayLike, x2: ArrayLike, assume_unique: bool = False, invert: bool = False) -> Array:
    """Whether each element of one array is among those of another.

    Args:
        x1: array, in whose shape the answer comes.
        x2: array of what is looked for.
        assume_unique: whether no element comes twice in either, which is faster.
        invert: whether to answer the opposite.

    Example:
        >>> isin([1, 2, 3], [3, 1])
        Array([ True, False,  True], dtype=bool)
    """
    return jnp.isin(x1, x2, assume_unique=assume_unique, invert=invert)


@operation("x")
def isnan(x: ArrayLike) -> Array:
    """Whether it is not a number.

    Example:
        >>> isnan([1.0, float("nan")])
        Array([False,  True], dtype=bool)
    """
    return jnp.isnan(x)


@operation("x")
def isinf(x: ArrayLike) -> Array:
    """Whether it is infinite, of either sign.

    Example:
        >>> isinf([1.0, float("-inf")])
        Array([False,  True], dtype=bool)
    """
    return jnp.isinf(x)


@operation("x")
def isposinf(x: ArrayLike) -> Array:
    """Whether it is plus infinity.

    Example:
        >>> isposinf([float("inf"), float("-inf")])
        Array([ True, False], dtype=bool)
    """
    return jnp.isposinf(x)


@operation("x")
def isneginf(x: ArrayLike) -> Array:
    """Whether it is minus infinity.

    Example:
        >>> isneginf([float("inf"), float("-inf")])
        Array([False,  True], dtype=bool)
    """
    return jnp.isneginf(x)


@operation("x")
def isfinite(x: ArrayLike) -> Array:
    """Whether it is neither infinite nor nan.

    Example:
        >>> isfinite([1.0, float("inf"), float("nan")])
        Array([ True, False, False], dtype=bool)
    """
    return jnp.isfinite(x)


@operation("x")
def isreal(x: ArrayLike) -> Array:
    """Whether the imaginary part is zero.

    Example:
        >>> isreal([1 + 0j, 1 + 2j])
        Array([ True, False], dtype=bool)
    """
    return jnp.isreal(x)


@operation("x")
def all(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether all elements are true, or not zero.

    Args:
        x: array.
        axis: over which axis or axes; None for all.
        keepdims: whether these stay, with size 1.

    Example:
        >>> all([[True, False], [True, True]], axis=1)
        Array([False,  True], dtype=bool)
    """
    return jnp.all(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def any(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether some element is true, or not zero.

    Args:
        x: array.
        axis: over which axis or axes; None for all.
        keepdims: whether these stay, with size 1.

    Example:
        >>> any([[True, False], [False, False]], axis=1)
        Array([ True, False], dtype=bool)
    """
    return jnp.any(x, axis=hashable(axis), keepdims=keepdims)


@operation("x1", "x2")
def logical_and(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether both are true.

    Example:
        >>> logical_and([True, True], [True, False])
        Array([ True, False], dtype=bool)
    """
    return jnp.logical_and(x1, x2)


@operation("x1", "x2")
def logical_or(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether one or both are true.

    Example:
        >>> logical_or([True, False], [False, False])
        Array([ True, False], dtype=bool)
    """
    return jnp.logical_or(x1, x2)


@operation("x1", "x2")
def logical_xor(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether exactly one is true.

    Example:
        >>> logical_xor([True, True], [True, False])
        Array([False,  True], dtype=bool)
    """
    return jnp.logical_xor(x1, x2)


@operation("x")
def logical_not(x: ArrayLike) -> Array:
    """Whether it is false.

    Example:
        >>> logical_not([True, False])
        Array([False,  True], dtype=bool)
    """
    return jnp.logical_not(x)


@operation("x", "y")
def bitwise_and(x: ArrayLike, y: ArrayLike) -> Array:
    """Bits set in both integers.

    Example:
        >>> bitwise_and([12], [10])
        Array([8], dtype=int32)
    """
    return jnp.bitwise_and(x, y)


@operation("x", "y")
def bitwise_or(x: ArrayLike, y: ArrayLike) -> Array:
    """Bits set in one or both integers.

    Example:
        >>> bitwise_or([12], [10])
        Array([14], dtype=int32)
    """
    return jnp.bitwise_or(x, y)


@operation("x", "y")
def bitwise_xor(x: ArrayLike, y: ArrayLike) -> Array:
    """Bits set in exactly one of two integers.

    Example:
        >>> bitwise_xor([12], [10])
        Array([6], dtype=int32)
    """
    return jnp.bitwise_xor(x, y)


@operation("x")
def bitwise_invert(x: ArrayLike) -> Array:
    """Every bit the other way round: -x - 1 for signed integers.

    Example:
        >>> bitwise_invert([12])
        Array([-13], dtype=int32)
    """
    return jnp.bitwise_not(x)


@operation("x")
def bitwise_not(x: ArrayLike) -> Array:
    """Every bit the other way round: another name of `bitwise_invert`.

    Example:
        >>> bitwise_not([12])
        Array([-13], dtype=int32)
    """
    return jnp.bitwise_not(x)


@operation("x", "y")
def bitwise_left_shift(x: ArrayLike, y: ArrayLike) -> Array:
    """Bits moved up by y places: x * 2 ** y.

    Example:
        >>> bitwise_left_shift([3], 2)
        Array([12], dtype=int32)
    """
    return jnp.left_shift(x, y)


@operation("x", "y")
def left_shift(x: ArrayLike, y: ArrayLike) -> Array:
    """Bits moved up by y places: another name of `bitwise_left_shift`.

    Example:
        >>> left_shift([3], 2)
        Array([12], dtype=int32)
    """
    return jnp.left_shift(x, y)


@operation("x", "y")
def bitwise_right_shift(x: ArrayLike, y: ArrayLike) -> Array:
    """Bits moved down by y places: floor(x / 2 ** y).

    Example:
        >>> bitwise_right_shift([12], 2)
        Array([3], dtype=int32)
    """
    return jnp.right_shift(x, y)


@operation("x", "y")
def right_shift(x: ArrayLike, y: ArrayLike) -> Array:
    """Bits moved down by y places: another name of `bitwise_right_shift`.

    Example:
        >>> right_shift([12], 2)
        Array([3], dtype=int32)
    """
    return jnp.right_shift(x, y)
