"""ResNet-50 on small images: the sizes, the data, and the mathematics that is the same in all libraries.

A contestant is a module with two functions: `forward()` returns a pure function of weights and images, and the weights;
`step()` returns a compiled step of gradient descent as a `Step`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.precision import COMPUTE, wide

IMAGE, BATCH, CLASSES = (32, 32, 3), 4, 10
STAGES = [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]  # filters, number of blocks, stride of the first block
EPSILON, MOMENTUM, RATE = 1.001e-5, 0.99, 1e-3


def batch() -> tuple[jax.Array, jax.Array]:
    """Return images and their labels."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(BATCH, *IMAGE))
    return jnp.asarray(images, COMPUTE), jnp.asarray(rng.integers(0, CLASSES, BATCH))


def negative_log_likelihood(probabilities: jax.Array, labels: jax.Array) -> jax.Array:
    """Return the mean negative log likelihood of the labels."""
    return -jnp.mean(jnp.log(jnp.take_along_axis(wide(probabilities), labels[:, None], 1) + 1e-7))


def descend(weights: Any, gradients: Any) -> Any:
    """Return the weights after a step of gradient descent."""
    return jax.tree.map(lambda w, g: w - RATE * g, weights, gradients)
