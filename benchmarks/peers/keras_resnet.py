"""ResNet-50 of `keras.applications`."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras

from benchmarks.precision import POLICY
from benchmarks.problem import Step
from benchmarks.resnet_problem import CLASSES, IMAGE, descend, negative_log_likelihood

if keras.backend.backend() != "jax":
    raise RuntimeError("Keras has to run on JAX here: set KERAS_BACKEND=jax.")
keras.config.set_dtype_policy(POLICY)


def _parts() -> tuple[Any, list[jax.Array], list[jax.Array]]:
    model = keras.applications.ResNet50(weights=None, input_shape=IMAGE, classes=CLASSES)
    held = model.trainable_variables, model.non_trainable_variables
    return model, *([jnp.array(variable.value) for variable in group] for group in held)


def forward() -> tuple[Any, Any]:
    """Return a function of weights and images, and the weights."""
    model, trainable, other = _parts()
    return lambda weights, images: model.stateless_call(*weights, images, training=False)[0], (trainable, other)


def step() -> Step:
    """Return a step of gradient descent."""
    model, trainable, other = _parts()

    @partial(jax.jit, donate_argnums=0)
    def step(carry: Any, images: jax.Array, labels: jax.Array) -> tuple[Any, jax.Array]:
        trainable, other = carry

        def loss(trainable: Any) -> Any:
            probabilities, new = model.stateless_call(trainable, other, images, training=True)
            return negative_log_likelihood(probabilities, labels), new

        (value, other), gradients = jax.value_and_grad(loss, has_aux=True)(trainable)
        return (descend(trainable, gradients), other), value

    return Step(step, (trainable, other), step.lower)
