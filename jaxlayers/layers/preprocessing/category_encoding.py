"""Numbers of categories as vectors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import Layer
from jaxlayers.layers._config import positive
from jaxlayers.layers.preprocessing.encoding import check_mode, encode, refuse_sparse


class CategoryEncoding(Layer):
    """Vectors of categories that are given as integers from 0 to `num_tokens - 1`; others are in no vector.

    In `"multi_hot"` and `"count"` mode the last axis is a sample, whatever their number; Keras adds up axis 1.

    Args:
        num_tokens: how many categories there are.
        output_mode: `"one_hot"`: a vector for each integer, of which its entry is 1; `"multi_hot"`: one for each
            sample, with a 1 for each of its integers; `"count"`: likewise, how often each is there.
        sparse: not supported.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[..., sample]`; count_weights, for `"count"` mode: the same; outputs: `[..., num_tokens]`, or
        `[..., sample, num_tokens]` in `"one_hot"` mode for samples of more than one integer.

    Raises:
        ValueError: for an unknown mode, `num_tokens` that is no positive integer, weights in another mode.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.CategoryEncoding(4, "count")(jnp.array([[0, 1, 1], [3, 3, 3]])).tolist()
        [[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 3.0]]
    """

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.num_tokens = positive(self, "num_tokens", num_tokens)
        self.output_mode = check_mode(self, output_mode, ("one_hot", "multi_hot", "count"))
        self.sparse = refuse_sparse(self, sparse)

    def call(self, inputs: Any, count_weights: Any = None) -> jax.Array:
        """Encode."""
        if count_weights is not None:
            if self.output_mode != "count":
                raise ValueError(
                    f"{self.path!r} takes count_weights where output_mode is 'count'; it is {self.output_mode!r}."
                )
            count_weights = jnp.asarray(count_weights, self.compute_dtype)
        indices = jnp.asarray(inputs).astype("int32")
        return encode(indices, self.output_mode, self.num_tokens, self.compute_dtype, count_weights)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), "num_tokens": self.num_tokens, "output_mode": self.output_mode}
