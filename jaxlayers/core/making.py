"""The initial arrays of variables: all arrays of a build are made together, with few compilations.

An array depends on a key and on the path of its variable alone. There are three kinds of initializers. One that has a
method `pure` is given the key; JAX compiles it once for each distinct shape and dtype. One that has a
`constant_value` needs no compilation. Any other callable is called in a scope whose draws start from the key; if its
first parameter is named `key`, as in `jax.nn.initializers`, it is called with `(key, shape, dtype)`.
"""

from __future__ import annotations

import functools
import itertools
import random as python_random
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common import jax_extend, keys, placement
from jaxlayers.common.array_like import unwrap
from jaxlayers.common.signatures import takes_dtype, takes_key
from jaxlayers.core import scope
from jaxlayers.core.protocols import VariableLike
from jaxlayers.core.scope import Scope
from jaxlayers.core.values import refuse_write


class Origin:
    """The source of the initial arrays of one build: a key, made when it is first needed, and the paths."""

    __slots__ = ("_key", "_paths")

    def __init__(self, paths: dict[int, str]):
        self._paths = paths  # by the identity of the variable: to hold the variables would close a cycle
        self._key: bytes | None = None

    def key_of(self, variable: VariableLike) -> np.ndarray:
        """The key that the array of a variable is made from."""
        if self._key is None:
            self._key = builds.next()
        return keys.from_text(self._key + b" " + self._paths[id(variable)].encode())


class Start:
    """The initializer of a variable that was made from an array: that array."""

    def __init__(self, value: Any):
        self.value = value

    def __call__(self, shape: tuple[int, ...], dtype: str) -> Any:
        return self.value


class Builds:
    """The source of the keys of builds: the global seed, and the number of the build."""

    def __init__(self) -> None:
        self.start(python_random.randint(1, 2**31 - 1))

    def start(self, seed: int) -> None:
        """Begin again from a seed."""
        self._seed, self._numbers = seed, itertools.count()

    def next(self) -> bytes:
        """Return the text that the key of the next build is made from."""
        return b"%d build %d" % (self._seed, next(self._numbers))


builds = Builds()


def claim(root: Any) -> None:
    """Set the origin of every variable below an object that has no array yet to a new build."""
    unclaimed = [(path, v) for path, v in root._tracked_walk.entries if v._value is None and v.origin is None]
    origin = Origin({id(variable): "/".join(path) for path, variable in unclaimed})
    for _, variable in unclaimed:
        variable.origin = origin


def make(variables: Iterable[Any]) -> None:
    """Make the array of every variable that has none: all of them, or none after an error. Never traced."""
    arrays: dict[Any, Any] = {}
    new = [variable for variable in dict.fromkeys(variables) if variable._value is None]
    placement.settle(new)
    with jax.core.eval_context():
        for variable in new:
            if variable.origin is None and variable.owner is not None:
                claim(variable.owner._outermost_owner())
            origin = variable.origin or Origin({id(variable): variable.name})
            key, compute = functools.partial(origin.key_of, variable), functools.partial(_own_value, variable)
            arrays[variable] = placement.make(variable, key, compute)
    for variable, value in arrays.items():
        variable._value, variable.origin = value, None


def initial_value(variable: Any, key: Any, path: str) -> jax.Array:
    """Return the initial array of a variable at a path, from a key; may be traced."""
    return _value(variable, lambda: keys.derive(key, scope.path_hash(path)), "stream")


def _own_value(variable: Any, key: Callable[[], Any]) -> jax.Array:
    return _value(variable, key, "own")


def _value(variable: Any, key: Callable[[], Any], generators: scope.Generators) -> jax.Array:
    initializer, shape, dtype = variable.initializer, variable.shape, variable.dtype
    constant, sample = getattr(initializer, "constant_value", None), getattr(initializer, "pure", None)
    if constant is not None:
        if scope.current_trace() != jax_extend.NO_TRACE:
            return jnp.full(shape, constant, dtype)
        return jax.device_put(np.full(shape, constant, jnp.dtype(dtype)))  # nothing to compile
    if sample is not None:
        value = sample(lambda: keys.as_key(key()), shape, dtype)
    elif isinstance(initializer, Start):
        value = initializer.value
    elif takes_key(initializer):
        value = initializer(keys.as_key(key()), shape, jnp.dtype(dtype))
    else:
        value = _call(initializer, shape, dtype, Scope.initializing(key(), generators))
    if np.shape(value) != shape:
        raise ValueError(
            f"The initializer of {variable.path!r} was asked for shape {shape} and returned {np.shape(value)}."
        )
    # Copy an array that the initializer may still hold: the array of a variable may be donated.
    return jnp.asarray(value, dtype) if sample is not None else jnp.array(value, dtype)


def _call(initializer: Any, shape: tuple[int, ...], dtype: str, inside: Scope) -> Any:
    """Call an initializer that is an arbitrary callable, in a scope whose draws start from a key."""
    with inside:
        value = unwrap(initializer(shape, dtype=dtype) if takes_dtype(initializer) else initializer(shape))
    for variable in inside.values.written:  # the initializer has a seed generator, whose state advances
        if isinstance(array := inside.values.arrays[variable], jax.core.Tracer):
            refuse_write(variable)  # the tracer would outlive its trace
        variable.store(array)
    return value
