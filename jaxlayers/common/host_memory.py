"""Arrays in the memory of the host that JAX takes over as they are, instead of copying them.

On CPU a copy costs as much as reading a file does, and doubles the memory. JAX uses aligned memory of NumPy; that
is safe if nobody changes it, which only the function that made the array can promise.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import floatx, is_float, standardize_dtype
from jaxlayers.files.aligned_memory import aligned_empty


class HandedOver(np.ndarray):
    """An array whose memory nobody will change: it is read-only, and so is the array that owns the memory."""


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an array of any content, in memory that JAX can take over."""
    return aligned_empty(shape, np.dtype(dtype))


def hand_over(array: np.ndarray) -> HandedOver:
    """Return a read-only view of an array of `empty`, which the caller must not use any more."""
    base = array if array.base is None else array.base
    base.flags.writeable = array.flags.writeable = False
    return array.view(HandedOver)


def new_array(value: Any, dtype: Any = None) -> jax.Array:
    """Return a new JAX array with the content of an array, or of numbers; Python's floats become `floatx()`."""
    if dtype is None and not hasattr(value, "dtype") and is_float(np.asarray(value).dtype):
        dtype = floatx()
    dtype = None if dtype is None else standardize_dtype(dtype)
    with jax.ensure_compile_time_eval():
        if isinstance(value, jax.Array):
            return jnp.array(value, dtype)
        # Copied and converted by NumPy: JAX would compile a program for each shape.
        value = np.array(value, dtype or jax.dtypes.canonicalize_dtype(np.asarray(value).dtype))
        return jnp.asarray(value, value.dtype)


def unchanging(value: Any, dtype: Any) -> np.ndarray:
    """Return a value as an array that nobody will change: a copy, unless it is handed over in this dtype."""
    if type(value) is HandedOver and not value.flags.writeable and value.dtype == dtype:
        return value.view(np.ndarray)
    return np.array(value, dtype=dtype)
