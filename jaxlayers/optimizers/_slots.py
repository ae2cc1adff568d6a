"""Slots: the variables that hold the state of an optimizer, one for each array in the pytree of that state.

The function that makes the state is traced once, with shapes only. In the state, parameters are dicts keyed by path, so
a key in the path of a leaf names the parameter that the leaf belongs to. Leaves that are filled with a constant need no
computation. All others are computed together from the parameters, when the first of them is needed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common import jax_extend
from jaxlayers.common.settings import free_name
from jaxlayers.core import Variable
from jaxlayers.core.protocols import Role
from jaxlayers.core.tracking import Path
from jaxlayers.initializers import Constant


class Layout:
    """The parameters of an optimizer, and the correspondence between its slots and the leaves of its state.

    Args:
        parameters: the variables, each once.
        init: a function that returns the state, called with a dict of parameters by path and the set of the paths of
            parameters that are overwritten with their gradients.
        order: groups of slot names, in the order of Keras's files: one group after the other, and within a group the
            slots of each parameter next to each other. Slots of no parameter, or of no group, come last.
        names: the slot names of fields of the state whose slot is named differently.
        places: the nested places in the state, by path, of parameters that are not at their path.
    """

    def __init__(
        self,
        parameters: Sequence[Variable],
        init: Callable[[dict[str, Any], frozenset[str]], Any],
        order: Sequence[tuple[str, ...]],
        names: dict[str, str],
        places: Mapping[str, Path],
    ):
        paths = unique_names([variable.path for variable in parameters])
        self.parameters: dict[Any, Variable] = dict(zip(paths, parameters, strict=True))
        self.index = {variable: i for i, variable in enumerate(parameters)}
        self._path_at = {places.get(path, (path,)): path for path in paths} | {(path,): path for path in paths}
        self._init = init
        self.overwritten = frozenset(p for p, variable in self.parameters.items() if variable.overwrite_with_gradient)
        shapes = {
            path: jax.ShapeDtypeStruct(variable.shape, jnp.dtype(variable.dtype))
            for path, variable in self.parameters.items()
        }
        self._key_impls: list[Any] = []  # the implementation of each leaf that is a random key, None for others
        owners: list[tuple[str, str | None]] = []

        def traced(params: dict[str, Any]) -> list[Any]:
            leaves, self._tree = jax.tree_util.tree_flatten_with_path(init(params, self.overwritten))
            owners[:] = [self._name_and_owner(path, names) for path, _ in leaves]
            self._key_impls = [jax.random.key_impl(leaf) if _is_key(leaf) else None for _, leaf in leaves]
            return [_plain_array(leaf) for _, leaf in leaves]

        jaxpr, leaves = jax.make_jaxpr(traced, return_shape=True)(shapes)
        number = {path: i for i, path in enumerate(paths)}
        rank = {name: (group, i) for group, members in enumerate(order) for i, name in enumerate(members)}

        def sort_key(leaf: int) -> Any:
            name, owner = owners[leaf]
            if owner is None or name not in rank:
                return (len(order), leaf, 0)
            return (rank[name][0], number[owner], rank[name][1])

        self._order = sorted(range(len(leaves)), key=sort_key)
        self._leaves = [leaves[leaf] for leaf in self._order]
        self._owners = [owners[leaf] for leaf in self._order]
        constants = _constants(jaxpr.jaxpr)
        self._constants = [constants[leaf] for leaf in self._order]
        self._computed: dict[int, Any] = {}

    def owner_of(self, path: Any) -> tuple[str | None, Any]:
        """Return the path of the parameter that a leaf of the state belongs to, or None, and the keys outside of it."""
        keys: list[Any] = [key.key if isinstance(key, jax.tree_util.DictKey) else None for key in path]
        for end in range(len(keys), 0, -1):
            for start in range(end):
                owner = self._path_at.get(tuple(keys[start:end]))
                if owner is not None:
                    return owner, (*path[:start], *path[end:])
        return None, path

    def _name_and_owner(self, path: Any, names: dict[str, str]) -> tuple[str, str | None]:
        """Return the slot name of a leaf, taken from its field or key, and the path of its parameter or None."""
        owner, outside = self.owner_of(path)
        for key in reversed(outside):
            name = getattr(key, "name", getattr(key, "key", None))
            if isinstance(name, str):
                return names.get(name, name).replace("/", "_"), owner
        return "slot", owner

    def make_slots(self) -> dict[str, Variable]:
        """Return a variable for each leaf of the state, still without an array."""
        slots = []
        for number, (leaf, (name, owner)) in enumerate(zip(self._leaves, self._owners, strict=True)):
            parameter = self.parameters.get(owner)
            constant = self._constants[number]
            initializer = functools.partial(self.compute, number) if constant is None else Constant(constant)
            name = name if owner is None else f"{owner.replace('/', '_')}_{name}"
            slots.append(Variable(initializer, leaf.shape, str(leaf.dtype), False, name=name, role=Role.SLOT))
            if parameter is not None and parameter.shape == leaf.shape:
                slots[-1].follow(parameter)
        return dict(zip(unique_names([slot.name for slot in slots]), slots, strict=True))

    def owners(self) -> list[tuple[str, Variable | None]]:
        """Return the kind and the parameter, or None, of each slot."""
        return [(name, self.parameters.get(owner)) for name, owner in self._owners]

    def pack(self, values: Sequence[Any]) -> Any:
        """Return the state, from the arrays of the slots."""
        leaves: list[Any] = [None] * len(values)
        for value, leaf in zip(values, self._order, strict=True):
            impl = self._key_impls[leaf]
            leaves[leaf] = value if impl is None else jax.random.wrap_key_data(value, impl=impl)
        return jax.tree.unflatten(self._tree, leaves)

    def unpack(self, state: Any) -> list[Any]:
        """Return the arrays of the slots, from the state."""
        leaves = jax.tree.leaves(state)
        return [_plain_array(leaves[leaf]) for leaf in self._order]

    def compute(self, number: int, shape: Any, dtype: Any) -> Any:
        """Return the initial array of a slot: the initializer of a slot that is not filled with a constant."""
        if number not in self._computed:
            values = {path: variable.make() for path, variable in self.parameters.items()}
            # Copy the leaves, so that no slot shares memory with a parameter.
            arrays = jax.jit(
                lambda params: [jnp.copy(leaf) for leaf in self.unpack(self._init(params, self.overwritten))]
            )(values)
            self._computed = {i: array for i, array in enumerate(arrays) if self._constants[i] is None}
        return self._computed.pop(number)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_computed": {}}


def moving_average(average: Any, value: Any, decay: float) -> Any:
    """Return `decay * average + (1 - decay) * value`."""
    # Add a fraction of the difference: in bfloat16, 0.999 rounds to 1 and `decay * average` would never decay.
    return average + (value - average) * (1 - decay)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key)


def _plain_array(leaf: Any) -> Any:
    """Return the data of a random key, and any other leaf unchanged."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _constants(jaxpr: Any) -> list[Any]:
    """Return the constant that each output is filled with, or None if it is not known to be filled with one."""
    filled = {
        equation.outvars[0]: np.asarray(equation.invars[0].val).item()
        for equation in jaxpr.eqns
        if equation.primitive.name == "broadcast_in_dim" and isinstance(equation.invars[0], jax_extend.Literal)
    }
    return [np.asarray(v.val).item() if isinstance(v, jax_extend.Literal) else filled.get(v) for v in jaxpr.outvars]


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names in order, with numbers added to those that occurred before."""
    unique: dict[str, None] = {}
    for name in names:
        unique[free_name(name, unique)] = None
    return list(unique)
