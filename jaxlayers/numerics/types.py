"""The types that signatures in this package speak of, and the dtype rules that differ from jax.numpy's."""

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


def as_float(x: Any) -> Array:
    """Integers and bools in `floatx()`, anything else as it is: for functions that jax.numpy leaves integer."""
    x = x if hasattr(x, "dtype") else jnp.asarray(x)
    return x.astype(floatx()) if x.dtype.kind in "biu" else x


def dtype_or_none(dtype: DType) -> str | None:
    """The name of a dtype; None stays None, for jax.numpy to choose."""
    return None if dtype is None else standardize_dtype(dtype)


def hashable(axis: Axis) -> Any:
    """Axes in a list as a tuple, which JAX's compiled functions take."""
    return tuple(axis) if isinstance(axis, list) else axis


def refuse_sparse(function: str, sparse: bool | None) -> None:
    """Say that sparse arrays are not made here."""
    if sparse:
        raise ValueError(
            f"ops.{function} makes dense arrays; received sparse={sparse}. Sparse ones are in jax.experimental.sparse."
        )
