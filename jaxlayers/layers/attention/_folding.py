"""Attention over any axes as attention over one.

Arrays of shape `[batch, ..., heads, size]` are folded into `[batches, length, heads, size]`: the axes that attention
goes over, one after the other in row-major order, are the length, and all others are batches. Masks are folded along.
So there is one way through the arithmetic, whatever the rank, and causal masks and windows mean the same everywhere:
the order of positions is that of the folded length.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

Axes = tuple[int, ...]


def fold(array: jax.Array, axes: Axes) -> jax.Array:
    """`[batch, ..., heads, size]` as `[batches, length, heads, size]`."""
    rest = _rest(array.ndim - 2, axes)
    ordered = array.transpose(*rest, *axes, array.ndim - 2, array.ndim - 1)
    sizes = array.shape
    return ordered.reshape(math.prod(sizes[a] for a in rest), math.prod(sizes[a] for a in axes), *sizes[-2:])


def unfold(array: jax.Array, shape: tuple[int, ...], axes: Axes) -> jax.Array:
    """`[batches, length, heads, size]` with the leading axes that an input of this shape (`[batch, ..., ]`) has."""
    order = (*_rest(len(shape), axes), *axes)
    ordered = array.reshape(*(shape[a] for a in order), *array.shape[-2:])
    back = sorted(range(len(order)), key=order.__getitem__)
    return ordered.transpose(*back, ordered.ndim - 2, ordered.ndim - 1)


def unfold_scores(scores: jax.Array, targets: tuple[int, ...], sources: tuple[int, ...], axes: Axes) -> jax.Array:
    """`[batches, heads, length, length]` as `[batch, ..., heads, targets' axes, sources' axes]`."""
    batches = [targets[a] for a in _rest(len(targets), axes)]
    return scores.reshape(*batches, scores.shape[1], *(targets[a] for a in axes), *(sources[a] for a in axes))


def joint_mask(
    masks: Sequence[Any], targets: tuple[int, ...], sources: tuple[int, ...], axes: Axes, window: int | None
) -> jax.Array | None:
    """What all masks leave, as `[batches, heads or 1, targets or 1, sources or 1]`; None when there is none.

    Args:
        masks: of queries, values, keys, and pairs of a query and a key; each may be None.
        targets: the shape of queries, without the last axis.
        sources: that of keys.
        axes: what attention goes over.
        window: how far apart query and key may be, less one.
    """
    if window is None and all(mask is None for mask in masks):
        return None
    given = [None if mask is None else jnp.asarray(mask) for mask in masks]
    pairs = given[3]
    full = len(targets) - len(axes) + 1 + 2 * len(axes)
    if pairs is not None and not 2 * len(axes) <= pairs.ndim <= full:
        raise ValueError(
            f"attention_mask must have {2 * len(axes)} to {full} axes, which broadcast to [batch, ..., heads, targets, "
            f"sources]; received shape {pairs.shape} for queries {targets} and keys {sources}."
        )
    for name, mask, shape in zip(("query", "value", "key"), given, (targets, sources, sources), strict=False):
        if mask is not None and (mask.ndim > len(shape) or mask.shape != shape[: mask.ndim]):
            raise ValueError(f"{name}_mask must have the leading axes of {shape}; received shape {mask.shape}.")
    return _joint_mask(*given, targets, sources, axes, window)


@functools.partial(jax.jit, static_argnums=(4, 5, 6, 7))  # one dispatch when it is called eagerly
def _joint_mask(
    query_mask: Any,
    value_mask: Any,
    key_mask: Any,
    attention_mask: Any,
    targets: tuple[int, ...],
    sources: tuple[int, ...],
    axes: Axes,
    window: int | None,
) -> jax.Array:
    masks = []
    if query_mask is not None:
        masks.append(_padding(query_mask, targets, axes)[:, None, :, None])
    masks += [_padding(mask, sources, axes)[:, None, None, :] for mask in (value_mask, key_mask) if mask is not None]
    if attention_mask is not None:
        masks.append(_whole(attention_mask.astype(bool), targets, sources, axes))
    if window is not None:
        steps = [jnp.arange(math.prod(shape[a] for a in axes)) for shape in (targets, sources)]
        masks.append((jnp.abs(steps[0][:, None] - steps[1][None]) < window)[None, None])
    return functools.reduce(jnp.logical_and, masks)


def _padding(mask: Any, shape: tuple[int, ...], axes: Axes) -> jax.Array:
    """A mask of the leading axes of inputs of this shape, as `[batches, length]`."""
    mask = jnp.broadcast_to(mask.astype(bool).reshape(mask.shape + (1,) * (len(shape) - mask.ndim)), shape)
    return fold(mask[..., None, None], axes)[..., 0, 0]


def _whole(mask: jax.Array, targets: tuple[int, ...], sources: tuple[int, ...], axes: Axes) -> jax.Array:
    """A mask of pairs of positions; the axes it lacks of `[batch, ..., heads, targets, sources]` are before those."""
    batches = [targets[a] for a in _rest(len(targets), axes)]
    pairs = 2 * len(axes)
    missing = len(batches) + 1 + pairs - mask.ndim
    mask = jnp.expand_dims(mask, tuple(range(mask.ndim - pairs, mask.ndim - pairs + missing)))
    parts = (batches, None, [targets[a] for a in axes], [sources[a] for a in axes])
    shape: list[int] = []
    merged: list[int] = []
    at = 0
    for sizes in parts:
        found = mask.shape[at : at + (1 if sizes is None else len(sizes))]
        kept = found if sizes is None or math.prod(found) == 1 else tuple(sizes)
        shape += kept
        merged.append(math.prod(kept))
        at += len(found)
    return jnp.broadcast_to(mask, shape).reshape(merged)


def _rest(rank: int, axes: Axes) -> Axes:
    return tuple(axis for axis in range(rank) if axis not in axes)
