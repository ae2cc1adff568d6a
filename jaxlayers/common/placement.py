"""The distribution in use, which decides on which devices the arrays of variables and batches lie.

The kernel and the training loops ask here; `jaxlayers.distribution` sets the distribution. A variable is *settled* when
its array lies where the distribution wants it. A variable with a sharding of its user's (`is_pinned`) is never moved.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import jax
import numpy as np
from jax.sharding import Sharding

from jaxlayers.common import changes, jax_extend, keys


class Distribution(Protocol):
    """A distribution, as the kernel and the training loops see it."""

    spans_processes: bool
    is_simulated: bool

    def shardings_of(self, variables: Sequence[Any]) -> list[Sharding]:
        """Return the sharding of each variable; raise an error if one cannot be had, before anything is placed."""

    def place_batch(self, batch: Any, leading: int = 0) -> Any:
        """Return a batch with its arrays on the devices; `leading` axes come before that of the samples."""

    def joiner(self) -> Any:
        """Return the object that joins the parts of batches; None if each process has the whole batches."""

    def check_batch_size(self, samples: int) -> None:
        """Warn if the devices do not divide a number of samples."""

    def lay_out(self, layer: Any, outputs: Any) -> Any:
        """Return the outputs of a layer in the layout that they have."""

    def check_model(self, model: Any) -> None:
        """Raise an error if the distribution does not fit a built model."""


_current: Distribution | None = None


def current() -> Distribution | None:
    """The distribution in use; None for none."""
    return _current


def spans_processes() -> bool:
    """True if the distribution in use has devices of several processes, which then take the same steps together."""
    return _current is not None and _current.spans_processes


def is_simulated() -> bool:
    """True if the distribution in use has several CPU devices of this process.

    They share its few threads. Two programs that wait for each other's threads in a collective would never end, so that
    a program has to end before the next begins.
    """
    return _current is not None and _current.is_simulated


def set_current(distribution: Distribution | None) -> None:
    """Set the distribution. Variables are moved when they are used next in a compiled function."""
    global _current
    if distribution is not _current:
        _current = distribution
        changes.note()


def check_batch_size(batch: Any, leading: int = 0) -> None:
    """Warn if the devices do not divide the samples of a batch, when a distribution is in use."""
    leaves = jax.tree.leaves(batch)
    if _current is not None and leaves and np.ndim(leaves[0]) > leading:
        _current.check_batch_size(np.shape(leaves[0])[leading])


def place_batch(batch: Any, leading: int = 0) -> Any:
    """Return a batch, on the devices if a distribution is in use; `leading` axes come before that of the samples."""
    return batch if _current is None else _current.place_batch(batch, leading)


def joiner() -> Any:
    """Return the object that joins the parts of each batch that the processes have; None if they have it whole."""
    return None if _current is None else _current.joiner()


def place_alone(batch: Any) -> tuple[Any, slice | None]:
    """Return a single batch, placed, and the place of the samples of this process in it; None for all of them."""
    joining = joiner()
    return (place_batch(batch), None) if joining is None else joining.join(batch)


def lay_out(layer: Any, outputs: Any) -> Any:
    """Return the outputs of a layer, in the layout that the distribution in use has for them."""
    return outputs if _current is None else _current.lay_out(layer, outputs)


def check_model(model: Any) -> None:
    """Raise an error if the distribution in use does not fit a built model."""
    if _current is not None:
        _current.check_model(model)


def settle(variables: Iterable[Any]) -> None:
    """Move the arrays of variables to where the distribution in use wants them; set their shardings.

    Raises:
        ValueError: when the distribution does not fit one of the variables; nothing has moved then.
    """
    distribution = _current
    waiting = dict.fromkeys(each for v in variables for each in (v.follows, v) if each is not None)
    moved = [v for v in waiting if v.placed_by is not distribution and not v.is_pinned]
    free = [v for v in moved if v.follows is None]
    shardings: list[Any] = [None] * len(free) if distribution is None else distribution.shardings_of(free)
    chosen = dict(zip(free, shardings, strict=True))
    for variable in moved:
        leader = variable.follows
        sharding = chosen[variable] if leader is None else chosen.get(leader, leader.sharding)
        was_placed, value = variable.sharding is not None, variable.held
        variable.sharding, variable.placed_by = sharding, distribution
        if value is not None and (was_placed or sharding is not None):
            variable.store(put(value, sharding))


def put(value: Any, sharding: Sharding | None) -> jax.Array:
    """Return an array with a sharding, from one of any other; None for an array that is bound to no device."""
    if sharding is None:
        return jax.device_put(to_host(value))
    if getattr(value, "sharding", None) == sharding:
        return value
    if sharding.is_fully_addressable:
        return jax.device_put(value, sharding)
    if isinstance(value, jax.Array) and not value.is_fully_addressable:
        return jax.jit(lambda array: array, out_shardings=sharding)(value)
    host = np.asarray(value)  # each process sends its part: nothing is exchanged
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def copy(arrays: list[jax.Array]) -> list[jax.Array]:
    """Return copies of arrays, in their shardings."""
    if all(array.is_fully_addressable for array in arrays):
        return jax.device_put(arrays, may_alias=False)
    return jax.jit(_copies, out_shardings=[array.sharding for array in arrays])(arrays)


def _copies(arrays: list[jax.Array]) -> list[jax.Array]:
    return [jax.numpy.copy(array) for array in arrays]


def to_host(value: Any) -> np.ndarray:
    """Return the whole of an array as a NumPy array, also if its parts lie in several processes."""
    is_array = isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer)
    if is_array and not value.is_fully_addressable:
        if not value.is_fully_replicated:
            mesh = value.sharding.mesh
            whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
            value = jax.jit(lambda array: array, out_shardings=whole)(value)
        value = value.addressable_data(0)
    return np.asarray(value)


def fetch(tree: Any, rows: slice | None = None) -> Any:
    """Return a pytree of arrays as NumPy arrays; every process gets all of them, and all processes must ask.

    Args:
        tree: the arrays.
        rows: the samples that this process wants; None, the default, for all.
    """
    leaves = jax.tree.leaves(tree)
    if all(leaf.is_fully_addressable for leaf in leaves if isinstance(leaf, jax.Array)):
        found = jax.device_get(tree)
    else:
        found = jax.tree.map(to_host, tree)
    return found if rows is None else jax.tree.map(lambda leaf: leaf[rows], found)


def constrain(variables: Iterable[Any], values: list[Any]) -> list[Any]:
    """Return the new arrays of variables in a compiled function, kept in the shardings of the variables."""
    return [
        value if variable.sharding is None else jax.lax.with_sharding_constraint(value, variable.sharding)
        for variable, value in zip(variables, values, strict=True)
    ]


def make(variable: Any, key: Callable[[], Any], compute: Callable[[Callable[[], Any]], jax.Array]) -> jax.Array:
    """Return the initial array of a variable, where the variable lies.

    The array of a sharded variable is made in parts, so that no device ever holds the whole, unless its initializer
    cannot be traced: one that works with NumPy, looks at values, or advances a seed generator of its own.

    Args:
        variable: the variable, settled.
        key: a function that returns the key of the variable.
        compute: a function that computes the whole array from `key`.
    """
    sharding, shape, dtype, initializer = variable.sharding, variable.shape, variable.dtype, variable.initializer
    if sharding is None:
        return compute(key)
    if sharding.is_fully_replicated:
        return put(compute(key), sharding)
    constant = getattr(initializer, "constant_value", None)
    if constant is not None:
        part = np.full(sharding.shard_shape(shape), constant, jax.numpy.dtype(dtype))
        return jax.make_array_from_callback(shape, sharding, lambda index: part)
    if getattr(initializer, "pure", None) is not None:
        return _compiled(_Sampler(initializer), shape, dtype, sharding)(key())
    return put(_trace_and_compute(compute, key(), sharding.shard_shape(shape), sharding), sharding)


def _trace_and_compute(
    compute: Callable[[Callable[[], Any]], jax.Array], key: Any, part: tuple[int, ...], sharding: Sharding
) -> jax.Array:
    """Return the value of an initializer that is an arbitrary callable, in parts if it can be traced.

    The program is compiled for this variable alone: two calls of an arbitrary callable may differ.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as that a variable that is read becomes a constant
            program = jax.make_jaxpr(lambda key: compute(lambda: key))(key)
    except Exception:  # the callable cannot be traced, or is wrong: then the next line raises its error
        return compute(lambda: key)
    function = jax_extend.jaxpr_as_fun(program)
    if any(np.size(constant) >= math.prod(part) for constant in program.consts):
        return function(key)[0]  # made by NumPy: a program that holds it would be as large as the whole on each device
    return jax.jit(function, out_shardings=[sharding])(key)[0]


class _Sampler:
    """An initializer; equal to others of its class with equal arguments, so that they share compiled functions."""

    def __init__(self, initializer: Any):
        self.initializer = initializer
        self._identity: Any = (type(initializer), tuple(sorted(vars(initializer).items())))
        try:
            hash(self._identity)
        except TypeError:  # an argument is an array or a list
            self._identity = id(initializer)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sampler) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)


@functools.lru_cache(256)
def _compiled(sampler: _Sampler, shape: tuple[int, ...], dtype: str, sharding: Sharding) -> Callable[[Any], jax.Array]:
    """Compile an initializer once for each shape, dtype and sharding; XLA then makes each part on its device."""
    return jax.jit(lambda key: sampler.initializer.pure(lambda: keys.as_key(key), shape, dtype), out_shardings=sharding)
