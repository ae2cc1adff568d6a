"""Keras 3 on its JAX backend: subclassed models, `fit`, and a step made of its stateless methods."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import layers, ops

from benchmarks import problem
from benchmarks.problem import ADAM_EPSILON, LEARNING_RATE, NORM_EPSILON, WIDTH, Step

norm = partial(layers.LayerNormalization, epsilon=NORM_EPSILON)


class Block(layers.Layer):
    """A pre-norm block."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.norm_1, self.norm_2 = norm(), norm()
        self.query, self.key, self.value, self.out = (layers.Dense(WIDTH) for _ in range(4))
        self.expand, self.contract = layers.Dense(4 * WIDTH), layers.Dense(WIDTH)

    def call(self, x: Any, training: Any = None) -> Any:
        """[batch, time, width] -> [batch, time, width]."""
        h = self.norm_1(x)
        x = x + self.out(problem.attend(self.query(h), self.key(h), self.value(h)))
        return x + self.contract(ops.gelu(self.expand(self.norm_2(x)), approximate=True))


class Transformer(keras.Model):
    """A transformer from tokens to logits."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.tokens = layers.Embedding(problem.VOCABULARY, WIDTH)
        self.positions = layers.Embedding(problem.LENGTH, WIDTH)
        self.blocks = [Block() for _ in range(problem.BLOCKS)]
        self.norm, self.logits = norm(), layers.Dense(problem.VOCABULARY)

    def call(self, tokens: Any, training: Any = None) -> Any:
        """[batch, time] -> [batch, time, vocabulary]."""
        x = self.tokens(tokens) + self.positions(ops.arange(ops.shape(tokens)[-1]))
        for block in self.blocks:
            x = block(x)
        return self.logits(self.norm(x))


class Vae(keras.Model):
    """An autoencoder from pixels to their reconstruction, which adds the divergence as a loss."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(problem.HIDDEN, activation="relu")
        self.mean, self.log_variance = layers.Dense(problem.LATENT), layers.Dense(problem.LATENT)
        self.decode = layers.Dense(problem.HIDDEN, activation="relu")
        self.pixels = layers.Dense(problem.PIXELS, activation="sigmoid")
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, pixels: Any, training: Any = None) -> Any:
        """[batch, pixels] -> [batch, pixels]."""
        h = self.hidden(pixels)
        mean, log_variance = self.mean(h), self.log_variance(h)
        self.add_loss(-0.5 * ops.mean(log_variance - ops.square(mean) - ops.exp(log_variance) + 1))
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return self.pixels(self.decode(mean + ops.exp(0.5 * log_variance) * noise))


def adam() -> keras.optimizers.Optimizer:
    """Return the optimizer of all steps."""
    return keras.optimizers.Adam(LEARNING_RATE, epsilon=ADAM_EPSILON)


def transformer() -> Transformer:
    """Return the model, built by a symbolic call."""
    model = Transformer()
    model(keras.Input(batch_shape=(problem.BATCH, problem.LENGTH), dtype="int32"))
    return model


BUILDS: dict[str, Callable[[], Any]] = {"Keras": lambda: [weight.value for weight in transformer().weights]}


def forward(model: Transformer, tokens: jax.Array) -> jax.Array:
    """Return the logits, computed eagerly."""
    return model(tokens)


def _step(model: keras.Model, loss_function: Callable[..., Any]) -> Step:
    optimizer = adam()
    optimizer.build(model.trainable_variables)

    def compute_loss(trainable: Any, other: Any, batch: tuple[jax.Array, ...]) -> Any:
        out, other, losses = model.stateless_call(trainable, other, batch[0], training=True, return_losses=True)
        return loss_function(batch[-1], out) + sum(losses), other

    @partial(jax.jit, donate_argnums=0)
    def step(carry: Any, *batch: jax.Array) -> tuple[Any, jax.Array]:
        trainable, other, slots = carry
        (loss, other), gradients = jax.value_and_grad(compute_loss, has_aux=True)(trainable, other, batch)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return (trainable, other, slots), loss

    # Copies, because the step donates its arguments and the model still holds the original arrays.
    held = model.trainable_variables, model.non_trainable_variables, optimizer.variables
    return Step(step, [[jnp.array(variable.value) for variable in group] for group in held], step.lower)


def transformer_step() -> Step:
    """Return a step of Adam on the transformer."""
    return _step(transformer(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))


def vae_step() -> Step:
    """Return a step of Adam on the autoencoder."""
    model = Vae()
    model(keras.Input(batch_shape=(problem.VAE_BATCH, problem.PIXELS)))
    return _step(model, keras.losses.MeanSquaredError())


def _epoch(model: keras.Model, loss: Any, batch: int, inputs: np.ndarray, targets: np.ndarray) -> Callable[[], float]:
    model.compile(adam(), loss)
    return lambda: model.fit(inputs, targets, batch_size=batch, verbose=0).history["loss"][-1]


def vae_fit(pixels: np.ndarray) -> Callable[[], float]:
    """Return a function that trains the autoencoder for an epoch."""
    return _epoch(Vae(), keras.losses.MeanSquaredError(), problem.VAE_BATCH, pixels, pixels)


def transformer_fit(inputs: np.ndarray, targets: np.ndarray) -> Callable[[], float]:
    """Return a function that trains the transformer for an epoch."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _epoch(Transformer(), loss, problem.BATCH, inputs, targets)
