"""Single layers of Flax NNX, split into a graph and its parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import nnx

from benchmarks.layer_problem import FILTERS, HEADS, KERNEL, SHAPES, UNITS, WIDTH, Layer
from benchmarks.precision import COMPUTE


def _pure(layer: nnx.Module, **options: Any) -> Layer:
    graph, weights, rest = nnx.split(layer, nnx.Param, ...)
    return lambda weights, x: nnx.merge(graph, weights, rest)(x, **options), weights


def _size(name: str) -> int:
    return SHAPES[name][-1]


def _recurrent(cell: Any, name: str, states: int) -> Layer:
    start = (
        jnp.zeros((SHAPES[name][0], UNITS), COMPUTE),
    ) * states  # without an initial state the cell draws a key from its rngs, which cannot change under jax.jit
    layer = nnx.RNN(cell(_size(name), UNITS, dtype=COMPUTE, rngs=nnx.Rngs(0)))
    return _pure(layer, initial_carry=start if states > 1 else start[0])


LAYERS: dict[str, Callable[[], Layer]] = {
    "Conv2D": lambda: _pure(nnx.Conv(_size("Conv2D"), FILTERS, (KERNEL, KERNEL), dtype=COMPUTE, rngs=nnx.Rngs(0))),
    "LSTM": lambda: _recurrent(nnx.OptimizedLSTMCell, "LSTM", 2),
    "GRU": lambda: _recurrent(nnx.GRUCell, "GRU", 1),
    "MultiHeadAttention": lambda: _pure(
        nnx.MultiHeadAttention(HEADS, WIDTH, dtype=COMPUTE, rngs=nnx.Rngs(0)), decode=False
    ),
}
