"""Attention: values summed with weights that say how well a query goes with each key.

Scores that a mask leaves out count as nothing, and a query that may see no key gets zeros, with finite gradients. The
sum's weights are `exp(score - highest)` until the end: dividing the result by their total, instead of each weight,
saves a pass over the largest array there is, forward and backward.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import config
from jaxlayers.core import operation
from jaxlayers.ops._platform import platform
from jaxlayers.ops._types import Array, ArrayLike

__all__ = ["dot_product_attention"]

_HALF = ("float16", "bfloat16")  # what cuDNN's kernel computes in
_REFUSALS = (NotImplementedError, RuntimeError, ValueError)  # what JAX says where cuDNN cannot


@operation("query", "key", "value", "bias", "mask")
def dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    bias: ArrayLike = None,
    mask: ArrayLike = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Array:
    """Attention of several heads: softmax(query key^T scale + bias) value.

    A query whose keys are all masked gives zeros, where Keras gives the mean of the values.

    Args:
        query: [batch, targets, heads, size].
        key: [batch, sources, shared heads, size]; each serves `heads / shared heads` heads of the query.
        value: [batch, sources, shared heads, value size].
        bias: added to the scores; broadcasts to [batch, heads, targets, sources].
        mask: True where a source counts; broadcasts to [batch, heads, targets, sources].
        scale: of the scores; 1 / sqrt(size) by default.
        is_causal: whether target i sees the sources 0 to i alone.
        flash_attention: True for cuDNN's fused kernel, False for XLA's code; by default cuDNN's where it can, unless
            `config.disable_flash_attention()` was said.
        attn_logits_soft_cap: bound of the scores, cap tanh(score / cap); on every platform, where Keras has it on TPUs.

    Returns:
        [batch, targets, heads, value size].

    Raises:
        ValueError: when shapes do not go together, or `flash_attention=True` is not possible.

    Source: Vaswani et al., arXiv:1706.03762; shared heads: Ainslie et al., arXiv:2305.13245.

    Example:
        >>> query = jnp.ones((1, 2, 4, 8))
        >>> dot_product_attention(query, query[:, :, :2], query[:, :, :2], is_causal=True).shape
        (1, 2, 4, 8)
    """
    _check(query, key, value)
    dtype = jnp.result_type(query, key, value)
    query, key, value = query.astype(dtype), key.astype(dtype), value.astype(dtype)
    bias, mask = _with_four_axes(bias), _with_four_axes(None if mask is None else mask.astype(bool))
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if flash_attention is None and config.is_flash_attention_enabled() is False:
        flash_attention = False
    if flash_attention is not False and (flash_attention or _suits_cudnn(query, value)):
        try:
            if attn_logits_soft_cap is not None:
                raise NotImplementedError("There is no soft cap in cuDNN's kernel.")
            return _fused(query, key, value, bias, mask, scale, is_causal)
        except _REFUSALS as error:
            if flash_attention:
                raise ValueError(
                    f"ops.dot_product_attention cannot have flash_attention=True here: {error} Received query "
                    f"{query.dtype}{list(query.shape)} and value {list(value.shape)} on {platform()}. Leave "
                    "it at None, which takes cuDNN's kernel where it can."
                ) from error
    return attend(query, key, value, bias, mask, scale, is_causal, attn_logits_soft_cap)


def _check(query: Array, key: Array, value: Array) -> None:
    shapes = query.shape, key.shape, value.shape
    if any(len(shape) != 4 for shape in shapes):
        raise ValueError(
            "ops.dot_product_attention expects query, key and value of shape [batch, length, heads, size]; received "
            f"shapes {shapes}."
        )
    one_length = key.shape[:3] == value.shape[:3] and key.shape[0] == query.shape[0]
    if not one_length or key.shape[3] != query.shape[3] or query.shape[2] % key.shape[2]:
        raise ValueError(
            "ops.dot_product_attention expects key and value of one length and number of heads, which divides the "
            f"query's, and query and key of one size; received shapes {shapes}."
        )


def _with_four_axes(array: Array | None) -> Array | None:
    return None if array is None else array.reshape((1,) * (4 - array.ndim) + array.shape)


def _suits_cudnn(query: Array, value: Array) -> bool:
    """Whether to try cuDNN's kernel: where it would refuse the gradient alone, it is not taken either."""
    even = not (query.shape[1] % 2 or value.shape[1] % 2)
    same = query.shape[3] == value.shape[3] and query.shape[3] % 8 == 0
    return platform() == "gpu" and query.dtype in _HALF and even and same


def _fused(query: Array, key: Array, value: Array, bias: Any, mask: Any, scale: float, is_causal: bool) -> Array:
    sizes = (query.shape[1], key.shape[1])
    whole = None if mask is None else jnp.broadcast_to(mask, (*mask.shape[:2], *sizes))
    bias = None if bias is None else jnp.broadcast_to(bias, (*bias.shape[:2], *sizes)).astype(query.dtype)
    outputs = jax.nn.dot_product_attention(
        query, key, value, bias, whole, scale=scale, is_causal=is_causal, implementation="cudnn"
    )
    if mask is None:
        return outputs
    seeing = jnp.any(mask & _causal(*sizes) if is_causal else mask, -1)  # [batch, heads, targets]
    return jnp.where(jnp.swapaxes(seeing, 1, 2)[..., None], outputs, 0)


