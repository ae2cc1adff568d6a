"""Types for signatures, and the dtype rules that differ from those of jax.numpy."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from jaxlayers.common.settings import floatx, standardize_dtype

Array: TypeAlias = jax.Array
ArrayLike: TypeAlias = Any  # an array, Variable, NumPy array, nested list, Python scalar or symbolic tensor
Axis: TypeAlias = int | Sequence[int] | None
Shape: TypeAlias = int | Sequence[int]
DType: TypeAlias = Any  # a name such as "float32", a NumPy or jax.numpy dtype, `int` or `float`

_FLOAT32 = jnp.dtype("float32")


def as_float(x: Any) -> Array:
    """Return integers and bools in `floatx()`, other arrays as they are."""
    x = x if hasattr(x, "dtype") else jnp.asarray(x)
    return x.astype(floatx()) if x.dtype.kind in "biu" else x


def wide_dtype(dtype: Any) -> Any:
    """Return float32 for half precision, integers and bools, and wider floats and complex dtypes as they are."""
    dtype = jnp.dtype(dtype)
    return dtype if dtype.kind in "fc" and dtype.itemsize >= 4 else _FLOAT32


def wide(x: Array) -> Array:
    """Return half precision in float32, in which squares and sums do not overflow; float32 and wider as they are."""
    return x.astype(wide_dtype(x.dtype))


def dtype_or_none(dtype: DType) -> str | None:
    """Return the name of a dtype, or None for None, which lets jax.numpy choose."""
    return None if dtype is None else standardize_dtype(dtype)


def hashable(axis: Axis) -> Any:
    """Return axes as a hashable value, a list as a tuple: a static argument of `jax.jit`."""
    return tuple(axis) if isinstance(axis, list) else axis


def refuse_sparse(function: str, sparse: bool | None) -> None:
    """Raise ValueError if a sparse array is asked for."""
    if sparse:
        raise ValueError(
            f"ops.{function} makes dense arrays; received sparse={sparse}. Sparse ones are in jax.experimental.sparse."
        )
