"""The base of attention layers with projections: projections, masks, attention and decoding.

Query, key and value are projected to heads, each head computes its attention, and the heads are projected to the
outputs. The subclasses differ in the number of heads of key and value, and in the axes that attention goes over.
"""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxlayers import ops, regularizers
from jaxlayers.layers._config import positive
from jaxlayers.layers._weight_arguments import WeightArguments
from jaxlayers.layers.attention._folding import fold, joint_mask, unfold, unfold_scores
from jaxlayers.layers.dropout import Dropout, checked_rate
from jaxlayers.layers.einsum_dense import EinsumDense
from jaxlayers.numerics.attention import attention_weights, weighted_values


class ProjectedAttention(WeightArguments, weights=("kernel", "bias")):
    """Multi-head attention between projections; a subclass sets the number of heads and their sizes."""

    heads: int  # of the query
    shared_heads: int  # of key and value
    size: int  # of a head of query and key
    value_size: int  # of a head of the value
    output_sizes: tuple[int, ...] | None = None  # the last axes of the outputs; None for the last size of the query
    attention_axes: tuple[int, ...] | None = None  # None for all but the first and the last
    _config_attributes: ClassVar[dict[str, str | None]] = {"activity_regularizer": "_projections_regularizer"}
    _config_if_changed = ("flash_attention",)  # Keras's configs have no such option

    def __init__(
        self,
        dropout: float,
        use_bias: bool,
        sliding_window: int | None,
        flash_attention: bool | None,
        activity_regularizer: Any,
        use_gate: bool,
        seed: Any,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.dropout, self.use_bias, self.use_gate, self.seed = checked_rate(self, dropout), use_bias, use_gate, seed
        self.sliding_window = sliding_window
        if sliding_window is not None:
            self.sliding_window = positive(self, "sliding_window", sliding_window)
        self.flash_attention = flash_attention
        if flash_attention and dropout > 0:
            raise ValueError(
                f"{type(self).__name__}: flash_attention=True does not support dropout; received dropout={dropout}. "
                "Use flash_attention=None, which uses the fused kernel where it can."
            )
        self._projections_regularizer = regularizers.get(activity_regularizer)

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        """Make the projections for inputs of these shapes."""
        key_shape = value_shape if key_shape is None else key_shape
        self._check_shapes(tuple(query_shape), tuple(value_shape), tuple(key_shape))
        heads, shared = self.heads, self.shared_heads
        self._query_dense = self._projection("query", query_shape, (heads, self.size))
        self._key_dense = self._projection("key", key_shape, (shared, self.size))
        if self.use_gate:
            self._gate_dense = self._projection("gate", query_shape, (heads, self.value_size), activation="sigmoid")
        self._value_dense = self._projection("value", value_shape, (shared, self.value_size))
        if self.dropout > 0:
            self._dropout_layer = Dropout(self.dropout, seed=self.seed, dtype=self.dtype_policy)
        self._output_dense = self._projection(
            "attention_output", (*query_shape, None), self.output_sizes or (query_shape[-1],), contracted=2
        )

    def _projection(
        self, name: str, shape: Any, sizes: tuple[int, ...], contracted: int = 1, **more: Any
    ) -> EinsumDense:
        """A dense layer from the last `contracted` axes of inputs with `len(shape)` axes to axes of these sizes."""
        letters = "abcdefghijklmnopqrstuvwxyz"
        free, inner = letters[: len(shape) - contracted], letters[len(shape) - contracted : len(shape)]
        outer = letters[len(shape) : len(shape) + len(sizes)]
        return EinsumDense(
            f"{free}{inner},{inner}{outer}->{free}{outer}",
            (None,) * (len(free) - 1) + tuple(sizes),
            bias_axes=outer if self.use_bias else None,
            activity_regularizer=self._projections_regularizer,
            dtype=self.dtype_policy,
            name=name,
            **{name: getattr(self, name) for name in self._passed_on},
            **more,
        )

    def _check_shapes(self, query: tuple[int, ...], value: tuple[int, ...], key: tuple[int, ...]) -> None:
        axes = self._axes(len(query))
        batches = [a for a in range(len(query) - 1) if a not in axes]
        if len({len(query), len(value), len(key)}) > 1 or len(query) < 3 or value[:-1] != key[:-1]:
            expected = "query, value and key with the same number of axes (at least 3), value and key with the same "
            expected += "shape except for the last axis"
        elif any(query[a] != value[a] for a in batches):
            expected = f"query and value with the same sizes along the axes {batches}, which attention does not go over"
        else:
            return
        raise ValueError(
            f"{self.path!r} expects {expected}; received shapes {query} (query), {value} (value) and {key} (key)."
        )

    def _axes(self, rank: int) -> tuple[int, ...]:
        """The attention axes as non-negative integers, for inputs with `rank` axes."""
        if self.attention_axes is None:
            return tuple(range(1, rank - 1))
        if any(not -rank <= axis < rank or axis % rank == rank - 1 for axis in self.attention_axes):
            raise ValueError(
                f"{self.path!r} has attention_axes={self.attention_axes}, which must be axes of its inputs before the "
                f"last; received inputs with {rank} axes."
            )
        return tuple(axis % rank for axis in self.attention_axes)

    def call(
        self,
        query: jax.Array,
        value: jax.Array,
        key: jax.Array | None = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Project to heads, compute the attention, project to the outputs.

        Args:
            query: the query.
            value: the value.
            key: the key; the value by default.
            query_mask: the mask of the query; None (the default) for none.
            value_mask: the mask of the value; None (the default) for none.
            key_mask: the mask of the key; None (the default) for none.
            attention_mask: a mask of pairs of target and source positions; None (the default) for none.
            return_attention_scores: if True, the attention weights are returned as well. False by default.
            training: if True, dropout is applied to the attention weights.
            use_causal_mask: if True, no target attends to a source at a later position. False by default.
        """
        key = value if key is None else key
        self._check_shapes(query.shape, value.shape, key.shape)
        axes, targets, sources = self._axes(query.ndim), query.shape[:-1], value.shape[:-1]
        masks = query_mask, value_mask, key_mask, attention_mask
        mask = joint_mask(masks, targets, sources, axes, self.sliding_window)
        projected = (self._query_dense(query), self._key_dense(key), self._value_dense(value))
        folded = [fold(array, axes) for array in projected]
        outputs, scores = self._attend(folded, mask, use_causal_mask, training, return_attention_scores)
        outputs = self._project_outputs(unfold(outputs, targets, axes), query)
        return (outputs, unfold_scores(scores, targets, sources, axes)) if return_attention_scores else outputs

    def _attend(
        self, folded: list[jax.Array], mask: Any, is_causal: bool, training: bool | None, return_scores: bool
    ) -> tuple[jax.Array, Any]:
        """The outputs of the heads and the attention weights; None for weights that are not needed."""
        scale = self.size**-0.5
        drop = bool(training) and self.dropout > 0
        if not drop and not return_scores:
            query, key, value = folded
            outputs = ops.dot_product_attention(
                query, key, value, None, mask, scale, is_causal, flash_attention=self.flash_attention
            )
            return outputs, None
        if self.flash_attention:
            raise ValueError(
                f"{self.path!r} has flash_attention=True, which cannot return scores. Make the layer with "
                "flash_attention=None, or call it with return_attention_scores=False."
            )
        weights = attention_weights(folded[0], folded[1], mask, scale, is_causal)
        dropped = self._dropout_layer(weights, training=True) if drop else weights
        return weighted_values(dropped, folded[2]), weights

    def _project_outputs(self, outputs: jax.Array, query: jax.Array) -> jax.Array:
        """Project the outputs of the heads, multiplied by the gate if there is one."""
        return self._output_dense(outputs * self._gate_dense(query) if self.use_gate else outputs)

    def init_cache(self, batch: int, length: int, dtype: Any = None) -> dict[str, jax.Array]:
        """Return a cache for the keys and values of `length` time steps, filled with zeros, for `decode`.

        Args:
            batch: the batch size.
            length: the largest number of time steps.
            dtype: the dtype of the cache; the compute dtype by default.

        Returns:
            A dict of `key`, `[batch, length, heads, size]`, and `value`, `[batch, length, heads, value size]`.
        """
        dtype = self.compute_dtype if dtype is None else dtype
        sizes = {"key": self.size, "value": self.value_size}
        return {name: jnp.zeros((batch, length, self.shared_heads, size), dtype) for name, size in sizes.items()}

    def decode(
        self, query: jax.Array, cache: dict[str, jax.Array], index: Any
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Compute causal self-attention for the next time steps, with the keys and values of the earlier ones cached.

        The outputs are those of a `call` with `use_causal_mask=True` on all time steps up to these. The layer does not
        change.

        Args:
            query: `[batch, steps, features]`, the inputs of the time steps `index` to `index + steps - 1`.
            cache: the cache from `init_cache`, or from the previous call of `decode`.
            index: the index of the first of these time steps, an integer or an integer array. `index + steps` must not
                exceed the length of the cache.

        Returns:
            The outputs `[batch, steps, ...]`, and the cache with these time steps added.

        Raises:
            ValueError: when the layer is not built, or the query does not have three axes.
        """
        if not self.built or query.ndim != 3:
            raise ValueError(
                f"{self.path!r} must be built before decode is called, and expects inputs [batch, steps, features]; "
                f"received shape {query.shape}{'' if self.built else ' before it was built'}."
            )
        steps, length = query.shape[1], cache["key"].shape[1]
        new = {"key": self._key_dense(query), "value": self._value_dense(query)}
        cache = {
            name: jax.lax.dynamic_update_slice_in_dim(cached, new[name].astype(cached.dtype), index, 1)
            for name, cached in cache.items()
        }
        distance = (index + jnp.arange(steps))[:, None] - jnp.arange(length)[None]
        mask = distance >= 0 if self.sliding_window is None else (distance >= 0) & (distance < self.sliding_window)
        outputs = ops.dot_product_attention(
            self._query_dense(query),
            cache["key"],
            cache["value"],
            mask=mask[None, None],
            scale=self.size**-0.5,
            flash_attention=self.flash_attention,
        )
        return self._project_outputs(outputs, query), cache
