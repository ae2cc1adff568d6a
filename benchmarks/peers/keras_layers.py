"""Single layers of Keras on JAX, called by `stateless_call`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from benchmarks.layer_problem import FILTERS, HEADS, KERNEL, UNITS, WIDTH, Layer, inputs
from benchmarks.precision import POLICY

if keras.backend.backend() != "jax":
    raise RuntimeError("Keras has to run on JAX here: set KERAS_BACKEND=jax.")
keras.config.set_dtype_policy(POLICY)


def _pure(layer: Any, name: str, times: int = 1) -> Layer:
    layer(*(inputs(name),) * times)
    other = [variable.value for variable in layer.non_trainable_variables]
    weights = [variable.value for variable in layer.trainable_variables]
    return lambda weights, x: layer.stateless_call(weights, other, *(x,) * times)[0], weights


LAYERS: dict[str, Callable[[], Layer]] = {
    "Conv2D": lambda: _pure(layers.Conv2D(FILTERS, KERNEL, padding="same"), "Conv2D"),
    "LSTM": lambda: _pure(layers.LSTM(UNITS, return_sequences=True), "LSTM"),
    "GRU": lambda: _pure(layers.GRU(UNITS, return_sequences=True), "GRU"),
    "MultiHeadAttention": lambda: _pure(layers.MultiHeadAttention(HEADS, WIDTH // HEADS), "MultiHeadAttention", 2),
}
