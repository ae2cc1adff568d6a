"""The weights of several layers of one structure as one set of arrays with an axis more in front.

`stacked` makes, beside a layer that is built, objects of the same shape of tree: the same keys, the same order, the
same kinds of variables, each with the axis of the layers before its own. The arrays of the layers are drawn as if each
of them had its own key; their regularizers and constraints see one layer's array at a time.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jaxlayers.common import keys
from jaxlayers.core import Variable, tracking
from jaxlayers.core.protocols import Role


class Hidden:
    """A holder for an object that is not part of the layer that the holder is assigned to."""

    def __init__(self, thing: Any):
        self.thing = thing


class Stacked(tracking.Tracked):
    """The stand-in for one object in the tree of the layer that was stacked."""

    def __init__(self, original: tracking.Tracked):
        self.name = getattr(original, "name", type(original).__name__)
        self._role = original._role
        self.original = Hidden(original)
        self.held: dict[str, Any] = {}

    @property
    def _trainable(self) -> Any:
        return getattr(self.original.thing, "_trainable", None)

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """Yield the stand-ins of the original's children, with their keys."""
        yield from self.held.items()


def stacked(original: tracking.Tracked, count: int, seen: dict[int, Any] | None = None) -> Stacked:
    """Return the stand-in for several layers, or other objects with variables, of the structure of one."""
    seen = {} if seen is None else seen
    made = seen[id(original)] = Stacked(original)
    held = {key: _convert(value, count, seen) for key, value in original._tracked_children()}
    for number in original._order:  # in the order in which they came to the original
        if number in seen:
            seen[number]._adopt(made)
    made.held = held
    return made


def _convert(value: Any, count: int, seen: dict[int, Any]) -> Any:
    if id(value) in seen:
        return seen[id(value)]
    if isinstance(value, Variable):
        seen[id(value)] = _stacked_variable(value, count)
        return seen[id(value)]
    if isinstance(value, tracking.Tracked):
        return None if isinstance(value, tracking.kept_apart()) else stacked(value, count, seen)
    if isinstance(value, dict):
        return {key: _convert(item, count, seen) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_convert(item, count, seen) for item in value)
    return None


def _stacked_variable(one: Variable, count: int) -> Variable:
    sharding = one.sharding
    if isinstance(sharding, NamedSharding):
        sharding = sharding.update(spec=PartitionSpec(None, *sharding.spec))
    many = Variable(
        _Start(one.initializer, count, one.role == Role.SEED),
        shape=(count, *one.shape),
        dtype=one.dtype,
        trainable=one.was_trainable,
        autocast=one.autocast,
        aggregation=one.aggregation,
        synchronization=one.synchronization,
        name=one.name,
        regularizer=None if one.regularizer is None else _Penalty(one.regularizer),
        constraint=None if one.constraint is None else _Constraint(one.constraint),
        sharding=sharding,
        role=one.role,
    )
    many.overwrite_with_gradient = one.overwrite_with_gradient
    many.trainable = one.trainable
    return many


class _Start:
    """The initializer of a stacked variable: that of one, for each with a key of its own."""

    def __init__(self, one: Any, count: int, is_seed: bool):
        self.one, self.count, self.is_seed = one, count, is_seed

    @property
    def constant_value(self) -> Any:
        return getattr(self.one, "constant_value", None)

    @property
    def pure(self) -> Any:
        return None if getattr(self.one, "pure", None) is None else self._from_key

    def _from_key(self, key: Any, shape: tuple[int, ...], dtype: str) -> jax.Array:
        def draw(number: Any) -> jax.Array:
            return self.one.pure(lambda: jax.random.fold_in(key(), number), shape[1:], dtype)

        return jax.vmap(draw)(np.arange(self.count, dtype="uint32"))

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        if self.is_seed:  # a generator that was given a seed: the others get one that follows from it
            first, drawn = np.asarray(self.one(shape[1:], dtype))
            others = [keys.from_text(b"%d of %d" % (number, first))[0] for number in range(1, self.count)]
            return jnp.asarray([[seed, drawn] for seed in (first, *others)], dtype)
        return jnp.stack([self.one(shape[1:], dtype=dtype) for _ in range(self.count)])


class _Penalty:
    """A regularizer of each array by itself; the sum is what so many layers would add."""

    def __init__(self, one: Any):
        self.one = one

    def __call__(self, values: Any) -> jax.Array:
        return jnp.sum(jax.vmap(self.one)(values))


class _Constraint:
    """A constraint of each array by itself."""

    def __init__(self, one: Any):
        self.one = one

    def __call__(self, values: Any) -> jax.Array:
        return jax.vmap(self.one)(values)


@functools.cache
def idle_key() -> jax.Array:
    """A key for a function that takes one and draws nothing."""
    with jax.ensure_compile_time_eval():
        return jax.random.key(0)
