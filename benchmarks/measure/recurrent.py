"""Recurrent layers against Keras's at several sizes: forward pass, and gradient of the weights, both under `jax.jit`.

Both are pure functions of weights and inputs (`apply`, `stateless_call`), run in turn in one process. The rows are
sorted by their ratio, the worst first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.clock import seconds, time_turns
from benchmarks.contestants import APPLY, KERAS, installed
from benchmarks.table import Row, time_row
from jaxlayers import layers

LIMIT = 1.0
TURNS, SHORT = 7, 0.02  # a call that takes less than SHORT seconds is repeated within a turn
NAMES = ("SimpleRNN", "LSTM", "GRU")
SIZES = ((64, 28, 28, 64), (32, 100, 64, 128), (128, 50, 128, 256), (8, 200, 16, 32), (64, 64, 512, 512))
Pure = Callable[[Any, jax.Array], jax.Array]


def run() -> list[Row]:
    """Each recurrent layer at each size `(batch, time, features, units)`; no rows if Keras is not installed."""
    if KERAS not in installed():
        return []
    rows = [row for name in NAMES for size in SIZES for row in _compare(name, *size)]
    return sorted(rows, key=lambda row: -row.ratio.median if row.ratio else 0.0)


def _compare(name: str, batch: int, time: int, features: int, units: int) -> list[Row]:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(batch, time, features)), "float32")
    pairs = {APPLY: _ours(name, units, x), KERAS: _keras(name, units, x)}
    rows = []
    for what, transform in {"forward": lambda function: function, "gradient": _gradient}.items():
        compiled = {who: jax.jit(transform(function)) for who, (function, _) in pairs.items()}
        calls = {
            who: lambda who=who, compiled=compiled: jax.block_until_ready(compiled[who](pairs[who][1], x))
            for who in pairs
        }
        calls[KERAS]()
        rounds = 6 if seconds(calls[KERAS]) < SHORT else 1
        samples = time_turns(calls, TURNS, rounds)
        rows.append(time_row("a", f"{name} {(batch, time, features, units)}, {what}", samples, APPLY, KERAS, LIMIT))
    return rows


def _gradient(function: Pure) -> Pure:
    return jax.grad(lambda weights, x: jnp.mean(jnp.square(function(weights, x))))


def _ours(name: str, units: int, x: jax.Array) -> tuple[Pure, Any]:
    layer = getattr(layers, name)(units)
    params, state = layer.init(jax.random.key(0), x)
    return lambda params, x: layer.apply(params, state, x).outputs, params


def _keras(name: str, units: int, x: jax.Array) -> tuple[Pure, Any]:
    import keras

    layer = getattr(keras.layers, name)(units)
    layer(x)
    other = [variable.value for variable in layer.non_trainable_variables]
    weights = [variable.value for variable in layer.trainable_variables]
    return lambda weights, x: layer.stateless_call(weights, other, x)[0], weights
