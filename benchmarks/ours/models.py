"""The two models, written as a user of jaxlayers would write them."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

import jaxlayers as jl
from benchmarks import problem
from benchmarks.problem import NORM_EPSILON, WIDTH
from jaxlayers import layers

norm = partial(layers.LayerNormalization, epsilon=NORM_EPSILON)


class Block(layers.Layer):
    """A pre-norm block."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.norm_1, self.norm_2 = norm(), norm()
        self.query, self.key, self.value, self.out = (layers.Dense(WIDTH) for _ in range(4))
        self.expand, self.contract = layers.Dense(4 * WIDTH, jl.ops.gelu), layers.Dense(WIDTH)

    def call(self, x: jax.Array) -> jax.Array:
        """[batch, time, width] -> [batch, time, width]."""
        h = self.norm_1(x)
        x = x + self.out(problem.attend(self.query(h), self.key(h), self.value(h)))
        return x + self.contract(self.expand(self.norm_2(x)))


class Positions(layers.Layer):
    """A learned vector for every position."""

    def build(self, input_shape: Any) -> None:
        """Make a table with a row for each position."""
        self.table = self.add_weight(shape=(problem.LENGTH, WIDTH), initializer="uniform", name="table")

    def call(self, x: jax.Array) -> jax.Array:
        """[batch, time, width] -> [batch, time, width]."""
        return x + self.table


class Transformer(jl.Model):
    """A transformer from tokens to logits."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.tokens, self.positions = layers.Embedding(problem.VOCABULARY, WIDTH), Positions()
        self.blocks = [Block() for _ in range(problem.BLOCKS)]
        self.norm, self.logits = norm(), layers.Dense(problem.VOCABULARY)

    def call(self, tokens: jax.Array) -> jax.Array:
        """[batch, time] -> [batch, time, vocabulary]."""
        x = self.positions(self.tokens(tokens))
        for block in self.blocks:
            x = block(x)
        return self.logits(self.norm(x))


class Vae(jl.Model):
    """An autoencoder from pixels to their reconstruction, which adds the divergence as a loss."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(problem.HIDDEN, activation="relu")
        self.mean, self.log_variance = layers.Dense(problem.LATENT), layers.Dense(problem.LATENT)
        self.decode = layers.Dense(problem.HIDDEN, activation="relu")
        self.pixels = layers.Dense(problem.PIXELS, activation="sigmoid")
        self.seed_generator = jl.random.SeedGenerator(0)

    def call(self, pixels: jax.Array) -> jax.Array:
        """[batch, pixels] -> [batch, pixels]."""
        h = self.hidden(pixels)
        mean, log_variance = self.mean(h), self.log_variance(h)
        self.add_loss(problem.divergence(mean, log_variance))
        noise = jl.random.normal(mean.shape, seed=self.seed_generator)
        return self.pixels(self.decode(mean + jnp.exp(0.5 * log_variance) * noise))
