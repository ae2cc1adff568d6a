"""Attention without projections: by products of queries and keys, or by what a sum of them says."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import random
from jaxlayers.core import Layer, Variable
from jaxlayers.core.scope import unwrap
from jaxlayers.layers._config import describe
from jaxlayers.layers.dropout import checked_rate
from jaxlayers.numerics.attention import masked_softmax


class Attention(Layer):
    """Sums up values by how well their keys go with a query: `softmax(scores) value`.

    The scores are `scale * query key^T` (`"dot"`, Luong), or `weight * sum(tanh(scale * (query + key)))` (`"concat"`).

    Args:
        use_scale: whether there is a trainable `scale`, a scalar.
        score_mode: `"dot"` or `"concat"`.
        dropout: the part of the weights that is dropped while training.
        seed: of the dropout; an integer, for draws that repeat.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: a list of query `[batch, targets, size]`, value `[batch, sources, value size]` and, optionally, key
        `[batch, sources, size]`, which is the value otherwise; mask: a list of those of query `[batch, targets]`, value
        and key `[batch, sources]`, each may be None; outputs: `[batch, targets, value size]`, zeros where the query is
        masked or sees nothing (Keras takes the mean of the values there); scores, with `return_attention_scores`:
        `[batch, targets, sources]`.

    Raises:
        ValueError: when the inputs are no such list, or `score_mode` is something else.

    Source: Luong et al., "Effective Approaches to Attention-based Neural Machine Translation", arXiv:1508.04025.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> query, value = jnp.zeros((1, 2, 3)), jnp.arange(6.0).reshape(1, 2, 3)
        >>> jl.layers.Attention()([query, value], use_causal_mask=True).tolist()
        [[[0.0, 1.0, 2.0], [1.5, 2.5, 3.5]]]
    """

    def __init__(
        self, use_scale: bool = False, score_mode: str = "dot", dropout: float = 0.0, seed: Any = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(f"{type(self).__name__}: score_mode must be 'dot' or 'concat'; received {score_mode!r}.")
        self.use_scale, self.score_mode, self.dropout, self.seed = use_scale, score_mode, dropout, seed
        self.seed_generator = random.SeedGenerator(seed) if checked_rate(self, dropout) else None
        self.scale: Variable | Any = None
        self.concat_score_weight: Variable | Any = None

    def build(self, input_shape: Any) -> None:
        """Make the scale, as far as it is wanted."""
        self._check_inputs(input_shape)
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(name="concat_score_weight", shape=(), initializer="ones")
        super().build(input_shape)

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Score, mask, sum up."""
        self._check_inputs(inputs, mask)
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, *source_masks = mask or [None]
        seen = None
        for one in source_masks:
            if one is not None:
                allowed = jnp.asarray(one).astype(bool)[..., None, :]
                seen = allowed if seen is None else seen & allowed
        weights = masked_softmax(self._scores(query, key), seen, use_causal_mask)
        dropping = training and self.dropout > 0
        dropped = random.dropout(weights, self.dropout, seed=self.seed_generator) if dropping else weights
        outputs = jnp.matmul(dropped, value)
        if query_mask is not None:
            outputs = jnp.where(jnp.asarray(query_mask).astype(bool)[..., None], outputs, 0)
        return (outputs, weights) if return_attention_scores else outputs

    def _scores(self, query: jax.Array, key: jax.Array) -> jax.Array:
        scale = 1 if self.scale is None else unwrap(self.scale)
        if self.score_mode == "dot":
            return scale * jnp.matmul(query, jnp.swapaxes(key, -2, -1))
        return unwrap(self.concat_score_weight) * jnp.sum(jnp.tanh(scale * _pairs(query, key)), -1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The query's mask."""
        self._check_inputs(inputs, mask)
        return mask[0] if mask else None

    def _check_inputs(self, inputs: Any, mask: Any = None) -> None:
        several = isinstance(inputs, list | tuple) and len(inputs) in (2, 3)
        if not several or any(one is None or isinstance(one, int) for one in inputs):  # the shape of one array
            raise ValueError(
                f"{self.path!r} expects a list of query, value and, optionally, key; received "
                f"{jax.tree.map(lambda a: getattr(a, 'shape', a), inputs)}."
            )
        if mask is not None and (not isinstance(mask, list | tuple) or len(mask) not in (2, 3)):
            raise ValueError(
                f"{self.path!r} expects as mask a list of the query's, the value's and, optionally, the key's; "
                f"received {jax.tree.map(lambda a: getattr(a, 'shape', a), mask)}."
            )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), **describe(self, "use_scale", "score_mode", "dropout", "seed")}


class AdditiveAttention(Attention):
    """Sums up values by `softmax(sum(scale * tanh(query + key))) value` (Bahdanau).

    Args:
        use_scale: whether there is a trainable `scale`, of the size of query and key.
        dropout: the part of the weights that is dropped while training.
        **kwargs: `seed` of `Attention`; `name`, `dtype`, ... of `Layer`.

    Shapes:
        as of `Attention`.

    Source: Bahdanau et al., "Neural Machine Translation by Jointly Learning to Align and Translate", arXiv:1409.0473.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> query, value = jnp.zeros((1, 2, 3)), jnp.ones((1, 4, 3))
        >>> jl.layers.AdditiveAttention()([query, value]).round(2).tolist()
        [[[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]]
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any):
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: Any) -> None:
        """Make the scale, if it is wanted."""
        self._check_inputs(input_shape)
        if self.use_scale:
            size = input_shape[0][-1]
            self.scale = self.add_weight(name="scale", shape=(size,), initializer="glorot_uniform")
        Layer.build(self, input_shape)

    def _scores(self, query: jax.Array, key: jax.Array) -> jax.Array:
        return _additive_scores(query, key, unwrap(self.scale))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        config = super().get_config()
        del config["score_mode"]
        return config


def _pairs(query: jax.Array, key: jax.Array) -> jax.Array:
    return query[..., :, None, :] + key[..., None, :, :]


@jax.jit
def _additive_scores(query: jax.Array, key: jax.Array, scale: jax.Array | None) -> jax.Array:
    values = jnp.tanh(_pairs(query, key))
    return jnp.sum(values, -1) if scale is None else jnp.einsum("...i,i->...", values, scale)
