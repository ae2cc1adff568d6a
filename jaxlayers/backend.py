"""The names of `keras.backend`: settings of the process, and questions about dtypes and symbolic tensors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.settings import auto_name
from jaxlayers.config import (
    backend as backend,
    epsilon as epsilon,
    floatx as floatx,
    image_data_format as image_data_format,
    set_epsilon as set_epsilon,
    set_floatx as set_floatx,
    set_image_data_format as set_image_data_format,
)
from jaxlayers.utils import (
    clear_session as clear_session,
    is_keras_tensor as is_keras_tensor,
    standardize_dtype as standardize_dtype,
)


def result_type(*dtypes: Any) -> str:
    """Return the dtype of an operation on arrays of these dtypes; `floatx()` without arguments.

    Args:
        *dtypes: dtypes, their names, None for `floatx()`, or a Python type, which stands for a Python number.

    Example:
        >>> result_type("int32", "float16"), result_type("bfloat16", float)
        ('float16', 'bfloat16')
    """
    python_types = (bool, int, float, complex)
    known = [d if d in python_types else jax.dtypes.canonicalize_dtype(standardize_dtype(d)) for d in dtypes]
    return standardize_dtype(jnp.result_type(*known)) if known else floatx()


def is_float_dtype(dtype: Any) -> bool:
    """True for a dtype of floating-point numbers.

    Example:
        >>> is_float_dtype("bfloat16"), is_float_dtype("int32")
        (True, False)
    """
    return standardize_dtype(dtype).startswith(("float", "bfloat"))


def is_int_dtype(dtype: Any) -> bool:
    """True for a dtype of integers, with or without a sign.

    Example:
        >>> is_int_dtype("uint8"), is_int_dtype("bool")
        (True, False)
    """
    return standardize_dtype(dtype).startswith(("int", "uint"))


def get_uid(prefix: str = "") -> int:
    """Return how many automatic names with a prefix there are, with a new one; `clear_session` restarts at 1.

    Example:
        >>> get_uid("example"), get_uid("example")
        (1, 2)
    """
    name = auto_name(prefix)
    return 1 if name == prefix else int(name.removeprefix(f"{prefix}_")) + 1
