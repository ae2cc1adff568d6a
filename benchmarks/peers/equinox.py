"""Equinox: modules that are pytrees, written for one example and mapped over the batch by `jax.vmap`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from benchmarks import problem
from benchmarks.by_hand import adam
from benchmarks.problem import HIDDEN, LATENT, NORM_EPSILON, PIXELS, WIDTH, Step


class Block(eqx.Module):
    """A pre-norm block."""

    norm_1: eqx.nn.LayerNorm
    query: eqx.nn.Linear
    key: eqx.nn.Linear
    value: eqx.nn.Linear
    out: eqx.nn.Linear
    norm_2: eqx.nn.LayerNorm
    expand: eqx.nn.Linear
    contract: eqx.nn.Linear

    def __init__(self, key: jax.Array):
        keys = jax.random.split(key, 6)
        self.norm_1 = eqx.nn.LayerNorm(WIDTH, eps=NORM_EPSILON)
        self.query = eqx.nn.Linear(WIDTH, WIDTH, key=keys[0])
        self.key = eqx.nn.Linear(WIDTH, WIDTH, key=keys[1])
        self.value = eqx.nn.Linear(WIDTH, WIDTH, key=keys[2])
        self.out = eqx.nn.Linear(WIDTH, WIDTH, key=keys[3])
        self.norm_2 = eqx.nn.LayerNorm(WIDTH, eps=NORM_EPSILON)
        self.expand = eqx.nn.Linear(WIDTH, 4 * WIDTH, key=keys[4])
        self.contract = eqx.nn.Linear(4 * WIDTH, WIDTH, key=keys[5])

    def __call__(self, x: jax.Array) -> jax.Array:
        """[time, width] -> [time, width]."""
        h = jax.vmap(self.norm_1)(x)
        h = problem.attend(*(jax.vmap(layer)(h) for layer in (self.query, self.key, self.value)))
        x = x + jax.vmap(self.out)(h)
        h = jax.nn.gelu(jax.vmap(self.expand)(jax.vmap(self.norm_2)(x)))
        return x + jax.vmap(self.contract)(h)


class Transformer(eqx.Module):
    """A transformer from tokens to logits."""

    tokens: eqx.nn.Embedding
    positions: eqx.nn.Embedding
    blocks: list[Block]
    norm: eqx.nn.LayerNorm
    logits: eqx.nn.Linear

    def __init__(self, key: jax.Array):
        tokens, positions, logits, *blocks = jax.random.split(key, 3 + problem.BLOCKS)
        self.tokens = eqx.nn.Embedding(problem.VOCABULARY, WIDTH, key=tokens)
        self.positions = eqx.nn.Embedding(problem.LENGTH, WIDTH, key=positions)
        self.blocks = [Block(key) for key in blocks]
        self.norm = eqx.nn.LayerNorm(WIDTH, eps=NORM_EPSILON)
        self.logits = eqx.nn.Linear(WIDTH, problem.VOCABULARY, key=logits)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        """[time] -> [time, vocabulary]."""
        x = jax.vmap(self.tokens)(tokens) + jax.vmap(self.positions)(jnp.arange(tokens.shape[-1]))
        for block in self.blocks:
            x = block(x)
        return jax.vmap(self.logits)(jax.vmap(self.norm)(x))


class Vae(eqx.Module):
    """An autoencoder from pixels to their reconstruction and the parameters of the latent distribution."""

    hidden: eqx.nn.Linear
    mean: eqx.nn.Linear
    log_variance: eqx.nn.Linear
    decode: eqx.nn.Linear
    pixels: eqx.nn.Linear

    def __init__(self, key: jax.Array):
        keys = jax.random.split(key, 5)
        self.hidden = eqx.nn.Linear(PIXELS, HIDDEN, key=keys[0])
        self.mean = eqx.nn.Linear(HIDDEN, LATENT, key=keys[1])
        self.log_variance = eqx.nn.Linear(HIDDEN, LATENT, key=keys[2])
        self.decode = eqx.nn.Linear(LATENT, HIDDEN, key=keys[3])
        self.pixels = eqx.nn.Linear(HIDDEN, PIXELS, key=keys[4])

    def __call__(self, pixels: jax.Array, noise: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """[pixels] and noise [latent] -> [pixels], mean [latent], log variance [latent]."""
        h = jax.nn.relu(self.hidden(pixels))
        mean, log_variance = self.mean(h), self.log_variance(h)
        h = jax.nn.relu(self.decode(mean + jnp.exp(0.5 * log_variance) * noise))
        return jax.nn.sigmoid(self.pixels(h)), mean, log_variance


def transformer() -> Transformer:
    """Return the module; its constructor makes the parameters."""
    return Transformer(jax.random.key(0))


BUILDS: dict[str, Callable[[], Any]] = {"Equinox": lambda: eqx.filter(transformer(), eqx.is_array)}


def forward(model: Transformer, tokens: jax.Array) -> jax.Array:
    """Return the logits, computed eagerly."""
    return jax.vmap(model)(tokens)


def _step(model: Any, loss_function: Callable[..., jax.Array]) -> Step:
    optimizer = adam()

    @eqx.filter_jit(donate="all-except-first")
    def step(batch: tuple[jax.Array, ...], carry: Any) -> tuple[Any, jax.Array]:
        model, slots, key = carry
        key, noise = jax.random.split(key)
        loss, gradients = eqx.filter_value_and_grad(loss_function)(model, noise, *batch)
        updates, slots = optimizer.update(gradients, slots, model)
        return (eqx.apply_updates(model, updates), slots, key), loss

    slots = optimizer.init(eqx.filter(model, eqx.is_array))
    return Step(
        lambda carry, *batch: step(batch, carry),
        (model, slots, jax.random.key(1)),
        lambda carry, *batch: step.lower(batch, carry).lowered,
    )


def transformer_step() -> Step:
    """Return a step of Adam on the transformer."""

    def compute_loss(model: Transformer, _: jax.Array, inputs: jax.Array, targets: jax.Array) -> jax.Array:
        return problem.next_token_loss(jax.vmap(model)(inputs), targets)

    return _step(transformer(), compute_loss)


def vae_step() -> Step:
    """Return a step of Adam on the autoencoder."""

    def compute_loss(model: Vae, key: jax.Array, pixels: jax.Array) -> jax.Array:
        noise = jax.random.normal(key, (len(pixels), LATENT))
        out, mean, log_variance = jax.vmap(model)(pixels, noise)
        return jnp.mean((out - pixels) ** 2) + problem.divergence(mean, log_variance)

    return _step(Vae(jax.random.key(0)), compute_loss)
