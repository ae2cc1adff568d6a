"""How variables get their arrays: many at once, with few compilations.

An array depends on a key and on the path of its variable alone. An initializer that says it is `pure` is handed the
key; what it compiles, for each distinct shape and dtype, is cached for the process by JAX. Any other initializer may do
anything, so it is called as it is, in a scope whose draws come from the key. Constants need no compilation at all.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import random as python_random
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import keys, scope

if TYPE_CHECKING:
    from jaxlayers.core.variable import Variable


class Origin:
    """One build of a layer: what its keys are made from, once the first is needed, and the paths they are for."""

    __slots__ = ("key", "paths")

    def __init__(self, paths: dict[Variable, str]):
        self.paths = paths
        self.key: bytes | None = None

    def key_of(self, variable: Variable) -> np.ndarray:
        if self.key is None:
            self.key = builds.next()
        return keys.from_text(self.key + b" " + self.paths[variable].encode())


class Start:
    """The initializer of a variable that was made from an array: that array."""

    def __init__(self, value: Any):
        self.value = value

    def __call__(self, shape: tuple[int, ...], dtype: str) -> Any:
        return self.value


lock = threading.RLock()  # held while a compiled step has the arrays of variables
BUSY = object()  # stands in a variable meanwhile


def patience() -> float:
    """How many seconds to wait for it to go; without an end when negative.

    A step may be compiled first, so a thread waits. But what runs on a thread that Python did not start may be a
    callback of the very step, which would wait for itself.
    """
    return 10.0 if threading.current_thread().name.startswith("Dummy-") else -1.0


class Lost:
    """Stands in a variable for an array that a failed step took along."""

    __slots__ = ("step",)

    def __init__(self, step: str):
        self.step = step

    def message(self, path: str) -> str:
        return (
            f"{path!r} was lost: the compiled step {self.step!r} failed while it was running, after its inputs had "
            "been donated. Assign its value again (load a checkpoint, or set params, state or weights you kept), or "
            "compile with jl.jit(donate=False), which never loses anything but needs memory for both copies."
        )


class Builds:
    """Where the keys of builds come from: a seed, and the number of the build."""

    def __init__(self) -> None:
        self.start(python_random.randint(1, 2**31 - 1))

    def start(self, seed: int) -> None:
        self._seed, self._numbers = seed, itertools.count()

    def next(self) -> bytes:
        return b"%d build %d" % (self._seed, next(self._numbers))


builds = Builds()


NO_ARRAY = frozenset([type(None), object, Lost])  # what may stand in a variable in the place of an array


def claim(root: Any) -> None:
    """Say of every variable without an array that this build is where its key and path come from."""
    paths = {v: "/".join(path) for path, v, _ in root._walk.variables if v._value is None and v.origin is None}
    origin = Origin(paths)
    for variable in paths:
        variable.origin = origin


def make(variables: Iterable[Variable]) -> None:
    """Give every variable that has none its array, outside of whatever is being traced."""
    made: dict[Variable, Any] = {}
    with jax.core.eval_context():
        for variable in variables:
            if variable._value is not None or variable in made:
                continue
            if variable.origin is None and variable.owner is not None:
                claim(variable.owner._outermost())
            origin = variable.origin or Origin({variable: variable.name})
            value = _value(variable, functools.partial(origin.key_of, variable), in_stream=False)
            made[variable] = value if variable.sharding is None else jax.device_put(value, variable.sharding)
    for variable, value in made.items():  # all or none
        variable._value, variable.origin = value, None


def initial_value(variable: Variable, key: Any, path: str) -> jax.Array:
    """The array of a variable at a path, from a key; may be traced."""
    return _value(variable, lambda: _derive(key, scope.path_hash(path)), in_stream=True)


def _value(variable: Variable, key: Callable[[], Any], in_stream: bool) -> jax.Array:
    initializer, shape, dtype = variable.initializer, variable.shape, variable.dtype
    constant, sample = getattr(initializer, "constant_value", None), getattr(initializer, "pure", None)
    if constant is not None:
        if scope.current_trace() != scope.trace_of(None):
            return jnp.full(shape, constant, dtype)
        return jax.device_put(np.full(shape, constant, jnp.dtype(dtype)))  # nothing to compile
    if sample is not None:
        value = sample(lambda: keys.as_key(key()), shape, dtype)
    elif isinstance(initializer, Start):
        value = initializer.value
    else:
        value = _call(initializer, shape, dtype, key(), in_stream)
    if np.shape(value) != shape:
        raise ValueError(
            f"The initializer of {variable.path!r} was asked for shape {shape} and returned {np.shape(value)}."
        )
    # A copy, which nobody else holds: what is handed out may be donated.
    return jnp.asarray(value, dtype) if sample is not None else jnp.array(value, dtype)


def _call(initializer: Any, shape: tuple[int, ...], dtype: str, key: Any, in_stream: bool) -> Any:
    """Call an initializer of which nothing is known; its draws without a seed come from the key."""
    with scope.Scope() as inner:
        inner.frame = None  # whoever is being called, the draws are the same
        inner.key_base, inner.random_stream = key, in_stream or None
        value = scope.unwrap(initializer(shape, dtype=dtype) if _takes_dtype(initializer) else initializer(shape))
    for variable in inner.written:  # a seeded generator of the initializer's own goes on
        variable.store(inner.values[variable])
    return value


def _takes_dtype(initializer: Any) -> bool:
    code = getattr(initializer, "__code__", None)
    if code is None:
        return True
    named = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return "dtype" in named or bool(code.co_flags & inspect.CO_VARKEYWORDS)


@jax.jit
def _derive(key: Any, number: Any) -> Any:
    return keys.like(key, jax.random.fold_in(keys.as_key(key), number))


steps: weakref.WeakSet[Any] = weakref.WeakSet()  # the plans of compiled functions, to find the one to blame


def mark_lost(variables: Iterable[Variable], step: str | None = None) -> None:
    """After a failure on the device: put a note in the place of every array that went down with it."""
    for variable in variables:
        value = variable._value
        if isinstance(value, jax.Array):
            try:
                value.block_until_ready()
            except (RuntimeError, ValueError):  # deleted, or the result of what failed
                writers = [plan.name for plan in steps if any(v is variable for v in plan.variables[0])]
                variable._value = Lost(step or (writers[0] if writers else "a compiled step"))
                variable._exclusive = False
