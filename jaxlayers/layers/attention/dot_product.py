"""Attention without projections, with multiplicative or additive scores."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxlayers import random
from jaxlayers.common.array_like import unwrap
from jaxlayers.core import Layer, Variable
from jaxlayers.layers.dropout import checked_rate
from jaxlayers.numerics.attention import masked_softmax
from jaxlayers.numerics.types import wide, wide_dtype


class Attention(Layer):
    """Dot-product attention (Luong): `outputs = softmax(scores) value`.

    The scores are `scale * query key^T` with `score_mode="dot"`. With `score_mode="concat"` they are
    `weight * sum(tanh(scale * (query + key)))`, where the sum is over the features.

    Args:
        use_scale: if True, `scale` is a trainable scalar; otherwise (the default) it is 1.
        score_mode: `"dot"` (the default) or `"concat"`.
        dropout: the fraction of attention weights that are dropped during training; 0 by default.
        seed: the seed of the dropout: an integer makes it repeatable; None (the default) draws one.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: a list of the query `[batch, targets, size]`, the value `[batch, sources, value size]` and, optionally,
        the key `[batch, sources, size]`, by default the value; mask: a list of the masks of query `[batch, targets]`,
        value and key `[batch, sources]`, each of which may be None; outputs: `[batch, targets, value size]`; attention
        weights after dropout, returned with `return_attention_scores=True`: `[batch, targets, sources]`. Outputs are
        zero where the query is masked or all sources are masked. (In the second case Keras returns the mean of the
        values.)

    Raises:
        ValueError: when the inputs or the masks are not such a list, or `score_mode` is unknown.

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
        """Make the scale, and the weight of additive scores, if the arguments ask for them."""
        self._check_inputs(input_shape)
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(name="concat_score_weight", shape=(), initializer="ones")

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Compute the attention weights, and the sums of the values.

        Args:
            inputs: the list of query, value and, optionally, key.
            mask: the list of their masks; None (the default) for none.
            training: if True, dropout is applied to the attention weights. False by default.
            return_attention_scores: if True, the attention weights are returned as well, after dropout. False by
                default.
            use_causal_mask: if True, no target attends to a source at a later position. False by default.
        """
        self._check_inputs(inputs, mask)
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, *source_masks = mask or [None]
        joint_mask = None  # [batch, 1, sources]
        for source_mask in source_masks:
            if source_mask is not None:
                valid = jnp.asarray(source_mask).astype(bool)[..., None, :]
                joint_mask = valid if joint_mask is None else joint_mask & valid
        weights = masked_softmax(self._scores(query, key), joint_mask, use_causal_mask).astype(self.compute_dtype)
        if training and self.dropout > 0:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        outputs = jnp.matmul(weights, value)
        if query_mask is not None:
            outputs = jnp.where(jnp.asarray(query_mask).astype(bool)[..., None], outputs, 0)
        return (outputs, weights) if return_attention_scores else outputs

    def _scores(self, query: jax.Array, key: jax.Array) -> jax.Array:
        """The scores `[batch, targets, sources]`, in float32 at least: half precision cannot hold large products."""
        dtype = wide_dtype(query.dtype)
        scale = 1 if self.scale is None else unwrap(self.scale).astype(dtype)
        if self.score_mode == "dot":
            return scale * jnp.matmul(query, jnp.swapaxes(key, -2, -1), preferred_element_type=dtype)
        sums = jnp.sum(jnp.tanh(scale * _sums_of_pairs(query, key)), -1)
        return unwrap(self.concat_score_weight).astype(dtype) * sums

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the query."""
        self._check_inputs(inputs, mask)
        return mask[0] if mask else None

    def _check_inputs(self, inputs: Any, mask: Any = None) -> None:
        lists = [isinstance(value, list | tuple) and len(value) in (2, 3) for value in (inputs, mask)]
        # A tuple of integers is the shape of a single array, which `build` receives if the inputs are not a list.
        has_arrays = lists[0] and not any(item is None or isinstance(item, int) for item in inputs)
        if not has_arrays or (mask is not None and not lists[1]):
            received, mask_received = jax.tree.map(lambda a: getattr(a, "shape", a), (inputs, mask))
            raise ValueError(
                f"{self.path!r} expects a list of query, value and, optionally, key, and as mask None or a list of "
                f"their masks; received {received} and mask={mask_received}."
            )


class AdditiveAttention(Attention):
    """Additive attention (Bahdanau): `outputs = softmax(sum(scale * tanh(query + key))) value`.

    The sum is over the features.

    Args:
        use_scale: if True (the default), `scale` is a trainable vector of the size of query and key; otherwise it is 1.
        dropout: the fraction of attention weights that are dropped during training; 0 by default.
        **kwargs: `seed` of `Attention`; arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        those of `Attention`; scale: `[size]`.

    Raises:
        ValueError: when the inputs or the masks are not a list, as in `Attention`.

    Source: Bahdanau et al., "Neural Machine Translation by Jointly Learning to Align and Translate", arXiv:1409.0473.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> query, value = jnp.zeros((1, 2, 3)), jnp.ones((1, 4, 3))
        >>> jl.layers.AdditiveAttention()([query, value]).round(2).tolist()
        [[[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]]
    """

    _config_attributes: ClassVar[dict[str, str | None]] = {"score_mode": None}

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any):
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: Any) -> None:
        """Make the scale if `use_scale` is True."""
        self._check_inputs(input_shape)
        if self.use_scale:
            size = input_shape[0][-1]
            self.scale = self.add_weight(name="scale", shape=(size,), initializer="glorot_uniform")

    def _scores(self, query: jax.Array, key: jax.Array) -> jax.Array:
        return _additive_scores(query, key, unwrap(self.scale))


def _sums_of_pairs(query: jax.Array, key: jax.Array) -> jax.Array:
    """`query + key` for each pair of a target and a source, in float32 at least: `[batch, targets, sources, size]`."""
    query, key = wide(query), wide(key)
    return query[..., :, None, :] + key[..., None, :, :]


@jax.jit
def _additive_scores(query: jax.Array, key: jax.Array, scale: jax.Array | None) -> jax.Array:
    values = jnp.tanh(_sums_of_pairs(query, key))
    return jnp.sum(values, -1) if scale is None else jnp.einsum("...i,i->...", values, scale.astype(values.dtype))
