"""The time of a single layer, forward pass and gradient under `jax.jit`, and of its compilation.

The layer of each contestant is a pure function of weights and inputs, so that only its computation is compared.
jaxlayers is compared with the fastest of the others, including the hand-written one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import jax

from benchmarks import contestants, layer_problem
from benchmarks.clock import Samples, seconds, spread, take_turns, time_turns
from benchmarks.contestants import APPLY, BY_HAND, KERAS, LINEN, NNX
from benchmarks.table import Row, time_row

SPEED, COMPILATION = 1.03, 1.05  # no slower, up to the precision of the measurement
STEPS = 4
MODULES = {
    BY_HAND: "benchmarks.by_hand_layers",
    APPLY: "benchmarks.ours.single_layers",
    KERAS: "benchmarks.peers.keras_layers",
    LINEN: "benchmarks.peers.linen_layers",
    NNX: "benchmarks.peers.nnx_layers",
}


def conv() -> list[Row]:
    """A convolution of images."""
    return _layer("Conv2D", calls=1, turns=9, rounds=6)


def conv_in_loop() -> list[Row]:
    """Several steps of gradient descent on the kernel of a convolution, in one `lax.scan`."""
    x = layer_problem.inputs("Conv2D")
    modules = contestants.prepare({n: n for n in contestants.installed(MODULES)}, _module)
    layers = contestants.prepare(modules, lambda module: module.LAYERS["Conv2D"]())
    ready = {n: jax.jit(_descent(layer)).lower(layer[1], x).compile() for n, layer in layers.items()}
    running = time_turns({n: lambda n=n: jax.block_until_ready(ready[n](layers[n][1], x)) for n in ready}, 5, 2)
    return against_fastest("a", f"Conv2D, {STEPS} steps in a loop", running, SPEED)


def _descent(layer: layer_problem.Layer) -> Callable[[Any, jax.Array], Any]:
    gradients = layer_problem.forward_and_gradient(layer)

    def step(weights: Any, x: jax.Array) -> Any:
        return jax.tree.map(lambda w, d: w - 0.1 * d, weights, gradients(weights, x)[1][0])

    return lambda weights, x: jax.lax.scan(lambda w, _: (step(w, x), None), weights, length=STEPS)[0]


def _module(name: str) -> Any:
    return importlib.import_module(MODULES[name])


def lstm() -> list[Row]:
    """An LSTM over sequences of 256 time steps."""
    return _layer("LSTM", calls=1, turns=9, rounds=4)


def gru() -> list[Row]:
    """A GRU over sequences of 256 time steps."""
    return _layer("GRU", calls=1, turns=9, rounds=4)


def attention() -> list[Row]:
    """Self-attention of sequences of 512 time steps."""
    return _layer("MultiHeadAttention", calls=1, turns=9, rounds=4)


def _layer(name: str, calls: int, turns: int, rounds: int) -> list[Row]:
    x = layer_problem.inputs(name)
    names = contestants.installed(MODULES)
    modules = contestants.prepare({n: n for n in names}, _module)
    layers = contestants.prepare(modules, lambda module: module.LAYERS[name]())
    functions = {n: layer_problem.forward_and_gradient(layer) for n, layer in layers.items()}

    def compilation(who: str) -> float:
        jax.clear_caches()
        return seconds(lambda: jax.jit(functions[who]).lower(layers[who][1], x).compile())

    compiled = contestants.prepare({n: n for n in functions}, lambda n: compilation(n) and n)
    compiling = take_turns({n: lambda n=n: compilation(n) for n in compiled}, turns, rounds=3)
    ready = {n: jax.jit(functions[n]).lower(layers[n][1], x).compile() for n in compiled}
    running = time_turns(
        {n: lambda n=n: jax.block_until_ready([ready[n](layers[n][1], x) for _ in range(calls)]) for n in ready},
        turns,
        rounds,
    )
    rows = against_fastest("a", f"{name}, forward and gradient", running, SPEED)
    return rows + against_fastest("c", f"{name}, compilation", compiling, COMPILATION)


def against_fastest(part: str, what: str, samples: Samples, limit: float) -> list[Row]:
    """Return rows that compare jaxlayers with the fastest of the others, and the others with the hand-written one."""
    others = [name for name in samples if name != APPLY]
    fastest = min(others, key=lambda name: spread(samples[name]).median)
    rows = [time_row(part, what, samples, APPLY, fastest, limit)] if APPLY in samples else []
    return rows + [time_row(part, what, samples, name, BY_HAND) for name in others if name != BY_HAND]
