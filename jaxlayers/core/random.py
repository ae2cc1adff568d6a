"""The keys of random draws.

A `SeedGenerator` is a variable that holds (seed, number of draws so far). Draws without a generator, and all draws
inside `apply` with a key, use the *stream* of the innermost scope instead. A stream starts from the state of the global
generator as the scope reads it (in `apply`, the `rng` argument), and its first draw advances that state. Each draw
folds in one number, made from the path of the draw and its number there. So a draw depends on the start, the path and
the number alone, and the state that loops and branches carry is one small array.
"""

from __future__ import annotations

import functools
import random as python_random
import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common import keys
from jaxlayers.common.own_variables import OwnVariables
from jaxlayers.common.settings import auto_name
from jaxlayers.core import making, scope, tracking
from jaxlayers.core.protocols import Role
from jaxlayers.core.variable import Variable

_ADVANCE = np.uint32(0x9E3779B9)  # folded into a start to get the next one
_NEXT_DRAW = 0x85EBCA6B  # added to the hash of a path for each draw there; odd, so that no two draws are the same
_AFTER_VMAP = np.uint32(0xC2B2AE35)  # likewise, after a vmap
_eager_draws = threading.RLock()  # held while a draw outside of every scope reads and advances a state


class SeedGenerator(OwnVariables, tracking.Tracked):
    """A source of random keys, which hands out a new one each time.

    Args:
        seed: an integer; a generator made from the same one hands out the same keys. By default the seed is made like
            a weight, from the global seed and the path; then `apply`, which is a function of its arguments, must be
            given a key. A generator that is made in a call without a seed has no state of its own: it draws as the
            functions of `jaxlayers.random` without a generator do.
        name: a name without slashes; by default one is made up.

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
        self._has_stream_keys = seed is None and scope.is_running()  # such as in a Dropout that `call` makes
        start = _FreshSeed() if seed is None else np.array([int(seed) & 0xFFFFFFFF, 0], "uint32")
        self.state = Variable(start, (2,), "uint32", trainable=False, name="seed_generator_state", role=Role.SEED)

    def next(self, ordered: bool = True) -> jax.Array:
        """Return the next key: for the functions of `jax.random`, or as `seed` for those of jaxlayers.

        Raises:
            ValueError: inside `apply` without a key, for a generator without a seed.
        """
        inner = scope.current()
        if inner is None:
            with _eager_draws:
                return self._advance()
        if inner.keys.generators == "stream" or self._has_stream_keys:
            return _stream_key(inner, self)
        if inner.keys.generators == "seeded" and self._initial_seed is None:
            raise no_key(inner)
        return _fold_in_axes(self._advance(), inner)

    def _advance(self) -> jax.Array:
        key, advanced = _seeded_key(scope.read(self.state))
        scope.write(self.state, advanced)
        return key

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again, as plain data."""
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """Create the generator from a config, as `get_config()` returns it."""
        return cls(**config)


class _FreshSeed:
    """The initializer of a generator without a seed: a seed from the key that weights are made from."""

    def __call__(self, shape: Any, dtype: Any) -> jax.Array:
        return _fresh_seed(draw_key())

    def pure(self, key: Any, shape: Any, dtype: Any) -> jax.Array:
        return _fresh_seed(key())


@jax.jit
def _fresh_seed(key: Any) -> jax.Array:
    return jnp.zeros(2, "uint32").at[0].set(jax.random.key_data(key)[0])


def draw_key(seed: Any = None) -> jax.Array:
    """Return the key that a `seed` argument stands for: None, an integer, a `SeedGenerator` or a key of JAX."""
    if seed is None:
        inner = scope.current()
        return _eager_key() if inner is None else _stream_key(inner, None)
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


def _eager_key() -> jax.Array:
    state = global_generator().state
    with _eager_draws:
        key, advanced = _first_key(scope.read(state))
        scope.write(state, advanced)
    return key


def _stream_key(inner: scope.Scope, generator: SeedGenerator | None) -> jax.Array:
    """Return the next key of the stream of a scope, for a generator or for the layer being called."""
    stream, state = inner.keys, global_generator().state
    if not stream.available:
        raise no_key(inner)
    if stream.start is None:
        stream.start = inner.values.read(state)
        inner.values.write(state, _advanced(stream.start))
    elif scope.current_trace() != inner.values.trace:
        scope.refuse_write(state)
    path = _draw_path(inner, generator)
    place = (int(scope.path_hash(path)) + stream.next_number(path) * _NEXT_DRAW) & 0xFFFFFFFF
    return _fold_in_axes(_derived_key(stream.start, np.uint32(place)), inner)


def _draw_path(inner: scope.Scope, generator: SeedGenerator | None) -> str:
    call = inner.call
    if call is None:
        return ""
    while call.outer is not None and call.root._find_path(call.layer) is None:  # type: ignore[attr-defined]
        call = call.outer  # a layer that `call` has made: its name is another one in each call
    path = None if generator is None else call.root._find_path(generator)  # type: ignore[attr-defined]
    return "/".join(call.root._path_of(call.layer) if path is None else path)


def _fold_in_axes(key: jax.Array, inner: scope.Scope) -> jax.Array:
    """Fold in the indices along the mapped axes: each example of a `jl.vmap`, or device of a step, has its own key."""
    for axis in inner.keys.axes:
        key = jax.random.fold_in(key, jax.lax.axis_index(axis))
    return key


def no_key(inner: scope.Scope) -> ValueError:
    """The error of a draw inside `apply` without a key."""
    return ValueError(
        f"{inner.place()!r} needs a random key, but apply() was given no key. Pass rng=jax.random.key(...), or "
        "training=False."
    )


@jax.jit
def _seeded_key(state: Any) -> Any:
    return jax.random.fold_in(jax.random.key(state[0]), state[1]), state.at[1].add(1)


@jax.jit
def _advanced(start: Any) -> Any:
    return keys.like(start, jax.random.fold_in(keys.as_key(start), _ADVANCE))


@jax.jit
def state_after_vmap(start: Any) -> Any:
    """The state of the global generator after a `vmap` in which some examples may have drawn."""
    return keys.like(start, jax.random.fold_in(keys.as_key(start), _AFTER_VMAP))


@jax.jit
def _derived_key(start: Any, place: Any) -> Any:
    return jax.random.fold_in(keys.as_key(start), place)


@jax.jit
def _first_key(start: Any) -> Any:
    return _derived_key(start, 0), _advanced(start)


@functools.cache
def global_generator() -> _GlobalGenerator:
    """The generator that draws without a seed start from."""
    return _GlobalGenerator()


class _GlobalGenerator:
    """The source of the keys of draws outside of `apply`."""

    def __init__(self) -> None:
        seed = python_random.randint(1, 2**31 - 1)
        self.state = Variable(_start(seed), trainable=False, name="global_generator", role=Role.STREAM)


def _start(seed: int) -> np.ndarray:
    return keys.from_text(b"%d stream" % seed)


def set_global_seed(seed: int) -> None:
    """Restart the global generator and the keys of builds from a seed.

    Raises:
        RuntimeError: inside a layer's call or a transformation.
    """
    if scope.current() is not None:
        raise RuntimeError("The global seed cannot be set inside a layer's call or a transformation.")
    making.builds.start(seed)
    global_generator().state.store(jax.device_put(_start(seed)))
