"""Attention of several heads that share keys and values."""

from __future__ import annotations

from typing import Any

from jaxlayers import regularizers
from jaxlayers.common.constructors import passes_on
from jaxlayers.layers._config import positive
from jaxlayers.layers.attention._projected import ProjectedAttention


class GroupQueryAttention(ProjectedAttention):
    """Multi-head attention in which several heads of the query share a head of keys and values.

    For each head `softmax(q k^T / sqrt(head_dim)) v`; head i of the query goes with head
    `i // (num_query_heads / num_key_value_heads)` of keys and values, which are not repeated in memory. What is said of
    masks at `MultiHeadAttention` holds here too.

    Args:
        head_dim: the size of a head.
        num_query_heads: the number of heads of the query.
        num_key_value_heads: the number of heads of keys and values, which divides it.
        dropout: the part of the weights that is dropped while training.
        use_bias: whether the projections have biases.
        sliding_window: how far apart query and key may be, less one, on either side.
        flash_attention: True for cuDNN's fused kernel or an error, False for none; by default where it can be had.
        kernel_initializer, bias_initializer: how the projections' weights start.
        kernel_regularizer, bias_regularizer: what they add to the losses.
        activity_regularizer: what the outputs, and those of each projection, add to the losses.
        kernel_constraint, bias_constraint: applied after each update.
        use_gate: whether the heads are multiplied by sigmoids of a projection of the query, arXiv:2505.06708.
        seed: of the dropout; an integer, for draws that repeat.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        query: `[batch, targets, features]`; value, key: `[batch, sources, features]`; masks as of
        `MultiHeadAttention`; outputs: `[batch, targets, features]`; scores, with `return_attention_scores`:
        `[batch, num_query_heads, targets, sources]`.

    Raises:
        ValueError: for arguments out of range, shapes that do not go together, and `flash_attention=True` where that
            is not possible.

    Source: Ainslie et al., "GQA: Training Generalized Multi-Query Transformer Models", arXiv:2305.13245.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.GroupQueryAttention(head_dim=4, num_query_heads=4, num_key_value_heads=2)
        >>> x = jnp.ones((1, 3, 8))
        >>> layer(x, x, use_causal_mask=True).shape
        (1, 3, 8)
    """

    @passes_on
    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: Any = None,
        **kwargs: Any,
    ):
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.head_dim = self.size = self.value_size = positive(self, "head_dim", head_dim)
        self.num_query_heads = self.heads = positive(self, "num_query_heads", num_query_heads)
        self.num_key_value_heads = self.shared_heads = positive(self, "num_key_value_heads", num_key_value_heads)
        if num_query_heads % num_key_value_heads:
            raise ValueError(
                "GroupQueryAttention: num_key_value_heads must divide num_query_heads; received "
                f"{num_key_value_heads} and {num_query_heads}."
            )
