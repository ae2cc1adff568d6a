"""Multi-head attention, over one or more axes."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, ClassVar

from jaxlayers.common.constructors import passes_on
from jaxlayers.layers._config import positive
from jaxlayers.layers.attention._projected import ProjectedAttention


class MultiHeadAttention(ProjectedAttention):
    """Multi-head attention: `softmax(q k^T / sqrt(key_dim)) v` for each head.

    `q`, `k` and `v` are projections of query, key and value, one of each for each head. The concatenated heads are
    projected to the outputs.

    Masks are False at positions to leave out. `query_mask`, `value_mask` and `key_mask` are by default the masks that
    the inputs carry. An argument `query_mask` is used as well. (Keras ignores it.) A query whose sources are all masked
    gives zeros before the output projection. (Keras returns the projected mean of the values.) If there are several
    attention axes, causal masks and sliding windows refer to positions in row-major order.

    Args:
        num_heads: the number of heads.
        key_dim: the size of a head of query and key.
        value_dim: the size of a head of the value; `key_dim` by default.
        dropout: the fraction of attention weights that are dropped during training; 0 by default.
        use_bias: if True (the default), the projections have biases.
        output_shape: the size of the last axis of the outputs, or the sizes of several last axes; by default the size
            of the last axis of the query.
        attention_axes: the axes that attention goes over; by default all but the first and the last.
        sliding_window: a query attends to the keys at a distance of less than this, on either side; None (the default)
            for all keys.
        flash_attention: True for the fused kernel of cuDNN, with an error where it cannot be used; False to never use
            it; None (the default) to use it where it can be.
        kernel_initializer, bias_initializer: initializers of the projections; `"glorot_uniform"` and `"zeros"` by
            default.
        kernel_regularizer, bias_regularizer: regularizers of the projections' weights; their penalties are added to the
            losses.
        activity_regularizer: a regularizer of the outputs of each projection; its penalties are added to the losses.
        kernel_constraint, bias_constraint: constraints of the projections' weights, applied after each update.
        use_gate: if True, the outputs of the heads are multiplied by the sigmoid of another projection of the query
            (arXiv:2505.06708). False by default.
        seed: the seed of the dropout: an integer makes it repeatable; None (the default) draws one.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        query: `[batch, targets, query features]`; value: `[batch, sources, value features]`; key:
        `[batch, sources, key features]`, by default the value; query_mask: `[batch, targets]`; value_mask, key_mask:
        `[batch, sources]`; attention_mask: a shape that broadcasts to `[batch, heads, targets, sources]`, with or
        without the axis of heads; outputs: `[batch, targets, output_shape]`; attention weights, returned with
        `return_attention_scores=True`: `[batch, heads, targets, sources]`. In inputs with more than three axes, the
        attention axes take the place of targets and sources, and the others that of the batch.

    Raises:
        ValueError: when an argument is invalid; when the shapes of the inputs or masks do not fit each other; when
            `flash_attention` is True and the fused kernel cannot be used.

    Source: Vaswani et al., "Attention Is All You Need", arXiv:1706.03762.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.MultiHeadAttention(num_heads=2, key_dim=4)
        >>> x = jnp.ones((1, 3, 8))
        >>> layer(x, x, use_causal_mask=True).shape
        (1, 3, 8)
        >>> cache = layer.init_cache(batch=1, length=3)
        >>> outputs, cache = layer.decode(x[:, :1], cache, 0)  # one step after the other, for generation
        >>> outputs.shape
        (1, 1, 8)
    """

    _config_attributes: ClassVar[dict[str, str | None]] = {"output_shape": "output_sizes"}

    @passes_on
    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
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
        self.num_heads = self.heads = self.shared_heads = positive(self, "num_heads", num_heads)
        self.key_dim = self.size = positive(self, "key_dim", key_dim)
        value_dim = key_dim if value_dim is None else value_dim
        self.value_dim = self.value_size = positive(self, "value_dim", value_dim)
        if output_shape is not None:
            sizes = output_shape if isinstance(output_shape, list | tuple) else [output_shape]
            self.output_sizes = tuple(positive(self, "output_shape", size) for size in sizes) or None
        axes = attention_axes if isinstance(attention_axes, list | tuple) else [attention_axes]
        if attention_axes is not None:
            if not axes or not all(hasattr(axis, "__index__") for axis in axes):
                raise ValueError(
                    "MultiHeadAttention: attention_axes must be an integer or a list of integers; received "
                    f"{attention_axes!r}."
                )
            self.attention_axes = tuple(axes)

    _properties_in_files = ("query_dense", "key_dense", "value_dense", "output_dense")  # Keras finds them by these
    query_dense = property(attrgetter("_query_dense"), doc="The projection of the query.")
    key_dense = property(attrgetter("_key_dense"), doc="The projection of the key.")
    value_dense = property(attrgetter("_value_dense"), doc="The projection of the value.")
    output_dense = property(attrgetter("_output_dense"), doc="The projection of the heads to the outputs.")
