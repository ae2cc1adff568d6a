"""The two models in plain JAX and optax, written carefully without a library for layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import problem
from benchmarks.precision import as_computed, wide
from benchmarks.problem import ADAM_EPSILON, BLOCKS, HIDDEN, LATENT, LEARNING_RATE, NORM_EPSILON, PIXELS, WIDTH, Step

glorot = jax.nn.initializers.glorot_uniform()
uniform = jax.nn.initializers.uniform(0.05)


def adam() -> optax.GradientTransformation:
    """Return the optimizer of all contestants that use optax."""
    return optax.adam(LEARNING_RATE, eps=ADAM_EPSILON)


def dense_weights(key: jax.Array, inputs: int, units: int) -> dict[str, jax.Array]:
    """Return a kernel and a bias."""
    return {"kernel": glorot(key, (inputs, units)), "bias": jnp.zeros(units)}


def norm_weights() -> dict[str, jax.Array]:
    """Return the scale and shift of a layer normalisation."""
    return {"gamma": jnp.ones(WIDTH), "beta": jnp.zeros(WIDTH)}


def dense(weights: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """An affine map of the last axis."""
    return x @ weights["kernel"] + weights["bias"]


def norm(weights: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """Layer normalisation of the last axis (arXiv:1607.06450)."""
    standard = jax.nn.standardize(wide(x), epsilon=NORM_EPSILON)
    return (standard * weights["gamma"] + weights["beta"]).astype(x.dtype)


def transformer_weights(key: jax.Array) -> dict[str, Any]:
    """Return all weights of the transformer."""
    tokens, positions, logits, *blocks = jax.random.split(key, 3 + BLOCKS)

    def block(key: jax.Array) -> dict[str, Any]:
        names = ("query", "key", "value", "out", "expand", "contract")
        sizes = [(WIDTH, WIDTH)] * 4 + [(WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH)]
        layers = {n: dense_weights(k, *s) for n, k, s in zip(names, jax.random.split(key, 6), sizes, strict=True)}
        return layers | {"norm_1": norm_weights(), "norm_2": norm_weights()}

    return {
        "tokens": uniform(tokens, (problem.VOCABULARY, WIDTH)),
        "positions": uniform(positions, (problem.LENGTH, WIDTH)),
        "blocks": [block(key) for key in blocks],
        "norm": norm_weights(),
        "logits": dense_weights(logits, WIDTH, problem.VOCABULARY),
    }


def transformer_logits(weights: dict[str, Any], tokens: jax.Array) -> jax.Array:
    """The transformer: [batch, time] -> [batch, time, vocabulary]."""
    weights = as_computed(weights)
    x = jnp.take(weights["tokens"], tokens, axis=0) + weights["positions"]
    for block in weights["blocks"]:
        h = norm(block["norm_1"], x)
        h = problem.attend(dense(block["query"], h), dense(block["key"], h), dense(block["value"], h))
        x = x + dense(block["out"], h)
        h = jax.nn.gelu(dense(block["expand"], norm(block["norm_2"], x)))
        x = x + dense(block["contract"], h)
    return dense(weights["logits"], norm(weights["norm"], x))


def transformer() -> dict[str, Any]:
    """Return the model, which is its weights."""
    return transformer_weights(jax.random.key(0))


BUILDS: dict[str, Callable[[], Any]] = {"by hand": transformer}


def forward(weights: dict[str, Any], tokens: jax.Array) -> jax.Array:
    """Return the logits, computed eagerly."""
    return transformer_logits(weights, tokens)


def transformer_step() -> Step:
    """Return a step of Adam on the transformer."""
    optimizer, weights = adam(), transformer()

    @partial(jax.jit, donate_argnums=0)
    def step(carry: Any, inputs: jax.Array, targets: jax.Array) -> tuple[Any, jax.Array]:
        weights, slots = carry
        loss, gradients = jax.value_and_grad(
            lambda weights: problem.next_token_loss(transformer_logits(weights, inputs), targets)
        )(weights)
        updates, slots = optimizer.update(gradients, slots, weights)
        return (optax.apply_updates(weights, updates), slots), loss

    return Step(step, (weights, optimizer.init(weights)), step.lower)


def vae_weights(key: jax.Array) -> dict[str, Any]:
    """Return all weights of the autoencoder."""
    names = ("hidden", "mean", "log_variance", "decode", "pixels")
    sizes = [(PIXELS, HIDDEN), (HIDDEN, LATENT), (HIDDEN, LATENT), (LATENT, HIDDEN), (HIDDEN, PIXELS)]
    return {n: dense_weights(k, *s) for n, k, s in zip(names, jax.random.split(key, 5), sizes, strict=True)}


def vae_loss(weights: dict[str, Any], pixels: jax.Array, key: jax.Array) -> jax.Array:
    """Return the squared error of the reconstruction plus the divergence."""
    h = jax.nn.relu(dense(weights["hidden"], pixels))
    mean, log_variance = dense(weights["mean"], h), dense(weights["log_variance"], h)
    z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape)
    out = jax.nn.sigmoid(dense(weights["pixels"], jax.nn.relu(dense(weights["decode"], z))))
    return jnp.mean((out - pixels) ** 2) + problem.divergence(mean, log_variance)


def vae_step() -> Step:
    """Return a step of Adam on the autoencoder."""
    optimizer, weights = adam(), vae_weights(jax.random.key(0))

    @partial(jax.jit, donate_argnums=0)
    def step(carry: Any, pixels: jax.Array) -> tuple[Any, jax.Array]:
        weights, slots, key = carry
        key, noise = jax.random.split(key)
        loss, gradients = jax.value_and_grad(vae_loss)(weights, pixels, noise)
        updates, slots = optimizer.update(gradients, slots, weights)
        return (optax.apply_updates(weights, updates), slots, key), loss

    return Step(step, (weights, optimizer.init(weights), jax.random.key(1)), step.lower)


def _epochs(step: Step, data: tuple[np.ndarray, ...], batch: int) -> Callable[[], float]:
    """Return a function for one epoch: shuffle, gather batches, run steps; fetch the losses at the end of the epoch."""
    carry, random = step.carry, np.random.default_rng(0)

    def epoch() -> float:
        nonlocal carry
        order, losses = random.permutation(len(data[0])), []
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            carry, loss = step.run(carry, *(array[rows] for array in data))
            losses.append(loss)
        return float(np.mean(jax.device_get(losses)))

    return epoch


def vae_fit(pixels: np.ndarray) -> Callable[[], float]:
    """Return a function that trains the autoencoder for an epoch."""
    return _epochs(vae_step(), (pixels,), problem.VAE_BATCH)


def vae_scanned(pixels: np.ndarray) -> Callable[[], float]:
    """Return a function that trains for an epoch in one `lax.scan`; the rows are gathered on the device."""
    step, random, size = vae_step(), np.random.default_rng(0), problem.VAE_BATCH
    data, carry = jax.device_put(pixels), step.carry
    whole = len(pixels) // size * size

    @partial(jax.jit, donate_argnums=0)
    def run(carry: Any, data: jax.Array, rows: jax.Array) -> tuple[Any, jax.Array]:
        return jax.lax.scan(
            lambda carry, where: step.run(carry, data.at[where].get(mode="promise_in_bounds")), carry, rows
        )

    def epoch() -> float:
        nonlocal carry
        order = random.permutation(len(pixels))
        carry, losses = run(carry, data, order[:whole].reshape(-1, size).astype("int32"))
        carry, last = step.run(carry, data[order[whole:]])
        return float(np.mean([*jax.device_get(losses), float(last)]))

    return epoch


def small_loop(inputs: np.ndarray, targets: np.ndarray, size: int) -> Callable[[], float]:
    """Return a function for an epoch of a very small step: linear regression by gradient descent."""
    weights = {"w": jnp.zeros((inputs.shape[1], 1)), "b": jnp.zeros(1)}

    @partial(jax.jit, donate_argnums=0)
    def step(carry: Any, x: jax.Array, y: jax.Array) -> tuple[Any, jax.Array]:
        loss, gradients = jax.value_and_grad(lambda w: jnp.mean((x @ w["w"] + w["b"] - y) ** 2))(carry)
        return jax.tree.map(lambda w, g: w - 0.01 * g, carry, gradients), loss

    return _epochs(Step(step, weights), (inputs, targets), size)


def transformer_fit(inputs: np.ndarray, targets: np.ndarray) -> Callable[[], float]:
    """Return a function that trains the transformer for an epoch."""
    return _epochs(transformer_step(), (inputs, targets), problem.BATCH)


def counters(count: int) -> Callable[[int], None]:
    """Return a function that adds one to each of `count` arrays: the minimal cost of calling a compiled function."""
    step = jax.jit(lambda values: ([value + 1 for value in values], 2 * values[0]), donate_argnums=0)
    values = [jnp.zeros(()) for _ in range(count)]

    def run(calls: int) -> None:
        nonlocal values
        for _ in range(calls):
            values, last = step(values)
        last.block_until_ready()

    return run
