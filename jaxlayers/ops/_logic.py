"""Element-wise comparisons, logical and bitwise functions, and the reductions `all` and `any`.

The arguments `x`, `y`, `x1` and `x2` are arrays, or values that can be converted to arrays (see `numerics.types`).
Two arguments are broadcast to one shape. For logical functions, a number is true if it is not zero.
"""

import jax.numpy as jnp

from jaxlayers.numerics.types import Array, ArrayLike, Axis
from jaxlayers.ops._declarations import computed_by, reduced_by

__all__ = [
    "all", "allclose", "any", "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "equal", "greater", "greater_equal", "isclose", "isfinite", "isin", "isinf",
    "isnan", "isneginf", "isposinf", "isreal", "left_shift", "less", "less_equal", "logical_and", "logical_not",
    "logical_or", "logical_xor", "not_equal", "right_shift",
]  # fmt: skip


@computed_by(jnp.equal)
def equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """True where x1 == x2.

    Example:
        >>> equal([1, 2], 2)
        Array([False,  True], dtype=bool)
    """


@computed_by(jnp.not_equal)
def not_equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """True where x1 != x2.

    Example:
        >>> not_equal([1, 2], 2)
        Array([ True, False], dtype=bool)
    """


@computed_by(jnp.less)
def less(x1: ArrayLike, x2: ArrayLike) -> Array:
    """True where x1 < x2.

    Example:
        >>> less([1, 2], 2)
        Array([ True, False], dtype=bool)
    """


@computed_by(jnp.less_equal)
def less_equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """True where x1 <= x2.

    Example:
        >>> less_equal([1, 3], 2)
        Array([ True, False], dtype=bool)
    """


@computed_by(jnp.greater)
def greater(x1: ArrayLike, x2: ArrayLike) -> Array:
    """True where x1 > x2.

    Example:
        >>> greater([1, 3], 2)
        Array([False,  True], dtype=bool)
    """


@computed_by(jnp.greater_equal)
def greater_equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """True where x1 >= x2.

    Example:
        >>> greater_equal([1, 2], 2)
        Array([False,  True], dtype=bool)
    """


