"""jaxlayers as pure functions: `init` and `apply` inside `jax.jit`, with optax."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks import problem
from benchmarks.by_hand import adam
from benchmarks.ours.models import Transformer, Vae
from benchmarks.problem import Step

TOKENS = jax.ShapeDtypeStruct((problem.BATCH, problem.LENGTH), "int32")
PIXELS = jax.ShapeDtypeStruct((problem.VAE_BATCH, problem.PIXELS), "float32")


def transformer() -> tuple[Transformer, Any, Any]:
    """Return the model, its params and its state."""
    model = Transformer()
    return model, *model.init(jax.random.key(0), TOKENS)


BUILDS: dict[str, Callable[[], Any]] = {"jaxlayers init": lambda: transformer()[1:]}


def forward(model: tuple[Transformer, Any, Any], tokens: jax.Array) -> jax.Array:
    """Return the logits, computed eagerly."""
    layer, params, state = model
    return layer.apply(params, state, tokens).outputs


def training_step(layer: Any, example: Any, loss_function: Callable[..., jax.Array]) -> Step:
    """Return a step of Adam on a layer, initialized for an example of its input."""
    optimizer = adam()
    params, state = layer.init(jax.random.key(0), example)

    def compute_loss(params: Any, state: Any, key: jax.Array, batch: tuple[jax.Array, ...]) -> Any:
        applied = layer.apply(params, state, batch[0], rng=key, training=True)
        return loss_function(applied.outputs, batch[-1]) + sum(applied.losses), applied.state

    @partial(jax.jit, donate_argnums=0)
    def step(carry: Any, *batch: jax.Array) -> tuple[Any, jax.Array]:
        params, state, slots, key = carry
        key, noise = jax.random.split(key)
        (loss, state), gradients = jax.value_and_grad(compute_loss, has_aux=True)(params, state, noise, batch)
        updates, slots = optimizer.update(gradients, slots, params)
        return (optax.apply_updates(params, updates), state, slots, key), loss

    return Step(step, (params, state, optimizer.init(params), jax.random.key(1)), step.lower)


def transformer_step() -> Step:
    """Return a step of Adam on the transformer."""
    return training_step(Transformer(), TOKENS, problem.next_token_loss)


def vae_step() -> Step:
    """Return a step of Adam on the autoencoder."""
    return training_step(Vae(), PIXELS, lambda out, pixels: jnp.mean((out - pixels) ** 2))
