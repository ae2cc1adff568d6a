"""The task of the benchmarks of single layers: sizes, inputs, and the function that is differentiated.

A contestant is a module with a dict `LAYERS` from the names in `SHAPES` to functions that return `(function, weights)`:
the layer as a pure function `function(weights, inputs)` of arrays. Recurrent layers return the outputs of all time
steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.precision import COMPUTE, wide

FILTERS, KERNEL = 64, 3
UNITS = 64
WIDTH, HEADS = 128, 4
SHAPES = {
    "Conv2D": (8, 32, 32, 32),  # batch, height, width, channels
    "LSTM": (8, 256, 64),  # batch, time, features
    "GRU": (8, 256, 64),
    "MultiHeadAttention": (2, 512, WIDTH),
}
Layer = tuple[Callable[[Any, jax.Array], jax.Array], Any]


def inputs(name: str) -> jax.Array:
    """Return a batch of inputs for a layer."""
    return jnp.asarray(np.random.default_rng(0).normal(size=SHAPES[name]), COMPUTE)


def forward_and_gradient(layer: Layer) -> Callable[[Any, jax.Array], Any]:
    """Return a function that computes a scalar of the outputs, and its gradients with respect to weights and inputs."""
    function, _ = layer
    return jax.value_and_grad(lambda weights, x: jnp.mean(jnp.square(wide(function(weights, x)))), argnums=(0, 1))
