"""Single layers of Flax Linen, by `init` and `apply`."""

from __future__ import annotations

from collections.abc import Callable

import jax
from flax import linen as nn

from benchmarks.layer_problem import FILTERS, HEADS, KERNEL, UNITS, WIDTH, Layer, inputs
from benchmarks.precision import COMPUTE


def _pure(layer: nn.Module, name: str) -> Layer:
    return layer.apply, layer.init(jax.random.key(0), inputs(name))


LAYERS: dict[str, Callable[[], Layer]] = {
    "Conv2D": lambda: _pure(nn.Conv(FILTERS, (KERNEL, KERNEL), dtype=COMPUTE), "Conv2D"),
    "LSTM": lambda: _pure(nn.RNN(nn.OptimizedLSTMCell(UNITS, dtype=COMPUTE)), "LSTM"),
    "GRU": lambda: _pure(nn.RNN(nn.GRUCell(UNITS, dtype=COMPUTE)), "GRU"),
    "MultiHeadAttention": lambda: _pure(
        nn.MultiHeadDotProductAttention(HEADS, qkv_features=WIDTH, dtype=COMPUTE), "MultiHeadAttention"
    ),
}
