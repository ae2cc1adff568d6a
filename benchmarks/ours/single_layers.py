"""Single layers of jaxlayers, as `init` and `apply`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from benchmarks.layer_problem import FILTERS, HEADS, KERNEL, UNITS, WIDTH, Layer, inputs
from jaxlayers import layers


def _pure(layer: Any, name: str, times: int = 1) -> Layer:
    x = (inputs(name),) * times
    params, state = layer.init(jax.random.key(0), *x)
    return lambda params, x: layer.apply(params, state, *(x,) * times).outputs, params


LAYERS: dict[str, Callable[[], Layer]] = {
    "Conv2D": lambda: _pure(layers.Conv2D(FILTERS, KERNEL, padding="same"), "Conv2D"),
    "LSTM": lambda: _pure(layers.LSTM(UNITS, return_sequences=True), "LSTM"),
    "GRU": lambda: _pure(layers.GRU(UNITS, return_sequences=True), "GRU"),
    "MultiHeadAttention": lambda: _pure(layers.MultiHeadAttention(HEADS, WIDTH // HEADS), "MultiHeadAttention", 2),
}
