"""Multi-head attention in which several query heads share the heads of keys and values."""

from __future__ import annotations

from typing import Any

from jaxlayers import regularizers
from jaxlayers.common.constructors import passes_on
from jaxlayers.layers._config import positive
from jaxlayers.layers.attention._projected import ProjectedAttention


class GroupQueryAttention(ProjectedAttention):
    """Grouped-query attention: several query heads share one head of keys and values.

    Each head computes `softmax(q k^T / sqrt(head_dim)) v`. Query head i uses head
    `i // (num_query_heads / num_key_value_heads)` of keys and values, which are not repeated in memory. Masks are
    treated as in `MultiHeadAttention`.

    Args:
        head_dim: the size of a head.
        num_query_heads: the number of heads of the query.
        num_key_value_heads: the number of heads of keys and values, a divisor of `num_query_heads`.
        dropout: the fraction of attention weights that are dropped during training; 0 by default.
        use_bias: if True (the default), the projections have biases.
        sliding_window: a query attends to the keys at a distance of less than this, on either side; None (the default)
            for all keys.
        flash_attention: True for the fused kernel of cuDNN, with an error where it cannot be used; False to never use
            it; None (the default) to use it where it can be.
        kernel_initializer, bias_initializer: initializers of the projections; `"glorot_uniform"` and `"zeros"` by
            default.
        kernel_regularizer, bias_regularizer: regularizers of the projections' weights; their penalties are added to the
            losses.
        activity_regularizer: a regularizer of the outputs, and of the outputs of each projection; its penalties are
            added to the losses.
        kernel_constraint, bias_constraint: constraints of the projections' weights, applied after each update.
        use_gate: if True, the outputs of the heads are multiplied by the sigmoid of another projection of the query
            (arXiv:2505.06708). False by default.
        seed: the seed of the dropout: an integer makes it repeatable; None (the default) draws one.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        query: `[batch, targets, features]`; value, key: `[batch, sources, features]`; masks: those of
        `MultiHeadAttention`; outputs: `[batch, targets, features]`; attention weights, returned with
        `return_attention_scores=True`: `[batch, num_query_heads, targets, sources]`.

    Raises:
        ValueError: when an argument is invalid; when the shapes of the inputs or masks do not fit each other; when
            `flash_attention` is True and the fused kernel cannot be used.

    Source: Ainslie et al., "GQA: Training Generalized Multi-Query Transformer Models", arXiv:2305.13245.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.GroupQueryAttention(head_dim=4, num_query_heads=4, num_key_value_heads=2)
        >>> x = jnp.ones((1, 3, 8))
        >>> layer(x, x, use_causal_mask=True).shape
        (1, 3, 8)
    """

    _class_in_files = "GroupedQueryAttention"  # the name of Keras's class, which its module exports under this one

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