@computed_by(jnp.isclose, "x1", "x2")
def isclose(x1: ArrayLike, x2: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """True where two numbers are almost equal: |x1 - x2| <= atol + rtol |x2|.

    Args:
        x1: array.
        x2: array.
        rtol: the relative tolerance; 1e-5 by default.
        atol: the absolute tolerance; 1e-8 by default.
        equal_nan: If True, nan is equal to nan. False by default.

    Example:
        >>> isclose([1.0, 1.1], 1.0000001)
        Array([ True, False], dtype=bool)
    """


@computed_by(jnp.allclose, "x1", "x2")
def allclose(x1: ArrayLike, x2: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """True if all elements of two arrays are almost equal: |x1 - x2| <= atol + rtol |x2|.

    Args:
        x1: array.
        x2: array.
        rtol: the relative tolerance; 1e-5 by default.
        atol: the absolute tolerance; 1e-8 by default.
        equal_nan: If True, nan is equal to nan. False by default.

    Example:
        >>> allclose([1.0, 1.1], 1.0)
        Array(False, dtype=bool)
    """


@computed_by(jnp.isin, "x1", "x2")
def isin(x1: ArrayLike, x2: ArrayLike, assume_unique: bool = False, invert: bool = False) -> Array:
    """True for each element of x1 that is an element of x2.

    Args:
        x1: array.
        x2: the array to search.
        assume_unique: If True, the elements of each array must be unique, which is faster. False by default.
        invert: If True, return True for each element of x1 that is not an element of x2. False by default.

    Returns:
        An array of bools of the shape of x1.

    Example:
        >>> isin([1, 2, 3], [3, 1])
        Array([ True, False,  True], dtype=bool)
    """


@computed_by(jnp.isnan)
def isnan(x: ArrayLike) -> Array:
    """True where x is nan.

    Example:
        >>> isnan([1.0, float("nan")])
        Array([False,  True], dtype=bool)
    """


@computed_by(jnp.isinf)
def isinf(x: ArrayLike) -> Array:
    """True where x is plus or minus infinity.

    Example:
        >>> isinf([1.0, float("-inf")])
        Array([False,  True], dtype=bool)
    """


@computed_by(jnp.isposinf)
def isposinf(x: ArrayLike) -> Array:
    """True where x is plus infinity.

    Example:
        >>> isposinf([float("inf"), float("-inf")])
        Array([ True, False], dtype=bool)
    """


@computed_by(jnp.isneginf)
def isneginf(x: ArrayLike) -> Array:
    """True where x is minus infinity.

    Example:
        >>> isneginf([float("inf"), float("-inf")])
        Array([False,  True], dtype=bool)
    """


@computed_by(jnp.isfinite)
def isfinite(x: ArrayLike) -> Array:
    """True where x is neither infinite nor nan.

    Example:
        >>> isfinite([1.0, float("inf"), float("nan")])
        Array([ True, False, False], dtype=bool)
    """


@computed_by(jnp.isreal)
def isreal(x: ArrayLike) -> Array:
    """True where the imaginary part of x is zero.

    Example:
        >>> isreal([1 + 0j, 1 + 2j])
        Array([ True, False], dtype=bool)
    """


@reduced_by(jnp.all)
def all(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """True if all elements along the axes are true.

    Args:
        x: an array of bools, or of numbers, which are true if they are not zero.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> all([[True, False], [True, True]], axis=1)
        Array([False,  True], dtype=bool)
    """


@reduced_by(jnp.any)
def any(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """True if at least one element along the axes is true.

    Args:
        x: an array of bools, or of numbers, which are true if they are not zero.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> any([[True, False], [False, False]], axis=1)
        Array([ True, False], dtype=bool)
    """


@computed_by(jnp.logical_and)
def logical_and(x1: ArrayLike, x2: ArrayLike) -> Array:
    """True where x1 and x2 are true.

    Example:
        >>> logical_and([True, True], [True, False])
        Array([ True, False], dtype=bool)
    """


@computed_by(jnp.logical_or)
def logical_or(x1: ArrayLike, x2: ArrayLike) -> Array:
    """True where x1 or x2 is true, or both.

    Example:
        >>> logical_or([True, False], [False, False])
        Array([ True, False], dtype=bool)
    """


@computed_by(jnp.logical_xor)
def logical_xor(x1: ArrayLike, x2: ArrayLike) -> Array:
    """True where exactly one of x1 and x2 is true.

    Example:
        >>> logical_xor([True, True], [True, False])
        Array([False,  True], dtype=bool)
    """


@computed_by(jnp.logical_not)
def logical_not(x: ArrayLike) -> Array:
    """True where x is false.

    Example:
        >>> logical_not([True, False])
        Array([False,  True], dtype=bool)
    """


@computed_by(jnp.bitwise_and)
def bitwise_and(x: ArrayLike, y: ArrayLike) -> Array:
    """Bitwise and: the bits that are set in x and in y.

    Example:
        >>> bitwise_and([12], [10])
        Array([8], dtype=int32)
    """


@computed_by(jnp.bitwise_or)
def bitwise_or(x: ArrayLike, y: ArrayLike) -> Array:
    """Bitwise or: the bits that are set in x or in y, or in both.

    Example:
        >>> bitwise_or([12], [10])
        Array([14], dtype=int32)
    """


@computed_by(jnp.bitwise_xor)
def bitwise_xor(x: ArrayLike, y: ArrayLike) -> Array:
    """Bitwise exclusive or: the bits that are set in exactly one of x and y.

    Example:
        >>> bitwise_xor([12], [10])
        Array([6], dtype=int32)
    """


@computed_by(jnp.bitwise_not)
def bitwise_invert(x: ArrayLike) -> Array:
    """Bitwise not: each bit is inverted. For signed integers, it is -x - 1.

    Example:
        >>> bitwise_invert([12])
        Array([-13], dtype=int32)
    """


@computed_by(jnp.bitwise_not)
def bitwise_not(x: ArrayLike) -> Array:
    """Bitwise not: another name of `bitwise_invert`.

    Example:
        >>> bitwise_not([12])
        Array([-13], dtype=int32)
    """


@computed_by(jnp.left_shift)
def bitwise_left_shift(x: ArrayLike, y: ArrayLike) -> Array:
    """Shift the bits of x to the left by y bits: x * 2 ** y.

    Example:
        >>> bitwise_left_shift([3], 2)
        Array([12], dtype=int32)
    """


@computed_by(jnp.left_shift)
def left_shift(x: ArrayLike, y: ArrayLike) -> Array:
    """Shift bits to the left: another name of `bitwise_left_shift`.

    Example:
        >>> left_shift([3], 2)
        Array([12], dtype=int32)
    """


@computed_by(jnp.right_shift)
def bitwise_right_shift(x: ArrayLike, y: ArrayLike) -> Array:
    """Shift the bits of x to the right by y bits: floor(x / 2 ** y).

    Example:
        >>> bitwise_right_shift([12], 2)
        Array([3], dtype=int32)
    """


@computed_by(jnp.right_shift)
def right_shift(x: ArrayLike, y: ArrayLike) -> Array:
    """Shift bits to the right: another name of `bitwise_right_shift`.

    Example:
        >>> right_shift([12], 2)
        Array([3], dtype=int32)
    """
