"""The two forms of a random key: typed, as users pass it, or as an array of integers, as generators hold it."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def as_key(state: Any) -> jax.Array:
    """Return a key in its typed form."""
    if is_typed(state):
        return state
    has_our_size = state.shape[-1:] == (_size(),)
    return jax.random.wrap_key_data(state, impl=_implementation() if has_our_size else None)


def is_typed(state: Any) -> bool:
    """True if a key is a typed one."""
    return jnp.issubdtype(state.dtype, jax.dtypes.prng_key)


def like(state: Any, key: jax.Array) -> jax.Array:
    """Return a key in the form of `state`: typed, or as integers, which compiled calls accept faster."""
    return key if is_typed(state) else jax.random.key_data(key)


@jax.jit
def derive(key: Any, number: Any) -> Any:
    """Return the key for a number, from another key."""
    return like(key, jax.random.fold_in(as_key(key), number))


def from_text(text: bytes) -> np.ndarray:
    """Return the integers of a key made from a text, without any compilation."""
    digest = hashlib.blake2b(text, digest_size=4 * _size(), person=_DERIVATION).digest()
    return np.frombuffer(digest, "uint32")


_DERIVATION = b"jaxlayers 2"  # must change whenever the arrays made from a seed change


@functools.cache
def _implementation() -> str:
    """The implementation of the keys that generators hold: JAX's default when the first was made."""
    return jax.config.values["jax_default_prng_impl"]


@functools.cache
def _size() -> int:
    return jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0, impl=_implementation()))).shape[0]
