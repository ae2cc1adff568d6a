"""Rounding, signs and bounds, element by element."""

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.types import Array, ArrayLike, as_float

__all__ = [
    "ceil", "clip", "floor", "fmax", "fmin", "heaviside", "maximum", "minimum", "nan_to_num", "round", "sign",
    "signbit", "trunc",
]  # fmt: skip


@operation("x")
def sign(x: ArrayLike) -> Array:
    """-1, 0 or 1, in the dtype of x.

    Example:
        >>> sign([-0.5, 0.0, 7.0])
        Array([-1.,  0.,  1.], dtype=float32)
    """
    return jnp.sign(x)


@operation("x")
def signbit(x: ArrayLike) -> Array:
    """Whether the sign is negative; that of -0.0 is.

    Example:
        >>> signbit([-0.0, 0.0, 7.0])
        Array([ True, False, False], dtype=bool)
    """
    return jnp.signbit(x)


@operation("x")
def round(x: ArrayLike, decimals: int = 0) -> Array:
    """Rounded to a number of decimals, halves to the even neighbour.

    Args:
        x: array.
        decimals: places after the point; negative ones count before it.

    Example:
        >>> round([0.5, 1.5, 2.26], 1), round([1251], -2)
        (Array([0.5, 1.5, 2.3], dtype=float32), Array([1300], dtype=int32))
    """
    if decimals < 0:  # jax.numpy has this for floats only
        return jnp.round(as_float(x), decimals).astype(jnp.result_type(x))
    return jnp.round(x, decimals)


@operation("x")
def floor(x: ArrayLike) -> Array:
    """Largest whole number not above x, in a float dtype.

    Example:
        >>> floor([1.7, -1.2])
        Array([ 1., -2.], dtype=float32)
    """
    return jnp.floor(as_float(x))


@operation("x")
def ceil(x: ArrayLike) -> Array:
    """Smallest whole number not below x, in a float dtype.

    Example:
        >>> ceil([1.2, -1.7])
        Array([ 2., -1.], dtype=float32)
    """
    return jnp.ceil(as_float(x))


@operation("x")
def trunc(x: ArrayLike) -> Array:
    """Without what is behind the point; integers as they are.

    Example:
        >>> trunc([1.7, -1.7])
        Array([ 1., -1.], dtype=float32)
    """
    return jnp.trunc(x)


@operation("x1", "x2")
def maximum(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The larger of two; nan where either is.

    Example:
        >>> maximum([1, 5], 3)
        Array([3, 5], dtype=int32)
    """
    return jnp.maximum(x1, x2)


@operation("x1", "x2")
def minimum(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The smaller of two; nan where either is.

    Example:
        >>> minimum([1, 5], 3)
        Array([1, 3], dtype=int32)
    """
    return jnp.minimum(x1, x2)


@operation("x1", "x2")
def fmax(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The larger of two, passing over nan.

    Example:
        >>> fmax([float("nan"), 5.0], 3.0)
        Array([3., 5.], dtype=float32)
    """
    return jnp.fmax(x1, x2)


@operation("x1", "x2")
def fmin(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The smaller of two, passing over nan.

    Example:
        >>> fmin([float("nan"), 5.0], 3.0)
        Array([3., 3.], dtype=float32)
    """
    return jnp.fmin(x1, x2)


@operation("x", "x_min", "x_max")
def clip(x: ArrayLike, x_min: ArrayLike, x_max: ArrayLike) -> Array:
    """Held within bounds: min(max(x, x_min), x_max).

    Example:
        >>> clip([-3.0, 0.5, 3.0], -1, 1)
        Array([-1. ,  0.5,  1. ], dtype=float32)
    """
    return jnp.clip(x, x_min, x_max)


@operation("x")
def nan_to_num(x: ArrayLike, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Array:
    """With finite numbers in the places of nan and of infinities.

    Args:
        x: array.
        nan: stands for nan.
        posinf: stands for inf; by default the largest number of the dtype.
        neginf: stands for -inf; by default the smallest number of the dtype.

    Example:
        >>> nan_to_num([float("nan"), float("inf"), 1.0], posinf=9.0)
        Array([0., 9., 1.], dtype=float32)
    """
    return jnp.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


@operation("x1", "x2")
def heaviside(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Step: 0 below zero, 1 above, and x2 at zero.

    Example:
        >>> heaviside([-1.0, 0.0, 2.0], 0.5)
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    return jnp.heaviside(x1, x2)
