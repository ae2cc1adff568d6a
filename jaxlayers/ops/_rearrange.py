"""Splitting, transposition and merging of axes by a pattern."""

import math
import re

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.types import Array, ArrayLike

__all__ = ["rearrange"]


@operation("tensor")
def rearrange(tensor: ArrayLike, pattern: str, **axes_lengths: int) -> Array:
    """Split, transpose and merge axes: the pattern names the axes of the array and those of the result.

    Args:
        tensor: array.
        pattern: `"left -> right"`, with the names of the axes of the array on the left, and those of the result on the
            right. Names in parentheses form one axis together; the last name varies fastest.
        **axes_lengths: the sizes of names in parentheses on the left. One name of each pair of parentheses may be left
            out.

    Returns:
        The rearranged array.

    Raises:
        ValueError: when the pattern does not fit the shape, or its two sides do not have the same names.

    Source: Rogozhnikov, "Einops", ICLR 2022.

    Example:
        >>> rearrange([[1, 2, 3, 4]], "row (pair part) -> pair (row part)", part=2)
        Array([[1, 2],
               [3, 4]], dtype=int32)
    """
    sides = [[re.findall(r"\w+", axis) for axis in re.findall(r"\w+|\(.*?\)", side)] for side in pattern.split("->")]
    shape = jnp.shape(tensor)
    if len(sides) != 2 or len(sides[0]) != len(shape):
        raise ValueError(f"ops.rearrange: the pattern {pattern!r} does not describe an array of shape {shape}.")
    names, new_names = ([name for group in side for name in group] for side in sides)
    if len(set(names)) < len(names) or sorted(names) != sorted(new_names):
        raise ValueError(
            f"ops.rearrange expects each name once on the left and once on the right; received {pattern!r}."
        )
    sizes = dict(axes_lengths)
    for group, size in zip(sides[0], shape, strict=True):
        unknown = [name for name in group if name not in sizes]
        product = math.prod(sizes[name] for name in group if name in sizes)
        if len(unknown) == 1 and product and size % product == 0:
            sizes[unknown[0]] = size // product
        elif unknown or product != size:
            raise ValueError(
                f"ops.rearrange: an axis of size {size} cannot be split into ({' '.join(group)}) with the sizes "
                f"{axes_lengths}; the pattern is {pattern!r}, the shape is {shape}."
            )
    split = jnp.reshape(tensor, [sizes[name] for name in names])
    transposed = jnp.transpose(split, [names.index(name) for name in new_names])
    return jnp.reshape(transposed, [math.prod(sizes[name] for name in group) for group in sides[1]])
