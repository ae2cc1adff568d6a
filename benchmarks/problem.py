"""What every contestant computes: the sizes, the data, and the mathematics that belongs to no library.

Two models: a small variational autoencoder on rows of pixels, and a pre-norm transformer language model, both trained
with Adam. A contestant is a module with these functions, as far as they make sense for its library:

- `BUILDS`: how the transformer's weights are made from nothing, by name, each returning something to wait for;
- `transformer()`: a built model, and `forward(model, tokens)`, its logits, computed eagerly;
- `transformer_step()` and `vae_step()`: a compiled training step, as a `Step`;
- `vae_fit(pixels)` and `transformer_fit(inputs, targets)`: a function that trains for one epoch;
- `counters(n)`: a function that makes so many calls of a compiled one, which adds one to each of n variables.
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
    """A compiled step: `carry, loss = run(carry, *batch)`, again and again. The carry of a stateful one is None.

    `lower` makes a new one of the same step and returns it lowered but not compiled, where the library can do that.
    """

    run: Callable[..., tuple[Any, jax.Array]]
    carry: Any
    lower: Callable[..., Any] | None = None


def pixel_rows(count: int) -> np.ndarray:
    """Rows of pixels in [0, 1), for the autoencoder. Shape: [count, pixels]."""
    return np.random.default_rng(0).random((count, PIXELS), dtype=np.float32)


def token_rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens, and the token that follows each. Shapes: [count, length]."""
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, (count, LENGTH + 1), dtype=np.int32)
    return tokens[:, :-1], tokens[:, 1:]


def attend(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Causal attention of heads side by side. Shapes: [..., time, width] each, and of the result."""
    heads = [array.reshape(*array.shape[:-1], HEADS, WIDTH // HEADS) for array in (query, key, value)]
    return jax.nn.dot_product_attention(*heads, is_causal=True).reshape(query.shape)


def next_token_loss(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean cross-entropy of the tokens that follow. Shapes: [..., vocabulary] and [...]."""
    of_target = jnp.take_along_axis(jax.nn.log_softmax(wide(logits)), targets[..., None], axis=-1)
    return -of_target.mean()


def divergence(mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """KL divergence of N(mean, exp(log_variance)) from N(0, 1), averaged over everything (arXiv:1312.6114)."""
    return -0.5 * jnp.mean(log_variance - jnp.square(mean) - jnp.exp(log_variance) + 1)
