"""Layers that add normal noise to their inputs, or multiply them by it, during training."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers import random
from jaxlayers.core import Layer
from jaxlayers.layers._config import not_negative
from jaxlayers.layers.dropout import checked_rate


class GaussianNoise(Layer):
    """Additive normal noise during training: `outputs = inputs + stddev * n`, with `n` standard normal.

    Outside of training, the outputs are the inputs.

    Args:
        stddev: the standard deviation of the noise, 0 or more. (Keras accepts at most 1.)
        seed: an integer makes the random draws repeatable; None (the default) takes them from the `rng` of `apply`, or
            from the global generator.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: any.

    Raises:
        ValueError: when `stddev` is negative, or not a number.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GaussianNoise(0.5, seed=1)(jnp.zeros(1000), training=True).std().round(1).item()
        0.5
    """

    built = True  # it has no weights

    def __init__(self, stddev: float, seed: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.stddev, self.seed = not_negative(self, "stddev", stddev), seed
        self.seed_generator = random.SeedGenerator(seed) if stddev else None

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Add noise during training; return the inputs otherwise."""
        if not training or self.stddev == 0:
            return inputs
        return inputs + random.normal(inputs.shape, 0.0, self.stddev, self.compute_dtype, self.seed_generator)


class GaussianDropout(Layer):
    """Multiplicative normal noise during training: `inputs * (1 + sqrt(rate / (1 - rate)) * n)`, `n` standard normal.

    The noise has the mean and the variance that the factors of `Dropout(rate)` have. Outside of training, the outputs
    are the inputs.

    Args:
        rate: the rate of the corresponding `Dropout`, from 0 to below 1. (Keras accepts 1, and fails in the call.)
        seed: an integer makes the random draws repeatable; None (the default) takes them from the `rng` of `apply`, or
            from the global generator.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: any.

    Raises:
        ValueError: when `rate` is outside of [0, 1).

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15 (2014).

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GaussianDropout(0.2, seed=1)(jnp.ones(1000), training=True).std().round(1).item()
        0.5
    """

    built = True  # it has no weights

    def __init__(self, rate: float, seed: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate, self.seed = checked_rate(self, rate, below_one=True), seed
        self.seed_generator = random.SeedGenerator(seed) if rate else None

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Multiply by noise during training; return the inputs otherwise."""
        if not training or self.rate == 0:
            return inputs
        stddev = (self.rate / (1 - self.rate)) ** 0.5
        return inputs * random.normal(inputs.shape, 1.0, stddev, self.compute_dtype, self.seed_generator)
