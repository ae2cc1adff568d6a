"""Layers against Keras's: forward pass during training, and gradient, both under `jax.jit`.

Both are pure functions of weights, state and inputs (`apply`, `stateless_call`), run in turn in one process. The rows
are sorted by their ratio, the worst first.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp

import jaxlayers.layers
from benchmarks.clock import Samples, seconds, time_turns
from benchmarks.contestants import APPLY, KERAS, attempt, installed
from benchmarks.layer_cases import CASES, Case
from benchmarks.table import Row, time_row

LIMIT = 1.05
TURNS, TURN = 7, 0.05  # a turn has as many rounds as fit into TURN seconds, up to ROUNDS
ROUNDS = 20
Pure = Callable[..., Any]  # of weights, state and the positional arguments of the call; returns outputs and state


def run(*names: str) -> list[Row]:
    """All layers of the table, or those with these names; no rows if Keras is not installed."""
    return compare((case for case in CASES if not names or case.name in names), LIMIT)


def compare(cases: Iterable[Case], limit: float) -> list[Row]:
    """Return two rows for each case, forward pass and gradient, the worst first."""
    if KERAS not in installed():
        return []
    rows = []
    for case in cases:
        for what, samples in (attempt(str(case), lambda case=case: measure(case)) or {}).items():
            rows.append(time_row("a", f"{case}, {what}", samples, APPLY, KERAS, limit))
        jax.clear_caches()
        gc.collect()
    return sorted(rows, key=lambda row: -row.ratio.median if row.ratio else 0.0)


def measure(case: Case) -> dict[str, Samples]:
    """Return the times of both contestants by the name of the quantity."""
    arguments = case.call_arguments()
    pairs = {APPLY: ours(case, arguments), KERAS: _keras(case, arguments)}
    samples = {"forward": _time(pairs, arguments)}
    if case.has_slopes or jax.tree.leaves(pairs[APPLY][1][0]):
        gradients = {who: (gradient(function, case.has_slopes), held) for who, (function, held) in pairs.items()}
        samples["gradient"] = _time(gradients, arguments)
    return samples


def gradient(function: Pure, of_inputs: bool) -> Pure:
    """Return the gradient of a scalar of the outputs, with respect to the weights and, if wanted, to the inputs."""

    def loss(weights: Any, arguments: Any, state: Any) -> jax.Array:
        outputs = jax.tree.leaves(function(weights, state, *arguments)[0])
        return sum(jnp.mean(jnp.square(x.astype("float32"))) for x in outputs)

    compute = jax.grad(loss, argnums=(0, 1) if of_inputs else 0)
    return lambda weights, state, *arguments: compute(weights, arguments, state)


def ours(case: Case, arguments: Any) -> tuple[Pure, Any]:
    """Return the layer of this library as a pure function, with its weights and state."""
    layer, key = case.make(jaxlayers.layers), jax.random.key(0)

    def function(weights: Any, state: Any, *arguments: Any) -> Any:
        return layer.apply(weights, state, *arguments, rng=key, training=True)[:2]

    return function, tuple(layer.init(key, *arguments))


def _keras(case: Case, arguments: Any) -> tuple[Pure, Any]:
    import keras

    layer = case.make(keras.layers)
    layer(*arguments)
    held = [
        [variable.value for variable in variables]
        for variables in (layer.trainable_variables, layer.non_trainable_variables)
    ]
    options = {"training": True} if "training" in inspect.signature(layer.call).parameters else {}
    return lambda *arguments: layer.stateless_call(*arguments, **options), held


def _time(pairs: dict[str, tuple[Pure, Any]], arguments: Any) -> Samples:
    calls = {}
    for who, (function, held) in pairs.items():
        compiled = jax.jit(function).lower(*held, *arguments).compile()
        calls[who] = lambda compiled=compiled, held=held: jax.block_until_ready(compiled(*held, *arguments))
    calls[KERAS]()
    return time_turns(calls, TURNS, max(1, min(ROUNDS, int(TURN / seconds(calls[KERAS])))))
