"""Keys: who hands them out, and what they depend on.

A `SeedGenerator` with a seed is a variable holding (seed, number of draws so far). A draw without a seed uses the
*stream* of the innermost scope: its start is the state of the global generator as that scope finds it (in `apply`, the
`rng` argument), which the first draw advances; each draw after that folds in the path it is made at and its number
there. So a draw depends on the start, the path and the number alone; and the state that loops and branches carry is
one small array.
"""

from __future__ import annotations

import functools
import itertools
import random as python_random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import scope, tracking
from jaxlayers.core.settings import auto_name
from jaxlayers.core.variable import Variable

_ADVANCE = np.uint32(0x9E3779B9)  # folded in once to get the next start; a draw folds in twice
_BUILDS = np.uint32(0x85EBCA6B)  # folded in before the number of a build


def as_key(state: Any) -> jax.Array:
    """A typed key from what a generator holds."""
    if jnp.issubdtype(state.dtype, jax.dtypes.prng_key):
        return state
    return jax.random.wrap_key_data(state)


def raw(key: jax.Array) -> jax.Array:
    """The numbers of a key: what generators hold, since typed keys slow compiled calls down."""
    return jax.random.key_data(key)


def like(state: Any, key: jax.Array) -> jax.Array:
    """A key in the form that `state` has: typed, or its numbers."""
    return key if jnp.issubdtype(state.dtype, jax.dtypes.prng_key) else raw(key)


class SeedGenerator(tracking.Tracked):
    """Hands out a new key each time, and remembers how many.

    Args:
        seed: an integer; with it, the draws repeat whenever it is made again. Without one there is no state here:
            the keys come from `rng` inside `apply`, and from the global generator elsewhere.
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
        self.state: Variable | None = None
        if seed is not None:
            start = np.array([int(seed) & 0xFFFFFFFF, 0], "uint32")
            self.state = Variable(
                lambda shape, dtype: start, (2,), "uint32", trainable=False, name="seed_generator_state", role="seed"
            )

    def next(self, ordered: bool = True) -> jax.Array:
        """The next key: for `jax.random`'s functions, or as `seed` for jaxlayers' own."""
        inner = scope.current()
        if self.state is None or (inner is not None and inner.random_stream):
            return _stream_key(inner, self)
        key, advanced = _seeded_key(scope.read(self.state))
        scope.write(self.state, advanced)
        return _by_lane(inner, key)

    def get_config(self) -> dict[str, Any]:
        """What makes it again."""
        return {"seed": self._initial_seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """The generator that `get_config()` describes."""
        return cls(**config)


def draw_key(seed: Any = None) -> jax.Array:
    """The key behind a `seed` argument: None, an integer, a `SeedGenerator` or a key of JAX's."""
    if seed is None:
        return _stream_key(scope.current(), None)
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        return jax.random.key(seed)
    if isinstance(seed, jax.Array):
        return as_key(seed) if seed.ndim or jnp.issubdtype(seed.dtype, jax.dtypes.prng_key) else jax.random.key(seed)
    raise ValueError(f"seed must be None, an integer, a SeedGenerator or a JAX key; received {seed!r}.")


def _stream_key(inner: scope.Scope | None, generator: SeedGenerator | None) -> jax.Array:
    state = global_generator().state
    if inner is None:
        start = scope.read(state)
        key, advanced = _first_key(start)
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
    found = None if generator is None else frame.root.find_path(generator)
    return "/".join(frame.root.path_of(frame.layer) if found is None else found)


def _by_lane(inner: scope.Scope | None, key: jax.Array) -> jax.Array:
    """Under `jl.vmap`, each example has a key of its own."""
    while inner is not None and not inner.isolated:
        if inner.axis_name is not None:
            key = jax.random.fold_in(key, jax.lax.axis_index(inner.axis_name))
        inner = inner.parent
    return key


@jax.jit
def _seeded_key(state: Any) -> Any:
    return jax.random.fold_in(jax.random.key(state[0]), state[1]), state.at[1].add(1)


@jax.jit
def _advanced(start: Any) -> Any:
    return like(start, jax.random.fold_in(as_key(start), _ADVANCE))


@jax.jit
def _numbered_key(start: Any, path: Any, number: Any) -> Any:
    return jax.random.fold_in(jax.random.fold_in(as_key(start), path), number)


@jax.jit
def _first_key(start: Any) -> Any:
    return _numbered_key(start, 0, 0), _advanced(start)


@functools.cache
def global_generator() -> _GlobalGenerator:
    """Where keys come from when nothing else says."""
    return _GlobalGenerator()


class _GlobalGenerator:
    """The stream of draws made outside of `apply`, and, apart from it, the keys that builds of layers start from."""

    def __init__(self) -> None:
        self.state = Variable(np.zeros(2, "uint32"), trainable=False, name="global_generator", role="generator")
        self.start(python_random.randint(1, 2**31 - 1))

    def start(self, seed: int) -> None:
        with jax.ensure_compile_time_eval():
            self._key = jax.random.key(seed)
            start = raw(self._key)
        self._builds = itertools.count(1)
        self.state.shape, self.state.dtype = start.shape, str(start.dtype)
        self.state.store(start)

    def build_key(self) -> jax.Array:
        return raw(_numbered_key(self._key, _BUILDS, next(self._builds)))


def set_global_seed(seed: int) -> None:
    """Start the global generator again from a seed."""
    if scope.current() is not None:
        raise RuntimeError("The global seed cannot be set inside a layer's call or a transformation.")
    global_generator().start(seed)
