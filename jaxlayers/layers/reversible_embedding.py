"""The embedding that also maps vectors back to logits over its integers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.array_like import unwrap
from jaxlayers.core import Variable
from jaxlayers.layers.embedding import Embedding


class ReversibleEmbedding(Embedding):
    """An embedding that, called with `reverse=True`, maps vectors to logits over the integers.

    `outputs[..., :] = embeddings[inputs[...]]`; with `reverse=True`, `outputs = inputs @ embeddings.T`.

    Args:
        input_dim: the number of vectors; inputs are integers from 0 to `input_dim - 1`.
        output_dim: the size of a vector.
        tie_weights: if True (the default), both directions share `embeddings`; otherwise the reverse direction has a
            weight of its own, `reverse_embeddings`.
        embeddings_initializer: the initializer of the weights; `"uniform"` by default.
        embeddings_regularizer, embeddings_constraint: see `Layer.add_weight`; None by default.
        mask_zero: if True, 0 is padding: the outputs have the mask `inputs != 0`. False by default.
        reverse_dtype: the dtype of the computation with `reverse=True`; the compute dtype by default.
        logit_soft_cap: a bound on the absolute values of logits, `cap * tanh(logits / cap)`; None (the default) for no
            bound.
        **kwargs: `weights`, `lora_rank` and `lora_alpha` of `Embedding`; arguments of `Layer`, such as `name` and
            `dtype`.

    Shapes:
        inputs: `[batch, ...]`, integers; outputs: `[batch, ..., output_dim]`; reverse_embeddings:
        `[output_dim, input_dim]`. With `reverse=True`, inputs: `[batch, ..., output_dim]`, floats; outputs:
        `[batch, ..., input_dim]`, with the mask of the inputs. (In Keras these outputs have no mask, so that losses
        include padding.)

    Raises:
        ValueError: when `input_dim` or `output_dim` is not a positive integer.

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
        """Make the table, and the weight of the reverse direction unless the weights are tied."""
        super().build(input_shape)
        if not self.tie_weights:
            shape = (self.output_dim, self.input_dim)
            self.reverse_embeddings = self.add_weight(shape, self.embeddings_initializer, name="reverse_embeddings")

    def call(self, inputs: jax.Array, reverse: bool = False) -> jax.Array:
        """Look up the vectors of integers or, if `reverse` is True, compute the logits of vectors."""
        if not reverse:
            return super().call(inputs)
        dtype = self.reverse_dtype or self.compute_dtype
        kernel = jnp.transpose(unwrap(self.embeddings)) if self.tie_weights else unwrap(self.reverse_embeddings)
        logits = jnp.matmul(inputs.astype(dtype), kernel.astype(dtype))
        cap = self.logit_soft_cap
        return logits if cap is None else jnp.tanh(logits / cap) * cap

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of integers `inputs != 0` if `mask_zero` is True; for vectors, the mask of the inputs."""
        vectors = jnp.issubdtype(inputs.dtype, jnp.floating) and inputs.ndim > 1 and inputs.shape[-1] == self.output_dim
        return previous_mask if vectors else super().compute_mask(inputs, previous_mask)
