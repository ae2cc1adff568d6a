"""Slots: the variables in which an optimizer keeps its state, one for each array in the pytree of that state.

The pytree is traced once, with shapes alone. It has the parameters as dicts keyed by path, so a key in the path of a
leaf tells whose it is. What turns out to be filled with one number needs no computation; all other leaves are computed
together, from the parameters, when the first of them is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from jaxlayers.common.settings import free_name
from jaxlayers.core import Variable
from jaxlayers.core.protocols import Role


class Layout:
    """Which parameters an optimizer works on, and how its slots and its state correspond.

    Args:
        parameters: the variables, each once.
        init: the function from a dict of parameters by path, and the paths of those that are overwritten with their
            gradients, to the state.
        order: groups of slot names, in the order of Keras's files: groups one after the other, and within a group the
            slots of one parameter beside each other. What has no parameter or no place here comes last.
        names: what a field of the state is called as a slot, where that differs.
    """

    def __init__(
        self,
        parameters: Sequence[Variable],
        init: Callable[[dict[str, Any], frozenset[str]], Any],
        order: Sequence[tuple[str, ...]],
        names: dict[str, str],
    ):
        self.paths = _unique([variable.path for variable in parameters])
        self.parameters = dict(zip(self.paths, parameters, strict=True))
        self.index = {variable: i for i, variable in enumerate(parameters)}
        self._init = init
        self.overwritten = frozenset(p for p, variable in self.parameters.items() if variable.overwrite_with_gradient)
        shapes = {
            path: jax.ShapeDtypeStruct(variable.shape, jnp.dtype(variable.dtype))
            for path, variable in self.parameters.items()
        }
        self._key_kinds: list[Any] = []  # for each leaf that is a random key, its kind: slots hold the numbers
        places: list[tuple[str, str | None]] = []

        def traced(params: dict[str, Any]) -> list[Any]:
            leaves, self._tree = jax.tree_util.tree_flatten_with_path(init(params, self.overwritten))
            places[:] = [_place(path, self.parameters, names) for path, _ in leaves]
            self._key_kinds = [jax.random.key_impl(leaf) if _is_key(leaf) else None for _, leaf in leaves]
            return [_numbers(leaf) for _, leaf in leaves]

        jaxpr, leaves = jax.make_jaxpr(traced, return_shape=True)(shapes)
        number = {path: i for i, path in enumerate(self.paths)}
        rank = {name: (group, i) for group, members in enumerate(order) for i, name in enumerate(members)}

        def sort_key(leaf: int) -> Any:
            name, owner = places[leaf]
            if owner is None or name not in rank:
                return (len(order), leaf, 0)
            return (rank[name][0], number[owner], rank[name][1])

        self._order = sorted(range(len(leaves)), key=sort_key)
        self._leaves = [leaves[leaf] for leaf in self._order]
        self._places = [places[leaf] for leaf in self._order]
        constants = _constants(jaxpr.jaxpr)
        self._constants = [constants[leaf] for leaf in self._order]
        self._computed: dict[int, Any] = {}

    def make_slots(self) -> dict[str, Variable]:
        """A variable for each leaf of the state, without an array yet."""
        slots = []
        for number, (leaf, (name, owner)) in enumerate(zip(self._leaves, self._places, strict=True)):
            parameter = None if owner is None else self.parameters[owner]
            constant = self._constants[number]
            slots.append(
                Variable(
                    Computed(self, number) if constant is None else Filled(constant),
                    leaf.shape,
                    str(leaf.dtype),
                    trainable=False,
                    name=name if owner is None else f"{owner.replace('/', '_')}_{name}",
                    sharding=parameter.sharding if parameter is not None and parameter.shape == leaf.shape else None,
                    role=Role.SLOT,
                )
            )
        return dict(zip(_unique([slot.name for slot in slots]), slots, strict=True))

    def owners(self) -> list[tuple[str, Variable | None]]:
        """For each slot what it is, and of which parameter."""
        return [(name, None if owner is None else self.parameters[owner]) for name, owner in self._places]

    def pack(self, values: Sequence[Any]) -> Any:
        """The state, from the arrays of the slots."""
        leaves: list[Any] = [None] * len(values)
        for value, leaf in zip(values, self._order, strict=True):
            kind = self._key_kinds[leaf]
            leaves[leaf] = value if kind is None else jax.random.wrap_key_data(value, impl=kind)
        return jax.tree.unflatten(self._tree, leaves)

    def unpack(self, state: Any) -> list[Any]:
        """The arrays of the slots, from the state."""
        leaves = jax.tree.leaves(state)
        return [_numbers(leaves[leaf]) for leaf in self._order]

    def compute(self, number: int) -> Any:
        """What a slot starts from."""
        if number not in self._computed:
            values = {path: variable.make() for path, variable in self.parameters.items()}
            # Copies, so that no slot shares memory with a parameter.
            arrays = jax.jit(
                lambda params: [jnp.copy(leaf) for leaf in self.unpack(self._init(params, self.overwritten))]
            )(values)
            self._computed = {i: array for i, array in enumerate(arrays) if self._constants[i] is None}
        return self._computed.pop(number)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_computed": {}}


class Filled:
    """An initializer: one number everywhere."""

    def __init__(self, value: Any):
        self.constant_value = value

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        return jnp.full(shape, self.constant_value, dtype)


class Computed:
    """An initializer: what an optax transformation starts from."""

    def __init__(self, layout: Layout, number: int):
        self.layout, self.number = layout, number

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        return self.layout.compute(self.number)


def owner_of(path: Any, names: Container[str]) -> str | None:
    """The parameter that a leaf of the state belongs to, or None."""
    for key in reversed(path):
        if isinstance(key, jax.tree_util.DictKey) and key.key in names:
            return key.key
    return None


def _place(path: Any, paths: Container[str], names: dict[str, str]) -> tuple[str, str | None]:
    """What a leaf is called, by the field or key it is in, and the parameter it belongs to."""
    owner = owner_of(path, paths)
    for key in reversed(path):
        name = getattr(key, "name", getattr(key, "key", None))
        if isinstance(name, str) and name != owner:
            return names.get(name, name).replace("/", "_"), owner
    return "slot", owner


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key)


def _numbers(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _constants(jaxpr: Any) -> list[Any]:
    """For each output the one number it is filled with, or None where that cannot be told."""
    filled = {
        equation.outvars[0]: equation.invars[0].val
        for equation in jaxpr.eqns
        if equation.primitive.name == "broadcast_in_dim" and isinstance(equation.invars[0], Literal)
    }
    return [np.asarray(v.val)[()] if isinstance(v, Literal) else filled.get(v) for v in jaxpr.outvars]


def _unique(names: Sequence[str]) -> list[str]:
    """The names, with numbers added to those that came before."""
    found: dict[str, None] = {}
    for name in names:
        found[free_name(name, found)] = None
    return list(found)
