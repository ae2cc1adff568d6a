"""Flax NNX: modules that own their state, with `nnx.jit` and `nnx.Optimizer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks import problem
from benchmarks.by_hand import adam
from benchmarks.problem import HIDDEN, LATENT, NORM_EPSILON, PIXELS, WIDTH, Step


class Block(nnx.Module):
    """A pre-norm block."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.norm_1 = nnx.LayerNorm(WIDTH, epsilon=NORM_EPSILON, rngs=rngs)
        self.query = nnx.Linear(WIDTH, WIDTH, rngs=rngs)
        self.key = nnx.Linear(WIDTH, WIDTH, rngs=rngs)
        self.value = nnx.Linear(WIDTH, WIDTH, rngs=rngs)
        self.out = nnx.Linear(WIDTH, WIDTH, rngs=rngs)
        self.norm_2 = nnx.LayerNorm(WIDTH, epsilon=NORM_EPSILON, rngs=rngs)
        self.expand = nnx.Linear(WIDTH, 4 * WIDTH, rngs=rngs)
        self.contract = nnx.Linear(4 * WIDTH, WIDTH, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """[batch, time, width] -> [batch, time, width]."""
        h = self.norm_1(x)
        x = x + self.out(problem.attend(self.query(h), self.key(h), self.value(h)))
        return x + self.contract(nnx.gelu(self.expand(self.norm_2(x))))


class Transformer(nnx.Module):
    """A transformer from tokens to logits."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.tokens = nnx.Embed(problem.VOCABULARY, WIDTH, rngs=rngs)
        self.positions = nnx.Embed(problem.LENGTH, WIDTH, rngs=rngs)
        self.blocks = nnx.List([Block(rngs=rngs) for _ in range(problem.BLOCKS)])
        self.norm = nnx.LayerNorm(WIDTH, epsilon=NORM_EPSILON, rngs=rngs)
        self.logits = nnx.Linear(WIDTH, problem.VOCABULARY, rngs=rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        """[batch, time] -> [batch, time, vocabulary]."""
        x = self.tokens(tokens) + self.positions(jnp.arange(tokens.shape[-1]))
        for block in self.blocks:
            x = block(x)
        return self.logits(self.norm(x))


class Vae(nnx.Module):
    """An autoencoder from pixels to their reconstruction and the parameters of the latent distribution."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.hidden = nnx.Linear(PIXELS, HIDDEN, rngs=rngs)
        self.mean = nnx.Linear(HIDDEN, LATENT, rngs=rngs)
        self.log_variance = nnx.Linear(HIDDEN, LATENT, rngs=rngs)
        self.decode = nnx.Linear(LATENT, HIDDEN, rngs=rngs)
        self.pixels = nnx.Linear(HIDDEN, PIXELS, rngs=rngs)
        self.rngs = rngs

    def __call__(self, pixels: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """[batch, pixels] -> [batch, pixels], mean [batch, latent], log variance [batch, latent]."""
        h = nnx.relu(self.hidden(pixels))
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(self.rngs.sample(), mean.shape)
        return nnx.sigmoid(self.pixels(nnx.relu(self.decode(z)))), mean, log_variance


class Counters(nnx.Module):
    """A module with `count` scalar variables."""

    def __init__(self, count: int):
        self.counts = nnx.List([nnx.Variable(jnp.zeros(())) for _ in range(count)])


def transformer() -> Transformer:
    """Return the module; its constructor makes the parameters."""
    return Transformer(rngs=nnx.Rngs(0))


BUILDS: dict[str, Callable[[], Any]] = {"NNX": lambda: nnx.state(transformer())}


def forward(model: Transformer, tokens: jax.Array) -> jax.Array:
    """Return the logits, computed eagerly."""
    return model(tokens)


def transformer_step() -> Step:
    """Return a step of Adam on the transformer."""
    model = transformer()
    optimizer = nnx.Optimizer(model, adam(), wrt=nnx.Param)

    @nnx.jit
    def step(model: Transformer, optimizer: nnx.Optimizer, inputs: jax.Array, targets: jax.Array) -> jax.Array:
        loss, gradients = nnx.value_and_grad(lambda model: problem.next_token_loss(model(inputs), targets))(model)
        optimizer.update(model, gradients)
        return loss

    return Step(
        lambda _, *batch: (None, step(model, optimizer, *batch)),
        None,
        lambda _, *batch: step.lower(model, optimizer, *batch),
    )


def vae_step() -> Step:
    """Return a step of Adam on the autoencoder."""
    model = Vae(rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, adam(), wrt=nnx.Param)

    @nnx.jit
    def step(model: Vae, optimizer: nnx.Optimizer, pixels: jax.Array) -> jax.Array:
        def compute_loss(model: Vae) -> jax.Array:
            out, mean, log_variance = model(pixels)
            return jnp.mean((out - pixels) ** 2) + problem.divergence(mean, log_variance)

        loss, gradients = nnx.value_and_grad(compute_loss)(model)
        optimizer.update(model, gradients)
        return loss

    return Step(
        lambda _, pixels: (None, step(model, optimizer, pixels)),
        None,
        lambda _, pixels: step.lower(model, optimizer, pixels),
    )


def counters(count: int) -> Callable[[int], None]:
    """Return a function that adds one to each of `count` variables."""
    model = Counters(count)

    @nnx.jit
    def step(model: Counters) -> jax.Array:
        last = 2 * model.counts[0][...]
        for variable in model.counts:
            variable[...] = variable[...] + 1
        return last

    def run(calls: int) -> None:
        for _ in range(calls):
            last = step(model)
        last.block_until_ready()

    return run