# Each of these is one dispatch when it is called eagerly, and one cached trace when it is not.


@functools.partial(jax.jit, static_argnums=(5, 6, 7))
def attend(
    query: Array,
    key: Array,
    value: Array,
    bias: Any,
    mask: Any,
    scale: float,
    is_causal: bool = False,
    soft_cap: float | None = None,
) -> Array:
    """`dot_product_attention` by XLA's own code."""
    powers, total = _powers(_scores(query, key, bias, scale, soft_cap), mask, is_causal, bias is not None)
    sums = _mix(powers, value)  # [batch, targets, heads, size]
    return (sums / jnp.swapaxes(total, 1, 2)[..., None]).astype(query.dtype)


@functools.partial(jax.jit, static_argnums=(3, 4))
def attention_weights(query: Array, key: Array, mask: Any, scale: float, is_causal: bool = False) -> Array:
    """The weights that values are summed with, [batch, heads, targets, sources]."""
    return masked_softmax(_scores(query, key, None, scale, None), mask, is_causal).astype(query.dtype)


@jax.jit
def weighted_values(weights: Array, value: Array) -> Array:
    """Values summed with weights: [batch, heads, targets, sources] and [batch, sources, shared heads, size]."""
    return _mix(weights, value).astype(value.dtype)


@functools.partial(jax.jit, static_argnums=(2,))
def masked_softmax(scores: Array, mask: Any = None, is_causal: bool = False) -> Array:
    """Softmax over the last axis of what a mask leaves; zeros where it leaves nothing."""
    powers, total = _powers(scores.astype(jnp.promote_types(scores.dtype, "float32")), mask, is_causal, False)
    return (powers / total[..., None]).astype(scores.dtype)


def _scores(query: Array, key: Array, bias: Any, scale: float, soft_cap: float | None) -> Array:
    """How well each query goes with each key, [batch, heads, targets, sources], in float32 at least."""
    batch, targets, heads, _ = query.shape
    wide = jnp.promote_types(query.dtype, "float32")
    grouped = _split_groups(query, key.shape[2])
    scores = scale * jnp.einsum("btkh,bskh->bkts", grouped, key, preferred_element_type=wide)
    scores = scores.reshape(batch, heads, targets, key.shape[1])
    scores = scores if soft_cap is None else soft_cap * jnp.tanh(scores / soft_cap)
    return scores if bias is None else scores + bias.astype(wide)


def _mix(weights: Array, value: Array) -> Array:
    """Values summed with weights, [batch, targets, heads, size]."""
    batch, heads, targets, sources = weights.shape
    shared, size = value.shape[2:]
    grouped = weights.reshape(batch, shared, heads // shared * targets, sources).astype(value.dtype)
    sums = jnp.einsum("bkts,bskh->btkh", grouped, value, preferred_element_type=weights.dtype)
    if heads == shared:
        return sums
    return (
        sums.reshape(batch, heads // shared, targets, shared, size)
        .transpose(0, 2, 3, 1, 4)
        .reshape(batch, targets, heads, size)
    )


def _split_groups(query: Array, shared: int) -> Array:
    """Heads that share keys one after the other along the targets: [batch, groups * targets, shared heads, size].

    So there is no axis more in the product, which XLA on CPU takes twice as long for, and no key is repeated.
    """
    batch, targets, heads, size = query.shape
    if heads == shared:
        return query
    split = query.reshape(batch, targets, shared, heads // shared, size)
    return split.transpose(0, 3, 1, 2, 4).reshape(batch, heads // shared * targets, shared, size)


def _powers(scores: Array, mask: Any, is_causal: bool, biased: bool) -> tuple[Array, Array]:
    """`exp(score - highest)`, zero where masked, and what to divide their sum by."""
    lowest = jnp.finfo(scores.dtype).min / 2
    if is_causal:
        causal = _causal(*scores.shape[-2:]).reshape((1,) * (scores.ndim - 2) + scores.shape[-2:])
        seen = causal if mask is None else mask & causal
    else:
        seen = mask
    scores = scores if seen is None else jnp.where(seen, scores, lowest)
    highest = jnp.maximum(jax.lax.stop_gradient(jnp.max(scores, -1, keepdims=True, initial=-jnp.inf)), lowest)
    powers = jnp.exp(scores - highest)
    total = jnp.sum(powers, -1)
    if mask is not None or biased or not scores.shape[-1]:  # else every query sees a key
        total = jnp.where(highest[..., 0] <= lowest, jnp.inf, total)
    return powers, total


def _causal(targets: int, sources: int) -> Array:
    """Where a source is not later than a target."""
    rows, columns = (jax.lax.broadcasted_iota("int32", (targets, sources), axis) for axis in (0, 1))
    return rows >= columns
