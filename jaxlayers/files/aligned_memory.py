"""Memory for the content of files and for batches, aligned so that JAX can take it over on a CPU without a copy."""

from __future__ import annotations

import math

import numpy as np

_ALIGNMENT = 64  # bytes; XLA on a CPU uses an array whose address is a multiple of it without a copy


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array like `np.empty`, aligned so that `jax.device_put` to a CPU does not copy it."""
    if dtype.hasobject:
        return np.empty(shape, dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)
