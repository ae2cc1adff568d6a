"""Flax Linen: `init` and `apply` of compact modules, with optax."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from benchmarks import problem
from benchmarks.by_hand import adam
from benchmarks.precision import COMPUTE
from benchmarks.problem import NORM_EPSILON, WIDTH, Step

norm = partial(nn.LayerNorm, epsilon=NORM_EPSILON, dtype=COMPUTE)
Dense, Embed = partial(nn.Dense, dtype=COMPUTE), partial(nn.Embed, dtype=COMPUTE)


class Block(nn.Module):
    """A pre-norm block."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[batch, time, width] -> [batch, time, width]."""
        h = norm()(x)
        query, key, value = (Dense(WIDTH, name=name)(h) for name in ("query", "key", "value"))
        x = x + Dense(WIDTH, name="out")(problem.attend(query, key, value))
        h = nn.gelu(Dense(4 * WIDTH)(norm()(x)))
        return x + Dense(WIDTH)(h)


class Transformer(nn.Module):
    """A transformer from tokens to logits."""

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        """[batch, time] -> [batch, time, vocabulary]."""
        positions = jnp.arange(tokens.shape[-1])
        x = Embed(problem.VOCABULARY, WIDTH)(tokens) + Embed(problem.LENGTH, WIDTH)(positions)
        for _ in range(problem.BLOCKS):
            x = Block()(x)
        return Dense(problem.VOCABULARY)(norm()(x))


class Vae(nn.Module):
    """An autoencoder from pixels to their reconstruction and the parameters of the latent distribution."""

    @nn.compact
    def __call__(self, pixels: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """[batch, pixels] -> [batch, pixels], mean [batch, latent], log variance [batch, latent]."""
        h = nn.relu(nn.Dense(problem.HIDDEN)(pixels))
        mean, log_variance = nn.Dense(problem.LATENT)(h), nn.Dense(problem.LATENT)(h)
        z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(self.make_rng("sample"), mean.shape)
        h = nn.relu(nn.Dense(problem.HIDDEN)(z))
        return nn.sigmoid(nn.Dense(problem.PIXELS)(h)), mean, log_variance


TOKENS = jax.ShapeDtypeStruct((problem.BATCH, problem.LENGTH), "int32")


def transformer() -> Any:
    """Return the variables of an eager `init`, as in the introductory examples of Flax."""
    return Transformer().init(jax.random.key(0), jnp.zeros(TOKENS.shape, TOKENS.dtype))


def transformer_jitted() -> Any:
    """Return the variables of a compiled `init`, as in the larger examples of Flax."""
    return jax.jit(Transformer().init)(jax.random.key(0), jnp.zeros(TOKENS.shape, TOKENS.dtype))


BUILDS: dict[str, Callable[[], Any]] = {"Linen init": transformer, "Linen jit(init)": transformer_jitted}


def forward(variables: Any, tokens: jax.Array) -> jax.Array:
    """Return the logits, computed eagerly."""
    return Transformer().apply(variables, tokens)


def transformer_step() -> Step:
    """Return a step of Adam on the transformer."""
    model, optimizer, variables = Transformer(), adam(), transformer_jitted()

    @partial(jax.jit, donate_argnums=0)
    def step(carry: Any, inputs: jax.Array, targets: jax.Array) -> tuple[Any, jax.Array]:
        variables, slots = carry
        loss, gradients = jax.value_and_grad(
            lambda variables: problem.next_token_loss(model.apply(variables, inputs), targets)
        )(variables)
        updates, slots = optimizer.update(gradients, slots, variables)
        return (optax.apply_updates(variables, updates), slots), loss

    return Step(step, (variables, optimizer.init(variables)), step.lower)


def vae_step() -> Step:
    """Return a step of Adam on the autoencoder."""
    model, optimizer = Vae(), adam()
    keys = {"params": jax.random.key(0), "sample": jax.random.key(1)}
    variables = jax.jit(model.init)(keys, jnp.zeros((1, problem.PIXELS)))

    def compute_loss(variables: Any, pixels: jax.Array, key: jax.Array) -> jax.Array:
        out, mean, log_variance = model.apply(variables, pixels, rngs={"sample": key})
        return jnp.mean((out - pixels) ** 2) + problem.divergence(mean, log_variance)

    @partial(jax.jit, donate_argnums=0)
    def step(carry: Any, pixels: jax.Array) -> tuple[Any, jax.Array]:
        variables, slots, key = carry
        key, noise = jax.random.split(key)
        loss, gradients = jax.value_and_grad(compute_loss)(variables, pixels, noise)
        updates, slots = optimizer.update(gradients, slots, variables)
        return (optax.apply_updates(variables, updates), slots, key), loss

    return Step(step, (variables, optimizer.init(variables), jax.random.key(2)), step.lower)
