"""The forms a key has: typed, as users hand it over, or its numbers, as generators hold it."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def as_key(state: Any) -> jax.Array:
    """A typed key from what a generator holds."""
    if is_typed(state):
        return state
    ours = state.shape[-1:] == (_size(),)
    return jax.random.wrap_key_data(state, impl=_implementation() if ours else None)


def is_typed(state: Any) -> bool:
    """Whether a key is a typed one."""
    return jnp.issubdtype(state.dtype, jax.dtypes.prng_key)


def like(state: Any, key: jax.Array) -> jax.Array:
    """A key in the form that `state` has: typed, or its numbers, which compiled calls take faster."""
    return key if is_typed(state) else jax.random.key_data(key)


def from_text(text: bytes) -> np.ndarray:
    """A key's numbers made from a text, without any compilation."""
    digest = hashlib.blake2b(text, digest_size=4 * _size(), person=_DERIVATION).digest()
    return np.frombuffer(digest, "uint32")


_DERIVATION = b"jaxlayers 2"  # changes whenever the values that a seed stands for do


@functools.cache
def _implementation() -> str:
    """The kind of keys that generators hold the numbers of: JAX's default when the first was made."""
    return jax.config.values["jax_default_prng_impl"]


@functools.cache
def _size() -> int:
    return jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0, impl=_implementation()))).shape[0]
