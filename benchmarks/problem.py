"""The task of all contestants: the sizes, the data, and the mathematics that is the same in all libraries.

There are two models, both trained with Adam: a small variational autoencoder of rows of pixels, and a pre-norm
transformer language model. A contestant is a module with these functions, as far as its library has them:

- `BUILDS`: a dict from names to functions that make the transformer's weights; each returns arrays to wait for;
- `transformer()` returns a built model, and `forward(model, tokens)` its logits, computed eagerly;
- `transformer_step()` and `vae_step()` return a compiled training step, as a `Step`;
- `vae_fit(pixels)` and `transformer_fit(inputs, targets)` return a function that trains for one epoch;
- `counters(n)` returns a function `run(calls)`, which calls a compiled function that adds one to each of n variables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.precision import wide

LEARNING_RATE, ADAM_EPSILON, NORM_EPSILON = 1e-3, 1e-7, 1e-6

PIXELS, HIDDEN, LATENT, VAE_BATCH, EXAMPLES = 784, 64, 32, 64, 60_000

BLOCKS, WIDTH, HEADS, LENGTH, VOCABULARY, BATCH = 12, 128, 4, 64, 256, 4


class Step(NamedTuple):
    """A compiled step, called repeatedly as `carry, loss = run(carry, *batch)`. The carry of a stateful step is None.

    `lower` lowers the same step anew without compiling it. None if the library has no such function.
    """

    run: Callable[..., tuple[Any, jax.Array]]
    carry: Any
    lower: Callable[..., Any] | None = None


def pixel_rows(count: int) -> np.ndarray:
    """Return rows of pixels in [0, 1), for the autoencoder. Shape: [count, pixels]."""
    return np.random.default_rng(0).random((count, PIXELS), dtype=np.float32)


def token_rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens, and the token that follows each. Shapes: [count, length]."""
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, (count, LENGTH + 1), dtype=np.int32)
    return tokens[:, :-1], tokens[:, 1:]


def attend(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Return causal attention with `HEADS` heads. Shapes: [..., time, width] for the arguments and the result."""
    heads = [array.reshape(*array.shape[:-1], HEADS, WIDTH // HEADS) for array in (query, key, value)]
    return jax.nn.dot_product_attention(*heads, is_causal=True).reshape(query.shape)


def next_token_loss(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Return the mean cross-entropy of the next tokens. Shapes: [..., vocabulary] and [...]."""
    log_probabilities = jnp.take_along_axis(jax.nn.log_softmax(wide(logits)), targets[..., None], axis=-1)
    return -log_probabilities.mean()


def divergence(mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """Return the KL divergence of N(mean, exp(log_variance)) from N(0, 1), averaged over all axes (arXiv:1312.6114)."""
    return -0.5 * jnp.mean(log_variance - jnp.square(mean) - jnp.exp(log_variance) + 1)
