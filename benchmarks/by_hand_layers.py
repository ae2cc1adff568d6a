"""Single layers in plain JAX, written carefully."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from benchmarks.layer_problem import FILTERS, HEADS, KERNEL, SHAPES, UNITS, WIDTH, Layer
from benchmarks.precision import as_computed

glorot, orthogonal = jax.nn.initializers.glorot_uniform(), jax.nn.initializers.orthogonal()


def conv() -> Layer:
    """A convolution with a bias."""
    shape = (KERNEL, KERNEL, SHAPES["Conv2D"][-1], FILTERS)
    weights = {"kernel": glorot(jax.random.key(0), shape), "bias": jnp.zeros(FILTERS)}

    def function(weights: dict, x: jax.Array) -> jax.Array:
        weights = as_computed(weights)
        dimensions = ("NHWC", "HWIO", "NHWC")
        out = jax.lax.conv_general_dilated(x, weights["kernel"], (1, 1), "SAME", dimension_numbers=dimensions)
        return out + weights["bias"]

    return function, weights


def _recurrent_weights(name: str, gates: int, biases: tuple[int, ...]) -> dict[str, jax.Array]:
    first, second = jax.random.split(jax.random.key(0))
    return {
        "kernel": glorot(first, (SHAPES[name][-1], gates * UNITS)),
        "recurrent": orthogonal(second, (UNITS, gates * UNITS)),
        "bias": jnp.zeros(biases),
    }


def lstm() -> Layer:
    """Long short-term memory; the inputs are projected before the loop."""

    def function(weights: dict, x: jax.Array) -> jax.Array:
        weights = as_computed(weights)
        projected = jnp.swapaxes(x, 0, 1) @ weights["kernel"] + weights["bias"]

        def step(carry: tuple[jax.Array, jax.Array], z: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
            h, c = carry
            i, f, g, o = jnp.split(z + h @ weights["recurrent"], 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        start = jnp.zeros((x.shape[0], UNITS), x.dtype)
        return jnp.swapaxes(jax.lax.scan(step, (start, start), projected)[1], 0, 1)

    return function, _recurrent_weights("LSTM", 4, (4 * UNITS,))


def gru() -> Layer:
    """A gated recurrent unit whose reset gate is applied after the matrix product, as in cuDNN."""

    def function(weights: dict, x: jax.Array) -> jax.Array:
        weights = as_computed(weights)
        projected = jnp.swapaxes(x, 0, 1) @ weights["kernel"] + weights["bias"][0]

        def step(h: jax.Array, p: jax.Array) -> tuple[jax.Array, jax.Array]:
            z, r, n = jnp.split(p, 3, -1)
            hz, hr, hn = jnp.split(h @ weights["recurrent"] + weights["bias"][1], 3, -1)
            z, r = jax.nn.sigmoid(z + hz), jax.nn.sigmoid(r + hr)
            h = z * h + (1 - z) * jnp.tanh(n + r * hn)
            return h, h

        return jnp.swapaxes(jax.lax.scan(step, jnp.zeros((x.shape[0], UNITS), x.dtype), projected)[1], 0, 1)

    return function, _recurrent_weights("GRU", 3, (2, 3 * UNITS))


def attention() -> Layer:
    """Self-attention with `jax.nn.dot_product_attention`."""
    keys = jax.random.split(jax.random.key(0), 4)
    weights = {
        name: {"kernel": glorot(key, (WIDTH, WIDTH)), "bias": jnp.zeros(WIDTH)}
        for name, key in zip(("query", "key", "value", "out"), keys, strict=True)
    }

    def function(weights: dict, x: jax.Array) -> jax.Array:
        weights = as_computed(weights)

        def project(name: str, x: jax.Array) -> jax.Array:
            return x @ weights[name]["kernel"] + weights[name]["bias"]

        heads = [project(name, x).reshape(*x.shape[:-1], HEADS, -1) for name in ("query", "key", "value")]
        return project("out", jax.nn.dot_product_attention(*heads).reshape(x.shape))

    return function, weights


LAYERS: dict[str, Callable[[], Layer]] = {"Conv2D": conv, "LSTM": lstm, "GRU": gru, "MultiHeadAttention": attention}
