"""Layers that add or multiply normal noise while training."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers import random
from jaxlayers.core import Layer
from jaxlayers.layers.dropout import checked_rate


class GaussianNoise(Layer):
    """Adds noise to its inputs while training: `x + stddev * n`, with n normal.

    Args:
        stddev: the noise's standard deviation, not negative; Keras takes none above 1.
        seed: an integer, for draws that repeat; without one they come from `rng` or the global generator.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Raises:
        ValueError: when `stddev` is negative.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GaussianNoise(0.5, seed=1)(jnp.zeros(1000), training=True).std().round(1).item()
        0.5
    """

    def __init__(self, stddev: float, seed: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        if not hasattr(stddev, "__float__") or not stddev >= 0:
            raise ValueError(f"GaussianNoise: stddev must be a number that is not negative; received {stddev!r}.")
        self.stddev, self.seed = stddev, seed
        self.seed_generator = random.SeedGenerator(seed) if stddev else None

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Add noise while training, pass on otherwise."""
        if not training or self.stddev == 0:
            return inputs
        return inputs + random.normal(inputs.shape, 0.0, self.stddev, self.compute_dtype, self.seed_generator)


class GaussianDropout(Layer):
    """Multiplies its inputs by noise while training: `x * (1 + sqrt(rate / (1 - rate)) * n)`, with n normal.

    The noise has the variance of `Dropout`'s of the same rate.

    Args:
        rate: from 0 to below 1 (Keras takes 1, and fails when it is called).
        seed: an integer, for draws that repeat; without one they come from `rng` or the global generator.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Raises:
        ValueError: when `rate` is outside of [0, 1).

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15 (2014).

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GaussianDropout(0.2, seed=1)(jnp.ones(1000), training=True).std().round(1).item()
        0.5
    """

    def __init__(self, rate: float, seed: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate, self.seed = checked_rate(self, rate, below_one=True), seed
        self.seed_generator = random.SeedGenerator(seed) if rate else None

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Multiply while training, pass on otherwise."""
        if not training or self.rate == 0:
            return inputs
        stddev = (self.rate / (1 - self.rate)) ** 0.5
        return inputs * random.normal(inputs.shape, 1.0, stddev, self.compute_dtype, self.seed_generator)
