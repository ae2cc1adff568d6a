"""The encoding of indices of categories as vectors, for all layers that have an `output_mode`."""

from __future__ import annotations

import functools
from typing import Any

import jax

from jaxlayers.numerics.spatial import one_of

MODES = ("int", "one_hot", "multi_hot", "count")


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def encode(indices: jax.Array, mode: str, depth: int, dtype: str, weights: jax.Array | None = None) -> jax.Array:
    """Return indices as they are (mode `"int"`), or vectors of size `depth`; an index out of range has no effect.

    The last axis of the indices is a sample. `"multi_hot"` and `"count"` make one vector of each sample; `"one_hot"`
    makes one vector of each index, after the last axis was dropped if its size is 1.

    Args:
        indices: integers, [..., sample].
        mode: one of `MODES`.
        depth: the size of the vectors.
        dtype: the dtype of the result.
        weights: for `"count"`, what each index adds to its entry, [..., sample]; 1 by default.
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
    """Return the current name of an output mode; `"binary"` and `"tf-idf"` are old names.

    Raises:
        ValueError: if the layer does not have the mode.
    """
    current = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(mode, mode)
    return one_of(type(layer).__name__, "output_mode", current, modes)


def refuse_sparse(layer: Any, sparse: bool) -> bool:
    """Return False, the only supported value of the argument `sparse`.

    Raises:
        ValueError: if `sparse` is true.
    """
    if sparse:
        raise ValueError(
            f"{type(layer).__name__} returns dense arrays only; received sparse={sparse}. For sparse arrays, convert "
            "the result with jax.experimental.sparse."
        )
    return False
