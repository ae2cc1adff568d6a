"""Element-wise rounding, signs, minima and maxima.

The arguments `x`, `x1` and `x2` are arrays, or values that can be converted to arrays (see `numerics.types`). Two
arguments are broadcast to one shape.
"""

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.types import Array, ArrayLike, as_float
from jaxlayers.ops._declarations import computed_by

__all__ = [
    "ceil", "clip", "floor", "fmax", "fmin", "heaviside", "maximum", "minimum", "nan_to_num", "round", "sign",
    "signbit", "trunc",
]  # fmt: skip


@computed_by(jnp.sign)
def sign(x: ArrayLike) -> Array:
    """Sign: -1, 0 or 1, in the dtype of x.

    Example:
        >>> sign([-0.5, 0.0, 7.0])
        Array([-1.,  0.,  1.], dtype=float32)
    """


@computed_by(jnp.signbit)
def signbit(x: ArrayLike) -> Array:
    """True where the sign bit is set: for negative numbers and for -0.0.

    Example:
        >>> signbit([-0.0, 0.0, 7.0])
        Array([ True, False, False], dtype=bool)
    """


@operation("x")
def round(x: ArrayLike, decimals: int = 0) -> Array:
    """Round to a number of decimals; halves are rounded to the even neighbour.

    Args:
        x: array.
        decimals: the number of decimals, 0 by default; -1 to round to tens, -2 to hundreds, and so on.

    Example:
        >>> round([0.5, 1.5, 2.26], 1), round([1251], -2)
        (Array([0.5, 1.5, 2.3], dtype=float32), Array([1300], dtype=int32))
    """
    if decimals < 0:  # jax.numpy supports negative decimals for floats only
        return jnp.round(as_float(x), decimals).astype(jnp.result_type(x))
    return jnp.round(x, decimals)


@operation("x")
def floor(x: ArrayLike) -> Array:
    """Largest integer that is not greater than x, as a float.

    Example:
        >>> floor([1.7, -1.2])
        Array([ 1., -2.], dtype=float32)
    """
    return jnp.floor(as_float(x))


@operation("x")
def ceil(x: ArrayLike) -> Array:
    """Smallest integer that is not less than x, as a float.

    Example:
        >>> ceil([1.2, -1.7])
        Array([ 2., -1.], dtype=float32)
    """
    return jnp.ceil(as_float(x))


@computed_by(jnp.trunc)
def trunc(x: ArrayLike) -> Array:
    """Integer part: x rounded towards zero, in the dtype of x.

    Example:
        >>> trunc([1.7, -1.7])
        Array([ 1., -1.], dtype=float32)
    """


@computed_by(jnp.maximum)
def maximum(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The larger of two numbers; nan if one of them is nan.

    Example:
        >>> maximum([1, 5], 3)
        Array([3, 5], dtype=int32)
    """


@computed_by(jnp.minimum)
def minimum(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The smaller of two numbers; nan if one of them is nan.

    Example:
        >>> minimum([1, 5], 3)
        Array([1, 3], dtype=int32)
    """


@computed_by(jnp.fmax)
def fmax(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The larger of two numbers; the other number if one of them is nan.

    Example:
        >>> fmax([float("nan"), 5.0], 3.0)
        Array([3., 5.], dtype=float32)
    """


@computed_by(jnp.fmin)
def fmin(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The smaller of two numbers; the other number if one of them is nan.

    Example:
        >>> fmin([float("nan"), 5.0], 3.0)
        Array([3., 3.], dtype=float32)
    """


@computed_by(jnp.clip)
def clip(x: ArrayLike, x_min: ArrayLike, x_max: ArrayLike) -> Array:
    """Clip to a range: min(max(x, x_min), x_max).

    Args:
        x: array.
        x_min: the lower bound; it broadcasts with x.
        x_max: the upper bound; it broadcasts with x.

    Example:
        >>> clip([-3.0, 0.5, 3.0], -1, 1)
        Array([-1. ,  0.5,  1. ], dtype=float32)
    """


@operation("x")
def nan_to_num(x: ArrayLike, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Array:
    """Replace nan and infinities by finite numbers.

    Args:
        x: array.
        nan: the replacement of nan; 0 by default.
        posinf: the replacement of inf; the largest number of the dtype by default.
        neginf: the replacement of -inf; the smallest number of the dtype by default.

    Example:
        >>> nan_to_num([float("nan"), float("inf"), 1.0], posinf=9.0)
        Array([0., 9., 1.], dtype=float32)
    """
    return jnp.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


@computed_by(jnp.heaviside)
def heaviside(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Heaviside step function: 0 if x1 < 0, x2 if x1 == 0, 1 if x1 > 0.

    Example:
        >>> heaviside([-1.0, 0.0, 2.0], 0.5)
        Array([0. , 0.5, 1. ], dtype=float32)
    """
