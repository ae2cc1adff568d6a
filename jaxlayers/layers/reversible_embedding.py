"""The embedding that also turns vectors back into scores of integers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import Variable
from jaxlayers.core.scope import unwrap
from jaxlayers.layers.embedding import Embedding


class ReversibleEmbedding(Embedding):
    """Turns integers into vectors and, with `reverse=True`, vectors into a score for each integer.

    `outputs[..., :] = embeddings[inputs[...]]`; reversed, `outputs = inputs @ embeddings.T`.

    Args:
        input_dim: how many different integers there are: 0 to `input_dim - 1`.
        output_dim: the size of a vector.
        tie_weights: whether both directions share `embeddings`; otherwise there are `reverse_embeddings` too.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: see `Layer.add_weight`.
        mask_zero: whether 0 is padding, which later layers leave out.
        reverse_dtype: what the reverse direction is computed in; the compute dtype by default.
        logit_soft_cap: a bound on scores, `cap * tanh(scores / cap)`.
        **kwargs: `weights`, `lora_rank` and `lora_alpha` of `Embedding`; `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, ...]` integers; outputs: `[batch, ..., output_dim]`. Reversed, inputs:
        `[batch, ..., output_dim]` floats; outputs: `[batch, ..., input_dim]`, which keep the inputs' mask (Keras's do
        not, so that its losses count padding).

    Source: Press and Wolf, "Using the Output Embedding to Improve Language Models", arXiv:1608.05859.

    Example:
        >>> import jaxlayers as jl, numpy as np
        >>> layer = jl.layers.ReversibleEmbedding(3, 2, embeddings_initializer="ones")
        >>> layer(layer(np.array([[0, 2]])), reverse=True).tolist()
        [[[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]]
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ):
        self.tie_weights, self.reverse_dtype, self.logit_soft_cap = tie_weights, reverse_dtype, logit_soft_cap
        self.reverse_embeddings: Variable | Any = None
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer,
            embeddings_regularizer,
            embeddings_constraint,
            mask_zero,
            **kwargs,
        )

    def build(self, input_shape: Any = None) -> None:
        """Make the table, and that of the other direction unless they are tied."""
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                name="reverse_embeddings",
                shape=(self.output_dim, self.input_dim),
                initializer=self.embeddings_initializer,
            )

    def call(self, inputs: jax.Array, reverse: bool = False) -> jax.Array:
        """Look vectors up, or score them."""
        if not reverse:
            return super().call(inputs)
        dtype = self.reverse_dtype or self.compute_dtype
        kernel = jnp.transpose(unwrap(self.embeddings)) if self.tie_weights else unwrap(self.reverse_embeddings)
        scores = jnp.matmul(inputs.astype(dtype), kernel.astype(dtype))
        cap = self.logit_soft_cap
        return scores if cap is None else jnp.tanh(scores / cap) * cap

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Where integers are not 0, with `mask_zero`; the mask that vectors came with."""
        vectors = jnp.issubdtype(inputs.dtype, jnp.floating) and inputs.ndim > 1 and inputs.shape[-1] == self.output_dim
        return previous_mask if vectors else super().compute_mask(inputs, previous_mask)
