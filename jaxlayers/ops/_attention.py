"""Attention: values summed with weights that follow from the products of queries and keys.

The mathematics is in `numerics.attention`; cuDNN's kernel is in `numerics.platforms.cudnn_attention`.
"""

import jax.numpy as jnp

from jaxlayers import config
from jaxlayers.core import operation
from jaxlayers.numerics.attention import attend
from jaxlayers.numerics.platforms import cudnn_attention
from jaxlayers.numerics.types import Array, ArrayLike

__all__ = ["dot_product_attention"]


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
        key: [batch, sources, shared heads, size]; each head serves `heads / shared heads` heads of the query.
        value: [batch, sources, shared heads, value size].
        bias: added to the scores; broadcasts to [batch, heads, targets, sources].
        mask: True where a target may attend to a source; broadcasts to [batch, heads, targets, sources].
        scale: of the scores; 1 / sqrt(size) by default.
        is_causal: If True, target i attends to the sources 0 to i alone. False by default.
        flash_attention: If True, cuDNN's fused kernel; if False, XLA's code. By default cuDNN's where it is possible,
            unless `config.disable_flash_attention()` was called.
        attn_logits_soft_cap: the bound of the scores, cap tanh(score / cap); on all platforms, in Keras only on TPUs.

    Returns:
        [batch, targets, heads, value size].

    Raises:
        ValueError: if shapes do not match, or `flash_attention=True` is not possible.

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
    if flash_attention or (flash_attention is None and cudnn_attention.suits(query, value)):
        reason = cudnn_attention.reason_against(attn_logits_soft_cap)
        if reason is None:
            try:
                return cudnn_attention.attend_on_cuda(query, key, value, bias, mask, scale, is_causal)
            except cudnn_attention.REFUSALS as error:
                reason = str(error)
        if flash_attention:
            raise ValueError(
                f"ops.dot_product_attention cannot have flash_attention=True: {reason}. Received query "
                f"{query.dtype}{list(query.shape)} and value {list(value.shape)}. With flash_attention=None it uses "
                "cuDNN's kernel only where that is possible."
            )
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
