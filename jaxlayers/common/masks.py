"""Masks that travel with arrays: boolean arrays, True for the time steps that are not padding.

A tracer has no place for an attribute, so a table holds the mask of each array for as long as the array lives. Keras
documents that `array._keras_mask` is the mask: an attribute of arrays, and a property of tracers and symbolic tensors.
A transformation replaces its arguments by other objects (tracers), and its results are new objects as well. So an array
and its mask enter and leave a transformation together, as a `Masked`.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from typing import Any

import jax
import jax.numpy as jnp

_masks: dict[int, tuple[weakref.ref[Any], Any]] = {}


def in_use() -> bool:
    """True if any array has a mask."""
    return bool(_masks)


def get_mask(array: Any) -> Any:
    """Return the mask of an array or symbolic tensor, or None."""
    if getattr(type(array), "carries_mask", False):
        return array.mask
    if not _masks:
        return None
    entry = _masks.get(id(array))
    return entry[1] if entry is not None and entry[0]() is array else None


def set_mask(array: Any, mask: Any) -> None:
    """Set the mask of an array; None removes it."""
    if getattr(type(array), "carries_mask", False):  # a symbolic tensor
        _add_property(type(array))
        array.mask = mask
    elif isinstance(array, jax.Array):
        key = id(array)
        if mask is None:
            if _masks.pop(key, None) is not None:
                with contextlib.suppress(AttributeError):
                    del array._keras_mask  # type: ignore[attr-defined]
        else:
            try:
                array._keras_mask = mask  # type: ignore[attr-defined]
            except AttributeError:
                _add_property(type(array))
            forget = functools.partial(_masks.pop, key)  # bound: at exit, module globals go before the last arrays
            _masks[key] = (weakref.ref(array, forget), mask)


def _mask_or_raise(array: Any) -> Any:
    mask = get_mask(array)
    if mask is None:  # as in Keras; Keras itself then looks into a table of its own
        raise AttributeError("_keras_mask: the array has no mask.")
    return mask


def _add_property(kind: type) -> None:
    """Make `_keras_mask` readable on a class of tracers or symbolic tensors.

    JAX has no public names for all of its classes of tracers. So each class gets the property when the first of its
    objects gets a mask. Nothing else in JAX changes: a tracer without a mask still has no such attribute.
    """
    if not hasattr(kind, "_keras_mask"):
        kind._keras_mask = property(_mask_or_raise)  # type: ignore[attr-defined]


def previous_mask(inputs: Any, kwargs: dict[str, Any]) -> Any:
    """Return the `mask` argument of a call, or else the masks of its first argument."""
    mask = kwargs.get("mask")
    return jax.tree.map(get_mask, inputs) if mask is None else mask


def fits(mask: Any, inputs: Any, outputs: list[Any]) -> bool:
    """True if the mask of a call's first input can be the mask of its first output: the output begins with its axes.

    If the output has fewer axes than the input, one of the axes that are left could be another one of the same size. So
    the mask does not fit where a size of the mask occurs among the other axes of the input.
    """
    masks, arrays = jax.tree.leaves(mask), jax.tree.leaves(inputs)
    if len(masks) != 1 or not outputs or not arrays:
        return True
    masked, before, after = (tuple(array.shape) for array in (masks[0], arrays[0], outputs[0]))
    if after[: len(masked)] != masked:
        return False
    return len(after) >= len(before) or not set(before[len(masked) :]) & set(masked)


@jax.tree_util.register_pytree_node_class
class Masked:
    """An array together with its mask, on the way into a transformation or out of it."""

    def __init__(self, array: Any, mask: Any):
        self.array, self.mask = array, mask

    def tree_flatten(self) -> tuple[tuple[Any, Any], None]:
        return (self.array, self.mask), None

    @classmethod
    def tree_unflatten(cls, _: None, parts: tuple[Any, Any]) -> Masked:
        return cls(*parts)


def carry(tree: Any) -> Any:
    """Return a tree with a `Masked` in the place of each array that has a mask."""

    def hold(leaf: Any) -> Any:
        mask = get_mask(leaf) if isinstance(leaf, jax.Array) else None
        return leaf if mask is None else Masked(leaf, mask)

    return jax.tree.map(hold, tree) if _masks else tree


def release(tree: Any) -> Any:
    """Return a tree with arrays in the place of each `Masked`, and set their masks."""

    def put(leaf: Any) -> Any:
        if not _is_masked(leaf):
            return leaf
        set_mask(leaf.array, leaf.mask)
        return leaf.array

    return jax.tree.map(put, tree, is_leaf=_is_masked)


def merge(first: Any = None, *others: Any) -> Any:
    """Return a tree with a `Masked` wherever one of several trees that `carry` returned has one.

    If the trees have different structures, the first is returned: JAX will say what is wrong with them.
    """
    structure = jax.tree.structure(first, is_leaf=_is_masked)
    if any(jax.tree.structure(other, is_leaf=_is_masked) != structure for other in others):  # type: ignore[operator]
        return first

    def hold(leaf: Any, *others: Any) -> Any:
        masked = next(filter(_is_masked, (leaf, *others)), None)
        return leaf if masked is None or _is_masked(leaf) else Masked(leaf, masked.mask)

    return jax.tree.map(hold, first, *others, is_leaf=_is_masked)


def match(tree: Any, pattern: Any) -> Any:
    """Return a tree like `carry`, with a `Masked` exactly where a pattern has one.

    The body of a loop must return as many arrays as it receives. So an array without a mask gets one that is True
    everywhere, if another iteration or branch has a mask in its place.

    Raises:
        ValueError: when an array has a mask, and the pattern has none in its place.
    """
    if jax.tree.structure(tree) != jax.tree.structure(pattern, is_leaf=_is_masked):  # type: ignore[operator]
        return carry(tree)

    def hold(like: Any, leaf: Any) -> Any:
        mask = get_mask(leaf) if isinstance(leaf, jax.Array) else None
        if _is_masked(like):
            return Masked(leaf, jnp.ones(like.mask.shape, bool) if mask is None else mask)
        if mask is not None:
            raise ValueError(
                f"The body of a loop or branch returned a mask of shape {mask.shape} that it did not return when it "
                "was traced before. Make its masks independent of Python variables that change."
            )
        return leaf

    return jax.tree.map(hold, pattern, tree, is_leaf=_is_masked)


def _is_masked(leaf: Any) -> bool:
    return type(leaf) is Masked


def follow(new: Any, old: Any) -> Any:
    """Give the arrays of a tree the masks of those in another tree of the same structure; return the tree."""
    if _masks:
        for array, other in zip(jax.tree.leaves(new), jax.tree.leaves(old), strict=True):
            mask = get_mask(other)
            if mask is not None:
                set_mask(array, mask)
    return new
