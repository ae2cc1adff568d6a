"""Arrays selected by masks that have fewer axes than they."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def select(mask: jax.Array | None, new: Any, old: Any) -> Any:
    """Return the arrays of the tree `new` where the mask is True, of `old` elsewhere; `new` without a mask.

    The axes of the mask are the first axes of the arrays.
    """
    if mask is None:
        return new
    return jax.tree.map(lambda a, b: jnp.where(append_axes(mask, a), a, b), new, old)


def append_axes(mask: jax.Array, array: jax.Array) -> jax.Array:
    """Return the mask with axes of size 1 at the end, so that it broadcasts to the array."""
    return mask.reshape(*mask.shape, *(1,) * (array.ndim - mask.ndim))
