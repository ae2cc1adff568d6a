"""Masks that travel with arrays: which steps of a sequence count.

A JAX array has no place for an attribute, so a table holds the mask of each array for as long as the array lives.
Inside a transformation other objects stand for the arrays that were handed in, and outside again others for those that
came back: so an array and its mask go through as one, a `Masked`.
"""

from __future__ import annotations

import functools
import weakref
from typing import Any

import jax

_masks: dict[int, tuple[weakref.ref[Any], Any]] = {}


def in_use() -> bool:
    """Whether any array has a mask."""
    return bool(_masks)


def get_mask(array: Any) -> Any:
    """The mask of an array or symbolic tensor, or None."""
    if getattr(type(array), "carries_mask", False):
        return array.mask
    if not _masks:
        return None
    entry = _masks.get(id(array))
    return entry[1] if entry is not None and entry[0]() is array else None


def set_mask(array: Any, mask: Any) -> None:
    """Let a mask travel with an array; None takes it away."""
    if getattr(type(array), "carries_mask", False):  # a symbolic tensor
        array.mask = mask
    elif isinstance(array, jax.Array):
        key = id(array)
        if mask is None:
            _masks.pop(key, None)
        else:
            forget = functools.partial(_masks.pop, key)  # bound: at exit, module globals go before the last arrays
            _masks[key] = (weakref.ref(array, forget), mask)


def previous_mask(inputs: Any, kwargs: dict[str, Any]) -> Any:
    """The mask that a call was given, or the masks that travel with its first argument."""
    given = kwargs.get("mask")
    return jax.tree.map(get_mask, inputs) if given is None else given


def fits(mask: Any, inputs: Any, outputs: list[Any]) -> bool:
    """Whether a mask of a call's first inputs can be one of its first output: the axes that it is about are there.

    Of outputs with fewer axes than the inputs it is not, where one of the other axes could be taken for one of those.
    """
    leaves, given = jax.tree.leaves(mask), jax.tree.leaves(inputs)
    if len(leaves) != 1 or not outputs or not given:
        return True
    about, before, after = (tuple(one.shape) for one in (leaves[0], given[0], outputs[0]))
    if after[: len(about)] != about:
        return False
    return len(after) >= len(before) or not set(before[len(about) :]) & set(about)


@jax.tree_util.register_pytree_node_class
class Masked:
    """An array and its mask on the way into a transformation, or out of it."""

    def __init__(self, array: Any, mask: Any):
        self.array, self.mask = array, mask

    def tree_flatten(self) -> tuple[tuple[Any, Any], None]:
        return (self.array, self.mask), None

    @classmethod
    def tree_unflatten(cls, _: None, parts: tuple[Any, Any]) -> Masked:
        return cls(*parts)


def carry(tree: Any) -> Any:
    """A tree with each array that has a mask together with it, to be handed to a transformation or out of one."""

    def hold(leaf: Any) -> Any:
        mask = get_mask(leaf) if isinstance(leaf, jax.Array) else None
        return leaf if mask is None else Masked(leaf, mask)

    return jax.tree.map(hold, tree) if _masks else tree


def release(tree: Any) -> Any:
    """The arrays of such a tree, with their masks."""

    def put(leaf: Any) -> Any:
        if type(leaf) is not Masked:
            return leaf
        set_mask(leaf.array, leaf.mask)
        return leaf.array

    return jax.tree.map(put, tree, is_leaf=lambda leaf: type(leaf) is Masked)


def follow(new: Any, old: Any) -> Any:
    """Arrays that stand for others, in a tree of the same structure, with their masks."""
    if _masks:
        for array, other in zip(jax.tree.leaves(new), jax.tree.leaves(old), strict=True):
            mask = get_mask(other)
            if mask is not None:
                set_mask(array, mask)
    return new
