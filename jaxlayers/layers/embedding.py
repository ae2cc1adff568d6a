"""The layer that maps integers to trainable vectors."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxlayers import constraints, initializers, ops, regularizers
from jaxlayers.common.array_like import unwrap
from jaxlayers.core import InputSpec, making
from jaxlayers.layers._config import positive
from jaxlayers.layers._low_rank import AdaptedWeight, LowRank


class Embedding(LowRank):
    """A table of trainable vectors, indexed by integers: `outputs[..., :] = embeddings[inputs[...]]`.

    Args:
        input_dim: the number of vectors; inputs are integers from 0 to `input_dim - 1`.
        output_dim: the size of a vector.
        embeddings_initializer: the initializer of the table; `"uniform"` by default.
        embeddings_regularizer, embeddings_constraint: see `Layer.add_weight`; None by default.
        mask_zero: if True, 0 is padding: the outputs have the mask `inputs != 0`. False by default.
        weights: initial values of shape `[input_dim, output_dim]`, with which the layer is built at once; None by
            default.
        lora_rank, lora_alpha: with a rank, `build` calls `enable_lora(lora_rank, lora_alpha)`. (Keras replaces
            `lora_alpha` by the rank when it builds the layer.)
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, ...]`, integers; embeddings: `[input_dim, output_dim]`; outputs: `[batch, ..., output_dim]`. An
        input below 0, or of `input_dim` or more, gives NaN and no gradient.

    Raises:
        ValueError: when `input_dim` or `output_dim` is not a positive integer.

    Example:
        >>> import jaxlayers as jl, numpy as np
        >>> layer = jl.layers.Embedding(3, 2, embeddings_initializer="ones")
        >>> layer(np.array([[0, 2]])).tolist()
        [[[1.0, 1.0], [1.0, 1.0]]]
    """

    embeddings: Any = AdaptedWeight()
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
            warnings.warn("Embedding ignores the argument input_length. Leave it out.", stacklevel=2)
        super().__init__(lora_rank, lora_alpha, **kwargs)
        self.input_dim = positive(self, "input_dim", input_dim)
        self.output_dim = positive(self, "output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.input_spec = InputSpec()
        self.supports_masking = mask_zero
        self.autocast = False  # a cast of float indices to a half-precision dtype would change the larger ones
        self._initial_values = weights[0] if isinstance(weights, list) and len(weights) == 1 else weights
        if weights is not None:
            self.build()

    def build(self, input_shape: Any = None) -> None:
        """Make the table; the shape of the inputs has no influence on it."""
        options = self.weight_options("embeddings")
        if self._initial_values is not None:
            options["initializer"] = making.Start(self._initial_values)
        self.embeddings = self.add_weight((self.input_dim, self.output_dim), name="embeddings", **options)
        super().build(input_shape)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Look up the vectors of the inputs; floats are truncated to integers."""
        if not jnp.issubdtype(inputs.dtype, jnp.integer):
            inputs = inputs.astype("int32")
        table = unwrap(self.embeddings)
        return table.at[inputs].get(mode="fill", wrap_negative_indices=False).astype(self.compute_dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask `inputs != 0` if `mask_zero` is True, otherwise None."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None
