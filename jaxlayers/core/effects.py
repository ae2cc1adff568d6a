"""The effects of a function besides its outputs: variables written and losses added.

`run` calls a function in a scope of its own and returns its outputs together with its `Effects`. Every way of running
a stateful function as a pure one is built on it: `apply`, the stateless forms of metrics and optimizers, the pure train
step, and all transformations. A transformation takes the effects out of the pure function as one more output, and
commits them to the scope outside once the function has succeeded.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import jax

from jaxlayers.common import masks
from jaxlayers.common.array_like import unwrap
from jaxlayers.core.protocols import LayerLike
from jaxlayers.core.scope import Scope, current, write


class LossKey:
    """The identity of one added loss, by which the losses of several traces are matched."""

    __slots__ = ("aval", "number", "owner", "root")

    def __init__(self, root: LayerLike, owner: LayerLike, number: int, aval: jax.ShapeDtypeStruct):
        # Weak references, since compiled functions keep this in the structure of their outputs.
        self.root, self.owner, self.number, self.aval = weakref.ref(root), weakref.ref(owner), number, aval

    def _identity(self) -> tuple[Any, ...]:
        return self.root, self.owner, self.number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LossKey) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())


@jax.tree_util.register_pytree_node_class
class Effects:
    """State written and losses added, as a pytree.

    The leaves are arrays. The variables and losses that they belong to are part of the structure of the tree, so that
    they survive the cache of `jax.jit`.

    Attributes:
        keys: the variable or the `LossKey` that each value belongs to.
        values: the arrays.
        roots: weak references to the outermost layers that were called, those that added no loss included.
    """

    def __init__(self, keys: tuple[Any, ...], values: list[Any], roots: tuple[Any, ...] = ()):
        self.keys, self.values, self.roots = keys, values, roots

    @classmethod
    def of(cls, scope: Scope) -> Effects:
        """The effects that a scope has collected."""
        keys: list[Any] = list(scope.values.written)
        values = [scope.values.arrays[variable] for variable in keys]
        for root, entries in scope.values.losses.items():
            for number, (owner, value) in enumerate(entries):
                keys.append(LossKey(root, owner, number, jax.ShapeDtypeStruct(value.shape, value.dtype)))
                values.append(value)
        return cls(tuple(keys), values, tuple(map(weakref.ref, scope.values.losses)))

    def tree_flatten(self) -> tuple[list[Any], tuple[Any, ...]]:
        return self.values, (self.keys, self.roots)

    @classmethod
    def tree_unflatten(cls, aux: tuple[Any, ...], values: Iterable[Any]) -> Effects:
        return cls(aux[0], list(values), aux[1])

    def commit(self) -> None:
        """Write the values and losses to the innermost scope, or to the objects themselves if there is none."""
        losses: dict[Any, list[Any]] = {root(): [] for root in self.roots}
        for key, value in zip(self.keys, self.values, strict=True):
            if isinstance(key, LossKey):
                losses.setdefault(key.root(), []).append((key.owner(), value))
            else:
                write(key, value)
        losses.pop(None, None)  # the losses of a layer that has been garbage-collected
        commit_losses(current(), losses)


def commit_losses(scope: Scope | None, losses: dict[Any, list[Any]]) -> None:
    """Hand the losses of finished calls to the scope outside, or to the layers."""
    for root, entries in losses.items():
        if scope is None:
            root._keep_losses(entries)
        else:
            scope.take_losses(root, entries)


def run(scope: Scope, function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Effects]:
    """Call a function in a scope; return its outputs, in which variables become arrays, and its effects."""
    if masks.in_use():
        args, kwargs = masks.release((args, kwargs))
    with scope:
        outputs = jax.tree.map(unwrap, function(*args, **kwargs))
        return outputs, Effects.of(scope)


def run_with(arrays: dict[Any, Any], function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function while some variables hold other arrays; its other effects are committed."""
    outputs, effects = run(Scope.lifted(dict(arrays)), function, *args, **kwargs)
    effects.commit()
    return outputs
