"""Process-wide settings: read by every thread, changed by few.

What belongs to one call (training, masks, the answer to a read) lives in a scope instead; see `scope`.
"""

import itertools
import re
import threading
from collections import defaultdict
from collections.abc import Container
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_settings: dict[str, Any] = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "traceback_filtering": True,
}
_FLOATS = ("bfloat16", "float16", "float32", "float64")


def floatx() -> str:
    """The default float dtype, as a string: `"float32"` unless it was set."""
    return _settings["floatx"]


def set_floatx(value: str) -> None:
    """Set the default float dtype.

    Raises:
        ValueError: when `value` is not the name of a float dtype.
    """
    if value not in _FLOATS:
        raise ValueError(f"floatx must be one of {_FLOATS}; received {value!r}.")
    _settings["floatx"] = value


def epsilon() -> float:
    """The fuzz factor added to divisors and logarithms: 1e-7 unless it was set."""
    return _settings["epsilon"]


def set_epsilon(value: float) -> None:
    """Set the fuzz factor that `epsilon()` returns."""
    _settings["epsilon"] = float(value)


def image_data_format() -> str:
    """Where images keep their channels by default: `"channels_last"` or `"channels_first"`."""
    return _settings["image_data_format"]


def set_image_data_format(data_format: str) -> None:
    """Set what `image_data_format()` returns.

    Raises:
        ValueError: for anything but `"channels_last"` and `"channels_first"`.
    """
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first'; received {data_format!r}.")
    _settings["image_data_format"] = data_format


def enable_traceback_filtering() -> None:
    """Let tracebacks end in the user's code (the default)."""
    _settings["traceback_filtering"] = True


def disable_traceback_filtering() -> None:
    """Show every frame of jaxlayers and of JAX in tracebacks."""
    _settings["traceback_filtering"] = False


def is_traceback_filtering_enabled() -> bool:
    """Whether tracebacks end in the user's code."""
    return _settings["traceback_filtering"]


def standardize_dtype(dtype: Any = None) -> str:
    """The name of a dtype, whatever it is given as; `floatx()` for None.

    Raises:
        ValueError: when it is no dtype.

    Example:
        >>> import numpy as np
        >>> standardize_dtype(np.float32), standardize_dtype("half"), standardize_dtype(int)
        ('float32', 'float16', 'int32')
    """
    if dtype is None:
        return _settings["floatx"]
    if isinstance(dtype, str) and dtype in _KNOWN:
        return dtype
    named = isinstance(dtype, str)  # NumPy's int64 equals "int", too
    if dtype is int or (named and dtype == "int"):
        return "int32"
    if dtype is float or (named and dtype == "float"):
        return _settings["floatx"]
    try:  # that of a NumPy array is the one which JAX gives such arrays
        return jnp.dtype(dtype).name if named else jax.dtypes.canonicalize_dtype(jnp.dtype(dtype)).name
    except TypeError:
        name = str(dtype)
        if name.startswith("key<"):  # a JAX random key
            return name
        if name.startswith("torch."):
            return name.removeprefix("torch.")
        way_out = " JAX has no arrays of strings: encode them beforehand." if name in ("string", "str") else ""
        raise ValueError(f"Expected a dtype; received {dtype!r}.{way_out}") from None


_KNOWN = frozenset(
    [
        "bool",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "int8",
        "int16",
        "int32",
        "int64",
        "bfloat16",
        "float16",
        "float32",
        "float64",
    ]
)


def is_float(dtype: Any) -> bool:
    """Whether a dtype is a real floating-point one."""
    return jnp.issubdtype(dtype, np.floating)


def overflows(array: np.ndarray) -> bool:
    """Whether some of NumPy's integers do not fit into the 32 bits that JAX would cut them off at."""
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8 or not array.size:
        return False
    limits = np.iinfo(jax.dtypes.canonicalize_dtype(array.dtype))
    return bool(array.min() < limits.min or array.max() > limits.max)


_counters: dict[str, itertools.count] = defaultdict(itertools.count)
_counters_lock = threading.Lock()


def to_snake_case(name: str) -> str:
    """`"LayerNormalization"` to `"layer_normalization"`, as Keras names its layers."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(prefix: str) -> str:
    """A name nobody was given in this process: `prefix`, `prefix_1`, `prefix_2`, and so on."""
    with _counters_lock:
        number = next(_counters[prefix])
    return f"{prefix}_{number}" if number else prefix


def free_name(name: str, taken: Container[str]) -> str:
    """The name, with the first number that makes it another than those taken."""
    numbered = (f"{name}_{number}" if number else name for number in itertools.count())
    return next(candidate for candidate in numbered if candidate not in taken)


def reset_auto_names() -> None:
    """Start the numbers of `auto_name` again."""
    with _counters_lock:
        _counters.clear()
