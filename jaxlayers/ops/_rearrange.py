"""Axes split, moved and merged, as a pattern says."""

import math
import re

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.types import Array, ArrayLike

__all__ = ["rearrange"]


@operation("tensor")
def rearrange(tensor: ArrayLike, pattern: str, **axes_lengths: int) -> Array:
    """Split, move and merge axes: names on the left say what they are, on the right where they go.

    Source: Rogozhnikov, "Einops", ICLR 2022.

    Args:
        tensor: array.
        pattern: `"left -> right"`, each a list of names, one for an axis; those in parentheses are one axis together,
            the first of them slowest.
        **axes_lengths: sizes of the names in parentheses on the left; one of each pair of parentheses may be left out.

    Raises:
        ValueError: when the pattern does not fit the shape, or itself.

    Example:
        >>> rearrange([[1, 2, 3, 4]], "row (pair part) -> pair (row part)", part=2)
        Array([[1, 2],
               [3, 4]], dtype=int32)
    """
    sides = [[re.findall(r"\w+", axis) for axis in re.findall(r"\w+|\(.*?\)", side)] for side in pattern.split("->")]
    shape = jnp.shape(tensor)
    if len(sides) != 2 or len(sides[0]) != len(shape):
        raise ValueError(f"ops.rearrange: the pattern {pattern!r} does not describe an array of shape {shape}.")
    names, places = ([name for group in side for name in group] for side in sides)
    if len(set(names)) < len(names) or sorted(names) != sorted(places):
        raise ValueError(f"ops.rearrange: {pattern!r} must have each name once on the left and once on the right.")
    sizes = dict(axes_lengths)
    for group, size in zip(sides[0], shape, strict=True):
        open_names = [name for name in group if name not in sizes]
        known = math.prod(sizes[name] for name in group if name in sizes)
        if len(open_names) == 1 and known and size % known == 0:
            sizes[open_names[0]] = size // known
        elif open_names or known != size:
            raise ValueError(
                f"ops.rearrange: an axis of size {size} is no ({' '.join(group)}) with the sizes {axes_lengths}; the "
                f"pattern is {pattern!r}, the shape {shape}."
            )
    split = jnp.reshape(tensor, [sizes[name] for name in names])
    moved = jnp.transpose(split, [names.index(name) for name in places])
    return jnp.reshape(moved, [math.prod(sizes[name] for name in group) for group in sides[1]])
