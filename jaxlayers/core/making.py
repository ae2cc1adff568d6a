"""How variables get their arrays: many at once, with few compilations.

An array depends on a key and on the path of its variable alone. What the library's own initializers compute is
compiled once for each distinct (initializer, shape, dtype), and cached for the process; an initializer of the user's
own may do anything, so it is called as it is. Constants need no compilation at all.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import scope

if TYPE_CHECKING:
    from jaxlayers.core.variable import Variable


class Origin:
    """One build of a layer: a key, drawn when the first of its arrays is made, and the paths it is used with."""

    __slots__ = ("key", "paths")

    def __init__(self, paths: dict[Variable, str], key: Any = None):
        self.paths, self.key = paths, key


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


def make(variables: Iterable[Variable]) -> None:
    """Give every variable that has none its array, outside of whatever is being traced."""
    from jaxlayers.core import random

    with jax.ensure_compile_time_eval():
        for variable in variables:
            if variable._value is not None:
                continue
            origin = variable.origin
            if origin is None:
                origin = variable.origin = Origin({variable: variable.name})
            if origin.key is None and variable.role is None:
                origin.key = random.global_generator().build_key()
            value = initial_value(variable, origin.key, origin.paths[variable])
            variable._value = value if variable.sharding is None else jax.device_put(value, variable.sharding)
            variable.origin = None


def initial_value(variable: Variable, key: Any, path: str) -> jax.Array:
    """The array of a variable at a path, from a key; may be traced."""
    initializer, shape, dtype = variable.initializer, variable.shape, variable.dtype
    constant = getattr(initializer, "constant_value", None)
    if constant is not None:
        return jax.device_put(np.full(shape, constant, jnp.dtype(dtype)))
    if initializer is None:
        return variable.make()
    signature = _signature(initializer)
    if signature is not None:
        value = _compiled(signature, shape, dtype, _Holder(initializer))(_derive(key, scope.path_hash(path)))
    else:
        value = _run(initializer, shape, dtype, None if key is None else _derive(key, scope.path_hash(path)))
    if np.shape(value) != shape:
        raise ValueError(
            f"The initializer of {variable.path!r} was asked for shape {shape} and returned {np.shape(value)}."
        )
    return jnp.asarray(value, dtype)


def _signature(initializer: Any) -> Any:
    """What two initializers that compute the same thing have in common, or None where that cannot be told."""
    if not getattr(type(initializer), "__dict__", {}).get("compiled_once", False):
        return None
    config = initializer.get_config()
    try:
        hash(signature := (type(initializer), *sorted(config.items())))
    except TypeError:
        return None
    return signature


class _Holder:
    """Carries an initializer past a cache that must not look at it."""

    def __init__(self, initializer: Any):
        self.initializer = initializer

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Holder)

    def __hash__(self) -> int:
        return 0


@functools.lru_cache(maxsize=1024)
def _compiled(signature: Any, shape: tuple[int, ...], dtype: str, holder: _Holder) -> Any:
    return jax.jit(lambda key: jnp.asarray(_run(holder.initializer, shape, dtype, key), dtype))


def _run(initializer: Any, shape: tuple[int, ...], dtype: str, key: Any) -> Any:
    from jaxlayers.core import random

    values = {} if key is None else {random.global_generator().state: key}
    with scope.Scope(values) as inner:
        inner.random_stream = key is not None
        return scope.unwrap(initializer(shape, dtype=dtype) if _takes_dtype(initializer) else initializer(shape))


@functools.lru_cache(maxsize=1024)
def _takes_dtype_of(code: Any) -> bool:
    return "dtype" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] or bool(code.co_flags & 0x08)


def _takes_dtype(initializer: Any) -> bool:
    code = getattr(initializer, "__code__", None)
    return True if code is None else _takes_dtype_of(code)


@jax.jit
def _derive(key: Any, number: Any) -> Any:
    from jaxlayers.core import random

    return random.like(key, jax.random.fold_in(random.as_key(key), number))


steps: weakref.WeakSet[Any] = weakref.WeakSet()  # the compiled functions that write variables, to name the one to blame


def mark_lost(variables: Iterable[Variable]) -> None:
    """After a failure on the device: put a note in the place of every array that went down with it."""
    for variable in variables:
        value = variable._value
        if isinstance(value, jax.Array):
            try:
                value.block_until_ready()
            except (RuntimeError, ValueError):  # deleted, or the result of what failed
                writers = [step.name for step in steps if variable in step.variables[0]]
                variable._value = Lost(writers[0] if writers else "a compiled step")
