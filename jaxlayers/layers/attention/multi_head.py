"""Attention of several heads, over any axes."""

from __future__ import annotations

from typing import Any, ClassVar

from jaxlayers.common.constructors import passes_on
from jaxlayers.layers._config import positive
from jaxlayers.layers.attention._projected import ProjectedAttention
from jaxlayers.layers.einsum_dense import EinsumDense


class MultiHeadAttention(ProjectedAttention):
    """Every position of the query sums up the values, by how well it goes with their keys; several times over.

    For each head `softmax(q k^T / sqrt(key_dim)) v`, with q, k and v projections of query, key and value; the heads
    together are projected to the outputs.

    Masks are True where something counts. `query_mask`, `value_mask` and `key_mask` may travel with the arrays; where
    they are given, they are used (Keras drops a `query_mask` that is given). A query that sees nothing contributes
    zeros before the last projection, where Keras takes the mean of the values. Causal masks and windows take positions
    in the order of their axes, row after row, when attention goes over several.

    Args:
        num_heads: the number of heads.
        key_dim: the size of a head's queries and keys.
        value_dim: the size of a head's values; `key_dim` by default.
        dropout: the part of the weights that is dropped while training.
        use_bias: whether the projections have biases.
        output_shape: the size, or sizes, of the outputs' last axes; the query's last size by default.
        attention_axes: the axes that attention goes over; by default all but the first and the last.
        sliding_window: how far apart query and key may be, less one, on either side.
        flash_attention: True for cuDNN's fused kernel or an error, False for none; by default where it can be had.
        kernel_initializer, bias_initializer: how the projections' weights start.
        kernel_regularizer, bias_regularizer: what they add to the losses.
        activity_regularizer: what the outputs of each projection add to the losses.
        kernel_constraint, bias_constraint: applied after each update.
        use_gate: whether the heads are multiplied by sigmoids of a projection of the query, arXiv:2505.06708.
        seed: of the dropout; an integer, for draws that repeat.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        query: `[batch, targets, features]`; value, key: `[batch, sources, features]`, each with features of its own;
        query_mask: `[batch, targets]`; value_mask, key_mask: `[batch, sources]`; attention_mask: broadcasts to
        `[batch, heads, targets, sources]`, the axis of the heads left out or not; outputs:
        `[batch, targets, output_shape]`; scores, with `return_attention_scores`: `[batch, heads, targets, sources]`.
        With more axes than three, `attention_axes` are in the places of targets and sources, the others are batches.

    Raises:
        ValueError: for arguments out of range, shapes that do not go together, and `flash_attention=True` where that
            is not possible.

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
                    f"MultiHeadAttention: attention_axes must be an integer or several; received {attention_axes!r}."
                )
            self.axes = tuple(axes)

    @property
    def attention_axes(self) -> tuple[int, ...] | None:
        """The axes that attention goes over, as they were given."""
        return self.axes

    @property
    def query_dense(self) -> EinsumDense:
        """The projection of the query."""
        return self._query_dense

    @property
    def key_dense(self) -> EinsumDense:
        """The projection of the key."""
        return self._key_dense

    @property
    def value_dense(self) -> EinsumDense:
        """The projection of the value."""
        return self._value_dense

    @property
    def output_dense(self) -> EinsumDense:
        """The projection of the heads to the outputs."""
        return self._output_dense
