"""Attention over several axes, reduced to attention over one axis.

Arrays of shape `[batch, ..., heads, size]` are folded into `[batches, length, heads, size]`: the attention axes are
flattened, in row-major order, into `length`, and all other axes into `batches`. Masks are folded in the same way. The
arithmetic then has one form for inputs of any rank, and causal masks and sliding windows refer to the positions along
`length`.

`targets` is the shape of the query without its last axis, `sources` that of key and value; `axes` are the attention
axes.
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
    """Fold `[batch, ..., heads, size]` into `[batches, length, heads, size]`."""
    batch_axes = _batch_axes(array.ndim - 2, axes)
    ordered = array.transpose(*batch_axes, *axes, array.ndim - 2, array.ndim - 1)
    sizes = array.shape
    return ordered.reshape(math.prod(sizes[a] for a in batch_axes), math.prod(sizes[a] for a in axes), *sizes[-2:])


def unfold(array: jax.Array, shape: tuple[int, ...], axes: Axes) -> jax.Array:
    """Unfold `[batches, length, heads, size]` into `[*shape, heads, size]`: the inverse of `fold`."""
    order = (*_batch_axes(len(shape), axes), *axes)
    ordered = array.reshape(*(shape[a] for a in order), *array.shape[-2:])
    inverse = sorted(range(len(order)), key=order.__getitem__)
    return ordered.transpose(*inverse, ordered.ndim - 2, ordered.ndim - 1)


def unfold_scores(scores: jax.Array, targets: tuple[int, ...], sources: tuple[int, ...], axes: Axes) -> jax.Array:
    """Unfold `[batches, heads, length, length]` into `[batch, ..., heads, *target axes, *source axes]`."""
    batches = [targets[a] for a in _batch_axes(len(targets), axes)]
    return scores.reshape(*batches, scores.shape[1], *(targets[a] for a in axes), *(sources[a] for a in axes))


def joint_mask(
    masks: Sequence[Any], targets: tuple[int, ...], sources: tuple[int, ...], axes: Axes, window: int | None
) -> jax.Array | None:
    """The logical and of all masks, `[batches, heads or 1, targets or 1, sources or 1]`; None when there is no mask.

    Args:
        masks: the query mask, the value mask, the key mask and the attention mask; each may be None.
        targets: the shape of the query without its last axis.
        sources: the shape of the key without its last axis.
        axes: the attention axes.
        window: a query attends to the keys at a distance of less than this; None for all keys.

    Raises:
        ValueError: when the shape of a mask does not fit the query or the key.
    """
    if window is None and all(mask is None for mask in masks):
        return None
    arrays = [None if mask is None else jnp.asarray(mask) for mask in masks]
    attention_mask = arrays[3]
    full = len(targets) - len(axes) + 1 + 2 * len(axes)
    if attention_mask is not None and not 2 * len(axes) <= attention_mask.ndim <= full:
        raise ValueError(
            f"attention_mask must have {2 * len(axes)} to {full} axes, which broadcast to [batch, ..., heads, targets, "
            f"sources]; received shape {attention_mask.shape} for queries {targets} and keys {sources}."
        )
    for name, mask, shape in zip(("query", "value", "key"), arrays, (targets, sources, sources), strict=False):
        if mask is not None and (mask.ndim > len(shape) or mask.shape != shape[: mask.ndim]):
            raise ValueError(
                f"{name}_mask must have the leading axes of the {name}, {shape}; received shape {mask.shape}."
            )
    return _joint_mask(arrays, targets, sources, axes, window)


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4))  # one dispatch in an eager call
def _joint_mask(
    arrays: list[Any], targets: tuple[int, ...], sources: tuple[int, ...], axes: Axes, window: int | None
) -> jax.Array:
    query_mask, value_mask, key_mask, attention_mask = arrays
    masks = []
    if query_mask is not None:
        masks.append(_fold_padding_mask(query_mask, targets, axes)[:, None, :, None])
    for mask in (value_mask, key_mask):
        if mask is not None:
            masks.append(_fold_padding_mask(mask, sources, axes)[:, None, None, :])
    if attention_mask is not None:
        masks.append(_fold_attention_mask(attention_mask.astype(bool), targets, sources, axes))
    if window is not None:
        query_steps, key_steps = (jnp.arange(math.prod(shape[a] for a in axes)) for shape in (targets, sources))
        masks.append((jnp.abs(query_steps[:, None] - key_steps[None]) < window)[None, None])
    return functools.reduce(jnp.logical_and, masks)


def _fold_padding_mask(mask: Any, shape: tuple[int, ...], axes: Axes) -> jax.Array:
    """Fold a mask that has the leading axes of `shape` into `[batches, length]`."""
    mask = jnp.broadcast_to(mask.astype(bool).reshape(mask.shape + (1,) * (len(shape) - mask.ndim)), shape)
    return fold(mask[..., None, None], axes)[..., 0, 0]


def _fold_attention_mask(mask: jax.Array, targets: tuple[int, ...], sources: tuple[int, ...], axes: Axes) -> jax.Array:
    """Fold `[batch, ..., heads, *target axes, *source axes]` into `[batches, heads, targets, sources]`.

    The mask may lack axes before the target axes, and broadcasts: each part of the result may have the size 1.
    """
    batches = [targets[a] for a in _batch_axes(len(targets), axes)]
    pair_axes = 2 * len(axes)
    missing = len(batches) + 1 + pair_axes - mask.ndim
    mask = jnp.expand_dims(mask, tuple(range(mask.ndim - pair_axes, mask.ndim - pair_axes + missing)))
    heads = [mask.shape[len(batches)]]
    shape: list[int] = []
    folded: list[int] = []
    for sizes in (batches, heads, [targets[a] for a in axes], [sources[a] for a in axes]):
        mask_sizes = mask.shape[len(shape) : len(shape) + len(sizes)]
        part = mask_sizes if math.prod(mask_sizes) == 1 else tuple(sizes)
        shape += part
        folded.append(math.prod(part))
    return jnp.broadcast_to(mask, shape).reshape(folded)


def _batch_axes(rank: int, axes: Axes) -> Axes:
    """The axes that attention does not go over."""
    return tuple(axis for axis in range(rank) if axis not in axes)
