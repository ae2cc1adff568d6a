"""Numbers of bytes: those of variables, and as text."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp


def bytes_of(shape: tuple[int, ...], dtype: Any) -> int:
    """Return the number of bytes of an array."""
    return math.prod(shape) * jnp.dtype(dtype).itemsize


def format_bytes(size: float) -> str:
    """Return a number of bytes as text, such as `"1.50 KB"`."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} TB"
