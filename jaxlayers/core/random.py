"""Keys: who hands them out, and what they depend on.

A `SeedGenerator` is a variable holding (seed, number of draws so far). Inside `apply` with a key, and for draws that
name no generator, there is the *stream* of the innermost scope instead: its start is the state of the global generator
as that scope finds it (in `apply`, the `rng` argument), which the first draw advances; each draw folds in the path it
is made at and its number there. So a draw depends on the start, the path and the number alone; and the state that
loops and branches carry is one small array.
"""

from __future__ import annotations

import functools
import random as python_random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import auto_name
from jaxlayers.core import keys, making, scope, tracking
from jaxlayers.core.variable import Variable

_ADVANCE = np.uint32(0x9E3779B9)  # folded in once to get the next start; a draw folds in twice
_LEFT = np.uint32(0xC2B2AE35)  # likewise, after a vmap


class SeedGenerator(tracking.Tracked):
    """Hands out a new key each time, and remembers how many.

    Args:
        seed: an integer; with it, the draws repeat whenever it is made again. Without one, the seed is made like a
            weight, from the global seed and the path; and inside `apply`, which is a function of its arguments, a
            key must be given.
        name: a name without slashes.

    Example:
        >>> generator = SeedGenerator(7)
        >>> first, second = generator.next(), generator.next()
        >>> bool((first == second).all())
        False
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any):
        if kwargs:
            raise TypeError(f"SeedGenerator takes seed and name; received {', '.join(kwargs)} as well.")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer)):
            raise ValueError(f"seed must be an integer or None; received {seed!r}.")
        self.name = name or auto_name("seed_generator")
        self._initial_seed = seed
        start = _FreshSeed() if seed is None else np.array([int(seed) & 0xFFFFFFFF, 0], "uint32")
        self.state = Variable(start, (2,), "uint32", trainable=False, name="seed_generator_state", role="seed")

    def next(self, ordered: bool = True) -> jax.Array:
        """The next key: for `jax.random`'s functions, or as `seed` for jaxlayers' own.

        Raises:
            ValueError: inside `apply` without a key, when there is no seed either.
        """
        inner = scope.current()
        if inner is not None and inner.random_stream is not None:
            if inner.random_stream:
                return _stream_key(inner, self)
            if self._initial_seed is None:
                raise ValueError(scope.no_key(inner))
        with making.lock:
            key, advanced = _seeded_key(scope.read(self.state))
            scope.write(self.state, advanced)
        return _by_lane(inner, key)

    def get_config(self) -> dict[str, Any]:
        """What makes it again."""
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """The generator that `get_config()` describes."""
        return cls(**config)


class _FreshSeed:
    """Initializer of a generator that was given no seed: a seed from the key that weights are made from."""

    def __call__(self, shape: Any, dtype: Any) -> jax.Array:
        return _fresh_seed(draw_key())

    def pure(self, key: Any, shape: Any, dtype: Any) -> jax.Array:
        return _fresh_seed(key())


@jax.jit
def _fresh_seed(key: Any) -> jax.Array:
    return jnp.zeros(2, "uint32").at[0].set(jax.random.key_data(key)[0])


def draw_key(seed: Any = None) -> jax.Array:
    """The key behind a `seed` argument: None, an integer, a `SeedGenerator` or a key of JAX's."""
    if seed is None:
        return _stream_key(scope.current(), None)
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        if not -(2**31) <= seed < 2**32:
            raise ValueError(f"seed must fit into 32 bits; received {seed}.")
        return jax.random.key(np.uint32(int(seed) & 0xFFFFFFFF))
    if isinstance(seed, jax.Array):
        return (
            keys.as_key(seed) if seed.ndim or jnp.issubdtype(seed.dtype, jax.dtypes.prng_key) else jax.random.key(seed)
        )
    raise ValueError(f"seed must be None, an integer, a SeedGenerator or a JAX key; received {seed!r}.")


def _stream_key(inner: scope.Scope | None, generator: SeedGenerator | None) -> jax.Array:
    state = global_generator().state
    if inner is None:
        with making.lock:
            key, advanced = _first_key(scope.read(state))
            scope.write(state, advanced)
        return key
    if inner.key_base is None:
        start = inner.read(state)
        inner.write(state, _advanced(start))
        inner.key_base = start
    elif inner.readonly or scope.current_trace() != inner.trace:
        scope.refuse(state)
    name = _draw_path(inner, generator)
    return _by_lane(inner, _numbered_key(inner.key_base, scope.path_hash(name), inner.draw_number(name)))


def _draw_path(inner: scope.Scope, generator: SeedGenerator | None) -> str:
    frame = inner.frame
    if frame is None:
        return ""
    found = None if generator is None else frame.root._find_path(generator)
    return "/".join(frame.root._path_of(frame.layer) if found is None else found)


def _by_lane(inner: scope.Scope | None, key: jax.Array) -> jax.Array:
    """Under `jl.vmap` each example has a key of its own, and so has each device of a step for many."""
    while inner is not None:
        if inner.axis_name is not None:
            key = jax.random.fold_in(key, jax.lax.axis_index(inner.axis_name))
        inner = None if inner.isolated else inner.parent
    return key


@jax.jit
def _seeded_key(state: Any) -> Any:
    return jax.random.fold_in(jax.random.key(state[0]), state[1]), state.at[1].add(1)


@jax.jit
def _advanced(start: Any) -> Any:
    return keys.like(start, jax.random.fold_in(keys.as_key(start), _ADVANCE))


@jax.jit
def left_behind(start: Any) -> Any:
    """What the global generator holds after a `vmap` in which examples may have drawn or not."""
    return keys.like(start, jax.random.fold_in(keys.as_key(start), _LEFT))


@jax.jit
def _numbered_key(start: Any, path: Any, number: Any) -> Any:
    return jax.random.fold_in(jax.random.fold_in(keys.as_key(start), path), number)


@jax.jit
def _first_key(start: Any) -> Any:
    return _numbered_key(start, 0, 0), _advanced(start)


@functools.cache
def global_generator() -> _GlobalGenerator:
    """Where keys come from when nothing else says."""
    return _GlobalGenerator()


class _GlobalGenerator:
    """The stream of draws made outside of `apply`."""

    def __init__(self) -> None:
        seed = python_random.randint(1, 2**31 - 1)
        self.state = Variable(_start(seed), trainable=False, name="global_generator", role="generator")


def _start(seed: int) -> np.ndarray:
    return keys.from_text(b"%d stream" % seed)


def set_global_seed(seed: int) -> None:
    """Start the global generator again from a seed."""
    if scope.current() is not None:
        raise RuntimeError("The global seed cannot be set inside a layer's call or a transformation.")
    making.builds.start(seed)
    global_generator().state.store(jax.device_put(_start(seed)))
