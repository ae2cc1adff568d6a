"""`CategoryEncoding`: integer categories as vectors."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxlayers.core import Layer
from jaxlayers.layers._config import positive
from jaxlayers.layers.preprocessing.encoding import check_mode, encode, refuse_sparse


class CategoryEncoding(Layer):
    """Encodes integers from 0 to `num_tokens - 1` as vectors; other integers have no effect.

    In the modes `"multi_hot"` and `"count"`, the last axis is a sample, for any number of axes; Keras sums over axis 1.

    Args:
        num_tokens: the number of categories, a positive integer.
        output_mode: `"multi_hot"` (default): one vector for each sample, with 1 at each of its integers; `"count"`: one
            vector for each sample, with the count of each integer; `"one_hot"`: one vector for each integer.
        sparse: not supported; must be False (default).
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[..., sample]`; count_weights, for `"count"` mode: the same.
        outputs: `[..., num_tokens]`; or `[..., sample, num_tokens]` in `"one_hot"` mode, if the size of `sample` is
        not 1.

    Raises:
        ValueError: if the mode is unknown, `num_tokens` is not a positive integer, or there are weights in a mode other
            than `"count"`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.CategoryEncoding(4, "count")(jnp.array([[0, 1, 1], [3, 3, 3]])).tolist()
        [[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 3.0]]
    """

    built = True  # it has no weights
    _config_attributes: ClassVar[dict[str, str | None]] = {"sparse": None}

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.num_tokens = positive(self, "num_tokens", num_tokens)
        self.output_mode = check_mode(self, output_mode, ("one_hot", "multi_hot", "count"))
        self.sparse = refuse_sparse(self, sparse)

    def call(self, inputs: Any, count_weights: Any = None) -> jax.Array:
        """Encode the integers; `count_weights` is what each adds to its entry in `"count"` mode, 1 by default."""
        if count_weights is not None:
            if self.output_mode != "count":
                raise ValueError(
                    f"{self.path!r} takes count_weights only if output_mode is 'count'; it is {self.output_mode!r}."
                )
            count_weights = jnp.asarray(count_weights, self.compute_dtype)
        indices = jnp.asarray(inputs).astype("int32")
        return encode(indices, self.output_mode, self.num_tokens, self.compute_dtype, count_weights)
