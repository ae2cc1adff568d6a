"""The embedding of integers as vectors."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers import constraints, initializers, ops, regularizers
from jaxlayers.core import InputSpec
from jaxlayers.core.scope import unwrap
from jaxlayers.layers._config import positive
from jaxlayers.layers._low_rank import LowRank


class Embedding(LowRank, adapted="embeddings"):
    """Turns integers into trainable vectors: `outputs[..., :] = embeddings[inputs[...]]`.

    Args:
        input_dim: how many different integers there are: 0 to `input_dim - 1`.
        output_dim: the size of a vector.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: see `Layer.add_weight`.
        mask_zero: whether 0 is padding, which later layers leave out.
        weights: an array of shape `[input_dim, output_dim]` to start from; the layer is built at once.
        lora_rank, lora_alpha: with a rank, the layer is built with `enable_lora(lora_rank, lora_alpha)`. (Keras's
            forgets this `lora_alpha` when it is built, and has the rank in its place.)
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, ...]` integers; outputs: `[batch, ..., output_dim]`. Integers out of range give NaN.

    Example:
        >>> import jaxlayers as jl, numpy as np
        >>> layer = jl.layers.Embedding(3, 2, embeddings_initializer="ones")
        >>> layer(np.array([[0, 2]])).tolist()
        [[[1.0, 1.0], [1.0, 1.0]]]
    """

    _config_attributes: ClassVar[dict[str, str | None]] = {
        "weights": None,
        "activity_regularizer": "activity_regularizer",
    }

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        **kwargs: Any,
    ):
        if kwargs.pop("input_length", None) is not None:
            warnings.warn("Embedding has no use for input_length any more; leave it out.", stacklevel=2)
        super().__init__(lora_rank, lora_alpha, **kwargs)
        self.input_dim = positive(self, "input_dim", input_dim)
        self.output_dim = positive(self, "output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.input_spec = InputSpec()
        self.supports_masking = mask_zero
        self.autocast = False  # a float input is a mistake of the caller's that a cast would make worse
        self._start = weights[0] if isinstance(weights, list) and len(weights) == 1 else weights
        if weights is not None:
            self.build()

    def build(self, input_shape: Any = None) -> None:
        """Make the table."""
        initializer = self.embeddings_initializer
        if self._start is not None:
            start = np.asarray(self._start)
            initializer = lambda shape, dtype: jnp.asarray(start, dtype)  # noqa: E731
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )
        super().build(input_shape)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Look the vectors up."""
        if not jnp.issubdtype(inputs.dtype, jnp.integer):
            inputs = inputs.astype("int32")
        return jnp.take(unwrap(self.embeddings), inputs, axis=0).astype(self.compute_dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Where the inputs are not 0, with `mask_zero`."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None
