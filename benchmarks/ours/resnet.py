"""ResNet-50 for small images as a functional model of jaxlayers, and its pure training step."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax

import jaxlayers as jl
from benchmarks.problem import Step
from benchmarks.resnet_problem import CLASSES, EPSILON, IMAGE, STAGES, descend, negative_log_likelihood
from jaxlayers import layers


def _norm(x: Any) -> Any:
    return layers.BatchNormalization(epsilon=EPSILON)(x)


def _block(x: Any, filters: int, stride: int, first: bool) -> Any:
    shortcut = _norm(layers.Conv2D(4 * filters, 1, stride)(x)) if first else x
    x = layers.ReLU()(_norm(layers.Conv2D(filters, 1, stride)(x)))
    x = layers.ReLU()(_norm(layers.Conv2D(filters, 3, padding="same")(x)))
    x = _norm(layers.Conv2D(4 * filters, 1)(x))
    return layers.ReLU()(layers.Add()([shortcut, x]))


def resnet() -> Any:
    """Return ResNet-50 (arXiv:1512.03385) with its strides placed as in `keras.applications`."""
    images = jl.Input(IMAGE)
    x = layers.Conv2D(64, 7, 2)(layers.ZeroPadding2D(3)(images))
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(layers.ReLU()(_norm(x))))
    for filters, blocks, stride in STAGES:
        for number in range(blocks):
            x = _block(x, filters, stride if number == 0 else 1, number == 0)
    return jl.Model(images, layers.Dense(CLASSES, "softmax")(layers.GlobalAveragePooling2D()(x)))


def _parts() -> tuple[Any, Any, Any]:
    model = resnet()
    return model, *model.init(jax.random.key(0), jax.ShapeDtypeStruct((1, *IMAGE), "float32"))


def forward() -> tuple[Any, Any]:
    """Return a function of weights and images, and the weights."""
    model, params, state = _parts()
    return lambda weights, images: model.apply(*weights, images, training=False).outputs, (params, state)


def step() -> Step:
    """Return a step of gradient descent."""
    model, params, state = _parts()

    @partial(jax.jit, donate_argnums=0)
    def step(carry: Any, images: jax.Array, labels: jax.Array) -> tuple[Any, jax.Array]:
        params, state = carry

        def loss(params: Any) -> Any:
            applied = model.apply(params, state, images, training=True)
            return negative_log_likelihood(applied.outputs, labels), applied.state

        (value, state), gradients = jax.value_and_grad(loss, has_aux=True)(params)
        return (descend(params, gradients), state), value

    return Step(step, (params, state), step.lower)
