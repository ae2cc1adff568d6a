"""What a step is handed: `x`, `(x, y)` or `(x, y, sample_weight)`, in memory that a device may read from as it is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_ALIGNMENT = 64  # bytes: XLA reads arrays on the host that begin at a multiple of it without a copy


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """The shortest of `x`, `(x, y)` and `(x, y, sample_weight)`; weights are kept also where there is no `y`.

    Args:
        x: inputs; a list or tuple of them goes into a tuple, so that it is not taken for `(x, y)`.
        y: targets.
        sample_weight: a weight for each sample.

    Example:
        >>> from jaxlayers import utils
        >>> utils.pack_x_y_sample_weight([1.0], y=[0])
        ([1.0], [0])
    """
    if sample_weight is not None:
        return x, y, sample_weight
    if y is not None:
        return x, y
    return (x,) if isinstance(x, tuple | list) else x


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """`(x, y, sample_weight)` from what a step is handed, with None for what is missing.

    Args:
        data: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

    Raises:
        ValueError: when it has more than three parts, or none.

    Example:
        >>> from jaxlayers import utils
        >>> utils.unpack_x_y_sample_weight(("inputs", "targets"))
        ('inputs', 'targets', None)
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(f"A batch must be x, (x, y) or (x, y, sample_weight); received {len(data)} parts.")
    return (*data, None, None)[:3]


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array like `np.empty`, which `jax.device_put` gives to a CPU without a copy."""
    if dtype.hasobject:
        return np.empty(shape, dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)
