"""What attention layers with projections share: the projections, masks, the attention itself, and decoding.

Queries, keys and values are projected to heads, every head attends, and the heads are projected to the outputs. The
layers differ in how many heads keys and values have, and in the axes that attention goes over.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import constraints, initializers, ops, regularizers
from jaxlayers.core import Layer
from jaxlayers.layers._config import describe, positive
from jaxlayers.layers.attention._folding import fold, joint_mask, unfold, unfold_scores
from jaxlayers.layers.dropout import Dropout, checked_rate
from jaxlayers.layers.einsum_dense import EinsumDense
from jaxlayers.numerics.attention import attention_weights, weighted_values

_OF_WEIGHTS = ("kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer")
_CONSTRAINTS = ("kernel_constraint", "bias_constraint")


class ProjectedAttention(Layer):
    """Attention between projections; a subclass says how many heads of which sizes."""

    heads: int
    shared_heads: int
    size: int
    value_size: int
    output_sizes: tuple[int, ...] | None = None
    axes: tuple[int, ...] | None = None

    def __init__(
        self,
        dropout: float,
        use_bias: bool,
        sliding_window: int | None,
        flash_attention: bool | None,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
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
                f"{type(self).__name__}: flash_attention=True goes without dropout; received dropout={dropout}. Leave "
                "it at None, which takes the fused kernel where it can."
            )
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self._projections_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

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
        super().build(query_shape)

    def _projection(
        self, name: str, shape: Any, sizes: tuple[int, ...], contracted: int = 1, **more: Any
    ) -> EinsumDense:
        """From the last axes of inputs of this rank to axes of these sizes."""
        letters = "abcdefghijklmnopqrstuvwxyz"
        free, inner = letters[: len(shape) - contracted], letters[len(shape) - contracted : len(shape)]
        outer = letters[len(shape) : len(shape) + len(sizes)]
        options = {name: getattr(self, name) for name in (*_OF_WEIGHTS, *_CONSTRAINTS)}
        return EinsumDense(
            f"{free}{inner},{inner}{outer}->{free}{outer}",
            (None,) * (len(free) - 1) + tuple(sizes),
            bias_axes=outer if self.use_bias else None,
            activity_regularizer=self._projections_regularizer,
            dtype=self.dtype_policy,
            name=name,
            **options,
            **more,
        )

    def _check_shapes(self, query: tuple[int, ...], value: tuple[int, ...], key: tuple[int, ...]) -> None:
        axes = self._axes(len(query))
        batches = [a for a in range(len(query) - 1) if a not in axes]
        if len({len(query), len(value), len(key)}) > 1 or len(query) < 3 or value[:-1] != key[:-1]:
            problem = "value and key of one shape but for the last axis, and as many axes in the query (3 at least)"
        elif any(query[a] != value[a] for a in batches):
            problem = f"query and value of one size along the axes {batches}, which attention does not go over"
        else:
            return
        raise ValueError(f"{self.path!r} expects {problem}; received shapes {query} (query), {value}, {key} (key).")

    def _axes(self, rank: int) -> tuple[int, ...]:
        """The axes that attention goes over, for inputs of this rank."""
        if self.axes is None:
            return tuple(range(1, rank - 1))
        if any(not -rank <= axis < rank or axis % rank == rank - 1 for axis in self.axes):
            raise ValueError(
                f"{self.path!r} has attention_axes={self.axes}, which must be axes of its inputs before the last; "
                f"received inputs with {rank} axes."
            )
        return tuple(axis % rank for axis in self.axes)

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
        """Project, attend, project."""
        key = value if key is None else key
        self._check_shapes(query.shape, value.shape, key.shape)
        axes, targets, sources = self._axes(query.ndim), query.shape[:-1], value.shape[:-1]
        given = query_mask, value_mask, key_mask, attention_mask
        mask = joint_mask(given, targets, sources, axes, self.sliding_window)
        projected = (self._query_dense(query), self._key_dense(key), self._value_dense(value))
        folded = [fold(array, axes) for array in projected]
        outputs, scores = self._attend(folded, mask, use_causal_mask, training, return_attention_scores)
        outputs = self._output_of(unfold(outputs, targets, axes), query)
        return (outputs, unfold_scores(scores, targets, sources, axes)) if return_attention_scores else outputs

    def _attend(
        self, folded: list[jax.Array], mask: Any, is_causal: bool, training: bool | None, return_scores: bool
    ) -> tuple[jax.Array, Any]:
        scale = self.size**-0.5
        dropping = bool(training) and self.dropout > 0
        if not dropping and not return_scores:
            fused = self.flash_attention
            outputs = ops.dot_product_attention(
                *folded, mask=mask, scale=scale, is_causal=is_causal, flash_attention=fused
            )
            return outputs, None
        if self.flash_attention:
            raise ValueError(
                f"{self.path!r} has flash_attention=True, which has no scores to return. Make it with None, or call it "
                "with return_attention_scores=False."
            )
        weights = attention_weights(folded[0], folded[1], mask, scale, is_causal)
        dropped = self._dropout_layer(weights, training=True) if dropping else weights
        return weighted_values(dropped, folded[2]), weights

    def _output_of(self, outputs: jax.Array, query: jax.Array) -> jax.Array:
        return self._output_dense(outputs * self._gate_dense(query) if self.use_gate else outputs)

    def init_cache(self, batch: int, length: int, dtype: Any = None) -> dict[str, jax.Array]:
        """Room for the keys and values of `length` steps, for `decode`.

        Args:
            batch: the batch size.
            length: how many steps there may be.
            dtype: of the arrays; the compute dtype by default.
        """
        dtype = self.compute_dtype if dtype is None else dtype
        sizes = {"key": self.size, "value": self.value_size}
        return {name: jnp.zeros((batch, length, self.shared_heads, size), dtype) for name, size in sizes.items()}

    def decode(
        self, query: jax.Array, cache: dict[str, jax.Array], index: Any
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Causal self-attention of the next steps alone, over all steps so far: what `call` gives for these steps.

        Args:
            query: `[batch, steps, features]`, the inputs of the steps `index` to `index + steps - 1`.
            cache: from `init_cache`, or from the call before. Nothing on the layer changes.
            index: the number of the first of these steps, an integer or a traced one; `index + steps` must not be more
                than the cache's length.

        Returns:
            The outputs `[batch, steps, ...]`, and the cache with these steps in it.
        """
        if not self.built or query.ndim != 3:
            raise ValueError(
                f"{self.path!r} decodes once it is built, with inputs [batch, steps, features]; received shape "
                f"{query.shape}{'' if self.built else ' before it was built'}."
            )
        steps, length = query.shape[1], cache["key"].shape[1]
        new = {"key": self._key_dense(query), "value": self._value_dense(query)}
        cache = {
            name: jax.lax.dynamic_update_slice_in_dim(held, new[name].astype(held.dtype), index, 1)
            for name, held in cache.items()
        }
        distance = (index + jnp.arange(steps))[:, None] - jnp.arange(length)[None]
        seen = distance >= 0 if self.sliding_window is None else (distance >= 0) & (distance < self.sliding_window)
        heads = [self._query_dense(query), cache["key"], cache["value"]]
        outputs = ops.dot_product_attention(
            *heads, mask=seen[None, None], scale=self.size**-0.5, flash_attention=self.flash_attention
        )
        return self._output_of(outputs, query), cache

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again; `flash_attention`, which Keras's lack, when it is not None."""
        arguments = ("dropout", "use_bias", "use_gate", "sliding_window", "seed", *_OF_WEIGHTS, *_CONSTRAINTS)
        config = {**super().get_config(), **describe(self, *arguments)}
        config["activity_regularizer"] = regularizers.serialize(self._projections_regularizer)
        return config if self.flash_attention is None else {**config, "flash_attention": self.flash_attention}
