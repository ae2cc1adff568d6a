"""Vectors from the numbers of categories, for all layers that encode categories."""

from __future__ import annotations

import functools
from typing import Any

import jax

MODES = ("int", "one_hot", "multi_hot", "count")


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def encode(indices: jax.Array, mode: str, depth: int, dtype: str, weights: jax.Array | None = None) -> jax.Array:
    """Return indices as they are, or as vectors of size `depth`; an index out of range adds to none of them.

    The last axis is the sample. `"multi_hot"` and `"count"` return one vector for each sample, `"one_hot"` one for each
    index, and removes a last axis of size 1.
    """
    if mode == "int":
        return indices.astype(jax.dtypes.canonicalize_dtype(dtype))
    if indices.ndim == 0:
        indices = indices[None]
    if mode == "one_hot" and indices.ndim > 1 and indices.shape[-1] == 1:
        indices = indices[..., 0]
    vectors = jax.nn.one_hot(indices, depth, dtype=jax.dtypes.canonicalize_dtype(dtype))
    if mode == "one_hot":
        return vectors
    if mode == "multi_hot":
        return vectors.max(-2, initial=0)
    return (vectors if weights is None else vectors * weights[..., None]).sum(-2)


def check_mode(layer: Any, mode: Any, modes: tuple[str, ...] = MODES) -> str:
    """Return an output mode; `"binary"` and `"tf-idf"` are former names.

    Raises:
        ValueError: if the layer does not have this mode.
    """
    current = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(mode, mode)
    if current not in modes:
        raise ValueError(f"{type(layer).__name__}: output_mode must be one of {modes}; received {mode!r}.")
    return current


def refuse_sparse(layer: Any, sparse: bool) -> bool:
    """Raise ValueError if sparse arrays are asked for; return False otherwise."""
    if sparse:
        raise ValueError(
            f"{type(layer).__name__} makes dense arrays; received sparse={sparse}. Sparse ones are in "
            "jax.experimental.sparse."
        )
    return False
