"""The weights of several layers of one structure, as variables with a leading axis of layers.

`stacked` makes a tree of objects for a built layer, with the same keys, the same order and the same kinds of variables.
Each variable has the axis of the layers in front. The initial values of each layer are drawn with a key of its own.
Regularizers and constraints are applied to the array of one layer at a time.
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
from jaxlayers.common.own_variables import OwnVariables
from jaxlayers.core import Variable, tracking
from jaxlayers.core.protocols import Role


class Hidden:
    """Holds an object, so that assigning it to an attribute does not make it a part of the owner."""

    def __init__(self, thing: Any):
        self.thing = thing


class Stacked(OwnVariables, tracking.Tracked):
    """The counterpart of one object in the tree of the layer that is stacked."""

    def __init__(self, original: tracking.Tracked):
        self.name = getattr(original, "name", type(original).__name__)
        self._variable_role = original._variable_role
        self.original = Hidden(original)
        self.held: dict[str, Any] = {}

    @property
    def _trainable(self) -> Any:
        return getattr(self.original.thing, "_trainable", None)

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """The counterparts of the children of the original, by their keys."""
        yield from self.held.items()


def stacked(original: tracking.Tracked, count: int, seen: dict[int, Any] | None = None) -> Stacked:
    """The counterpart of a layer, or of any other owner of variables, with the weights of `count` layers.

    Args:
        original: the layer.
        count: the number of layers.
        seen: the counterparts made so far, by the `id` of the original: an object with two owners has one counterpart.
    """
    seen = {} if seen is None else seen
    counterpart = seen[id(original)] = Stacked(original)
    children = {key: _convert(value, count, seen) for key, value in original._tracked_children()}
    for identity in original._child_order:  # the order of assignment to the original decides the order of weights
        if identity in seen:
            seen[identity]._add_owner(counterpart)
    counterpart.held = children
    return counterpart


def _convert(value: Any, count: int, seen: dict[int, Any]) -> Any:
    """The counterpart of a child: a variable, an owner of variables, or a container of them; None for anything else."""
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


def _stacked_variable(variable: Variable, count: int) -> Variable:
    """A variable of shape `[count, *variable.shape]` with the properties of `variable`."""
    sharding = variable.sharding
    if isinstance(sharding, NamedSharding):
        sharding = sharding.update(spec=PartitionSpec(None, *sharding.spec))
    counterpart = Variable(
        _StackedInitializer(variable.initializer, count, variable.role == Role.SEED),
        shape=(count, *variable.shape),
        dtype=variable.dtype,
        trainable=variable.was_trainable,
        autocast=variable.autocast,
        aggregation=variable.aggregation,
        synchronization=variable.synchronization,
        name=variable.name,
        regularizer=None if variable.regularizer is None else functools.partial(_penalties, variable.regularizer),
        constraint=None if variable.constraint is None else functools.partial(_constrained, variable.constraint),
        sharding=sharding,
        role=variable.role,
    )
    counterpart.overwrite_with_gradient = variable.overwrite_with_gradient
    counterpart.trainable = variable.trainable
    return counterpart


class _StackedInitializer:
    """The initializer of a stacked variable: calls the initializer of one layer for each layer, with its own key."""

    def __init__(self, initializer: Any, count: int, is_seed: bool):
        self.initializer, self.count, self.is_seed = initializer, count, is_seed

    @property
    def constant_value(self) -> Any:
        return getattr(self.initializer, "constant_value", None)

    @property
    def pure(self) -> Any:
        return None if getattr(self.initializer, "pure", None) is None else self._from_key

    def _from_key(self, key: Any, shape: tuple[int, ...], dtype: str) -> jax.Array:
        def draw(number: Any) -> jax.Array:
            return self.initializer.pure(lambda: jax.random.fold_in(key(), number), shape[1:], dtype)

        return jax.vmap(draw)(np.arange(self.count, dtype="uint32"))

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        if self.is_seed:  # the first layer keeps the seed that the user chose; the others derive theirs from it
            seed, draws = np.asarray(self.initializer(shape[1:], dtype))
            derived = [keys.from_text(b"%d of %d" % (number, seed))[0] for number in range(1, self.count)]
            return jnp.asarray([[value, draws] for value in (seed, *derived)], dtype)
        return jnp.stack([self.initializer(shape[1:], dtype=dtype) for _ in range(self.count)])


def _penalties(regularizer: Any, values: Any) -> jax.Array:
    """The sum of a regularizer's penalties on the array of each layer."""
    return jnp.sum(jax.vmap(regularizer)(values))


def _constrained(constraint: Any, values: Any) -> jax.Array:
    """The array of each layer after a constraint."""
    return jax.vmap(constraint)(values)


@functools.cache
def idle_key() -> jax.Array:
    """A constant key, for a function that takes a key and does not draw with it."""
    with jax.ensure_compile_time_eval():
        return jax.random.key(0)
