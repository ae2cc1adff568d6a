"""Dropout."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers import random
from jaxlayers.core import Layer


class Dropout(Layer):
    """Sets a part of its inputs to zero while training, and scales the rest up by `1 / (1 - rate)`.

    Args:
        rate: the part, from 0 to 1.
        noise_shape: the shape of the mask, with 1 or None-for-the-input's-size per axis, for masks that are shared
            along axes.
        seed: an integer, for draws that repeat; without one they come from `rng` or the global generator.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Raises:
        ValueError: when `rate` is outside of [0, 1], or `noise_shape` does not fit.

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15 (2014).

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Dropout(0.5, seed=1)
        >>> sorted(set(layer(jnp.ones(100), training=True).tolist()))
        [0.0, 2.0]
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        if not hasattr(rate, "__float__") or not 0 <= rate <= 1:
            raise ValueError(f"Dropout: rate must be a number between 0 and 1; received {rate!r}.")
        if noise_shape is not None:
            sizes = tuple(noise_shape)
            if any(size is not None and (not hasattr(size, "__index__") or size <= 0) for size in sizes):
                raise ValueError(
                    f"Dropout: noise_shape must be of positive integers and None; received {noise_shape!r}."
                )
            noise_shape = sizes
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed
        self.seed_generator = random.SeedGenerator(seed)

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Drop while training, pass on otherwise."""
        if not training or self.rate == 0:
            return inputs
        if self.noise_shape is not None and len(self.noise_shape) != inputs.ndim:
            raise ValueError(
                f"{self.path!r} has noise_shape={self.noise_shape}, which needs inputs of as many axes; received "
                f"shape {inputs.shape}."
            )
        return random.dropout(inputs, self.rate, self.noise_shape, self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}
