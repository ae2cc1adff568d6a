"""Process-wide settings, dtype names and automatic names of objects.

State that belongs to one call (`training`, masks, the values of variables) lives in scopes instead; see `core`.
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
    """Return the name of the default float dtype: `"float32"` unless it was set."""
    return _settings["floatx"]


def set_floatx(value: str) -> None:
    """Set the default float dtype.

    Args:
        value: `"bfloat16"`, `"float16"`, `"float32"` or `"float64"`.

    Raises:
        ValueError: for any other value.
    """
    if value not in _FLOATS:
        raise ValueError(f"floatx must be one of {_FLOATS}; received {value!r}.")
    _settings["floatx"] = value


def epsilon() -> float:
    """Return the small number that is added to divisors and to arguments of logarithms: 1e-7 unless it was set."""
    return _settings["epsilon"]


def set_epsilon(value: float) -> None:
    """Set the small number that `epsilon()` returns."""
    _settings["epsilon"] = float(value)


def image_data_format() -> str:
    """Return the default position of the channel axis: `"channels_last"` (unless it was set) or `"channels_first"`."""
    return _settings["image_data_format"]


def set_image_data_format(data_format: str) -> None:
    """Set the default position of the channel axis.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: for any other value.
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
    """True if tracebacks end in the user's code."""
    return _settings["traceback_filtering"]


def standardize_dtype(dtype: Any = None) -> str:
    """Return the name of a dtype that is a name, a NumPy or JAX dtype, or a Python type; `floatx()` for None.

    Raises:
        ValueError: when the argument is not a dtype.

    Example:
        >>> import numpy as np
        >>> standardize_dtype(np.float32), standardize_dtype("half"), standardize_dtype(int)
        ('float32', 'float16', 'int32')
    """
    if dtype is None:
        return _settings["floatx"]
    if isinstance(dtype, str) and dtype in _KNOWN:
        return dtype
    is_name = isinstance(dtype, str)  # must be tested: NumPy's int64 compares equal to "int"
    if dtype is int or (is_name and dtype == "int"):
        return "int32"
    if dtype is float or (is_name and dtype == "float"):
        return _settings["floatx"]
    try:  # A dtype object may be that of a NumPy array, which JAX narrows to 32 bits unless x64 is enabled.
        return jnp.dtype(dtype).name if is_name else jax.dtypes.canonicalize_dtype(jnp.dtype(dtype)).name
    except TypeError:
        name = str(dtype)
        if name.startswith("key<"):  # the dtype of a JAX random key
            return name
        if name.startswith("torch."):
            return name.removeprefix("torch.")
        way_out = " JAX has no arrays of strings: encode them as integers first." if name in ("string", "str") else ""
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
    """True if a dtype is a real floating-point dtype."""
    return jnp.issubdtype(dtype, np.floating)


def overflows(array: np.ndarray) -> bool:
    """True if a NumPy array has 64-bit integers that do not fit into the dtype to which JAX would narrow them."""
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8 or not array.size:
        return False
    limits = np.iinfo(jax.dtypes.canonicalize_dtype(array.dtype))
    return bool(array.min() < limits.min or array.max() > limits.max)


_counters: dict[str, itertools.count] = defaultdict(itertools.count)
_counters_lock = threading.Lock()


def to_snake_case(name: str) -> str:
    """Convert `"LayerNormalization"` to `"layer_normalization"`, as Keras names its layers."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(prefix: str) -> str:
    """Return a name that is new in this process: `prefix`, then `prefix_1`, `prefix_2`, and so on."""
    with _counters_lock:
        number = next(_counters[prefix])
    return f"{prefix}_{number}" if number else prefix


def free_name(name: str, taken: Container[str]) -> str:
    """Return the first of `name`, `name_1`, `name_2`, ... that is not in `taken`."""
    candidates = (f"{name}_{number}" if number else name for number in itertools.count())
    return next(candidate for candidate in candidates if candidate not in taken)


def reset_auto_names() -> None:
    """Restart the numbering of `auto_name`."""
    with _counters_lock:
        _counters.clear()


def standardize_shape(shape: Any) -> tuple[int, ...]:
    """Return a shape as a tuple of sizes; a single number is one axis."""
    if isinstance(shape, str):
        raise ValueError(f"A variable's shape must be a tuple of sizes; received {shape!r}. Names go into name=.")
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    for size in sizes:
        if size is None or int(size) < 0:
            raise ValueError(f"A variable's shape must be known; received {tuple(shape)}.")
    return tuple(int(size) for size in sizes)
