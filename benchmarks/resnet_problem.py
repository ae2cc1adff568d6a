"""ResNet-50 on small images: the sizes, the data, and the mathematics that belongs to no library.

A contestant is a module with `forward()`, a pure function of weights and images with its weights, and `step()`, a
compiled step of gradient descent as a `Step`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.precision import COMPUTE, wide

IMAGE, BATCH, CLASSES = (32, 32, 3), 4, 10
STAGES = [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]  # filters, blocks, stride of the first
EPSILON, MOMENTUM, RATE = 1.001e-5, 0.99, 1e-3


def batch() -> tuple[jax.Array, jax.Array]:
    """Images and their labels."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(BATCH, *IMAGE))
    return jnp.asarray(images, COMPUTE), jnp.asarray(rng.integers(0, CLASSES, BATCH))


def negative_log_likelihood(probabilities: jax.Array, labels: jax.Array) -> jax.Array:
    """Of the labels, on average."""
    return -jnp.mean(jnp.log(jnp.take_along_axis(wide(probabilities), labels[:, None], 1) + 1e-7))


def descend(weights: Any, gradients: Any) -> Any:
    """A step of gradient descent."""
    return jax.tree.map(lambda w, g: w - RATE * g, weights, gradients)
