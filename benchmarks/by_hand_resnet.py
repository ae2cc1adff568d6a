"""ResNet-50 in plain JAX: dicts of arrays and `jax.lax`."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.precision import as_computed, wide
from benchmarks.problem import Step
from benchmarks.resnet_problem import (
    CLASSES,
    EPSILON,
    IMAGE,
    MOMENTUM,
    STAGES,
    descend,
    negative_log_likelihood,
)

glorot = jax.nn.initializers.glorot_uniform()


def _conv_and_norm(key: jax.Array, size: int, inputs: int, filters: int) -> tuple[Any, Any]:
    weights = {
        "kernel": glorot(key, (size, size, inputs, filters)),
        "bias": jnp.zeros(filters),
        "gamma": jnp.ones(filters),
        "beta": jnp.zeros(filters),
    }
    return weights, {"mean": jnp.zeros(filters), "variance": jnp.ones(filters)}


def weights() -> tuple[Any, Any]:
    """Return the weights and the moving averages, each keyed by the name of the layer."""
    params, state = {}, {}
    key = jax.random.key(0)

    def add(name: str, *sizes: int) -> None:
        nonlocal key
        key, layer_key = jax.random.split(key)
        params[name], state[name] = _conv_and_norm(layer_key, *sizes)

    add("start", 7, IMAGE[-1], 64)
    inputs = 64
    for stage, (filters, blocks, _) in enumerate(STAGES):
        for number in range(blocks):
            if number == 0:
                add(f"{stage}/{number}/shortcut", 1, inputs, 4 * filters)
            add(f"{stage}/{number}/1", 1, inputs, filters)
            add(f"{stage}/{number}/2", 3, filters, filters)
            add(f"{stage}/{number}/3", 1, filters, 4 * filters)
            inputs = 4 * filters
    params["top"] = {"kernel": glorot(key, (inputs, CLASSES)), "bias": jnp.zeros(CLASSES)}
    return params, state


def predict(params: Any, state: Any, x: jax.Array, training: bool) -> tuple[jax.Array, Any]:
    """Return the probabilities and the new moving averages."""
    new = {}

    def layer(name: str, x: jax.Array, stride: int = 1, padding: Any = "SAME") -> jax.Array:
        w, averages = params[name], state[name]
        dimensions = ("NHWC", "HWIO", "NHWC")
        kernel, bias = as_computed((w["kernel"], w["bias"]))
        x = jax.lax.conv_general_dilated(x, kernel, (stride,) * 2, padding, dimension_numbers=dimensions) + bias
        mean, variance = averages["mean"], averages["variance"]
        if training:
            mean, variance = jnp.mean(wide(x), (0, 1, 2)), jnp.var(wide(x), (0, 1, 2))
            new[name] = {
                "mean": MOMENTUM * averages["mean"] + (1 - MOMENTUM) * mean,
                "variance": MOMENTUM * averages["variance"] + (1 - MOMENTUM) * variance,
            }
        return as_computed((x - mean) * jax.lax.rsqrt(variance + EPSILON) * w["gamma"] + w["beta"])

    x = jax.nn.relu(layer("start", x, 2, [(3, 3), (3, 3)]))
    window, strides, padding = (1, 3, 3, 1), (1, 2, 2, 1), [(0, 0), (1, 1), (1, 1), (0, 0)]
    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, strides, padding)
    for stage, (_, blocks, stride) in enumerate(STAGES):
        for number in range(blocks):
            name, by = f"{stage}/{number}", stride if number == 0 else 1
            shortcut = layer(f"{name}/shortcut", x, by) if number == 0 else x
            h = jax.nn.relu(layer(f"{name}/1", x, by))
            h = jax.nn.relu(layer(f"{name}/2", h))
            x = jax.nn.relu(shortcut + layer(f"{name}/3", h))
    top = as_computed(params["top"])
    return jax.nn.softmax(jnp.mean(x, (1, 2)) @ top["kernel"] + top["bias"]), new


def forward() -> tuple[Any, Any]:
    """Return a function of weights and images, and the weights."""
    return lambda weights, images: predict(*weights, images, False)[0], weights()


def step() -> Step:
    """Return a step of gradient descent."""

    @partial(jax.jit, donate_argnums=0)
    def step(carry: Any, images: jax.Array, labels: jax.Array) -> tuple[Any, jax.Array]:
        params, state = carry

        def loss(params: Any) -> Any:
            probabilities, new = predict(params, state, images, True)
            return negative_log_likelihood(probabilities, labels), new

        (value, state), gradients = jax.value_and_grad(loss, has_aux=True)(params)
        return (descend(params, gradients), state), value

    return Step(step, weights(), step.lower)
