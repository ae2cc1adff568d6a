"""The time of optimizers, against optax's own update, and of metrics, against formulas written by hand.

Both sides are compiled functions of arrays that donate the arguments they replace, so only the computation is compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.clock import seconds, take_turns
from benchmarks.contestants import BY_HAND
from benchmarks.table import Row, time_row
from jaxlayers import metrics, optimizers
from jaxlayers.core import Variable

LIMIT = 1.05
PURE, STATELESS = "jaxlayers to_optax", "jaxlayers stateless_apply"
ARRAYS, SHAPE = 1000, (24, 48)
PAIRS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "SGD with momentum": (lambda: optimizers.SGD(0.01, momentum=0.9), lambda: optax.sgd(0.01, 0.9)),
    "Adam": (lambda: optimizers.Adam(1e-3), lambda: optax.adam(1e-3, eps=1e-7)),
    "AdamW": (lambda: optimizers.AdamW(1e-3), lambda: optax.adamw(1e-3, eps=1e-7, weight_decay=4e-3)),
}


def updates() -> list[Row]:
    """The update of 1,000 arrays by each optimizer."""
    return [row for name in PAIRS for row in _update(name)]


def metric_updates() -> list[Row]:
    """The update of each metric with a batch."""
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 100_000), rng.uniform(size=100_000).astype("float32")
    logits = rng.normal(size=(2_000, 100)).astype("float32")
    classes = rng.integers(0, 100, 2_000)
    cases: dict[str, tuple[Any, Callable[..., Any], tuple[Any, ...]]] = {
        "Mean": (metrics.Mean(), _mean, (scores,)),
        "Precision": (metrics.Precision(), _precision, (labels, scores)),
        "SparseCategoricalAccuracy": (metrics.SparseCategoricalAccuracy(), _accuracy, (classes, logits)),
        "AUC": (metrics.AUC(), _auc, (labels, scores)),
    }
    rows = []
    for name, (metric, by_hand, batch) in cases.items():
        arrays = tuple(map(jnp.asarray, batch))
        ready = {
            "jaxlayers": _stream(metric.stateless_update_state, metric.stateless_reset_state(), arrays),
            BY_HAND: _stream(by_hand, metric.stateless_reset_state(), arrays),
        }
        samples = take_turns(ready, turns=15, rounds=10)
        rows.append(time_row("b", f"{name}, a jitted update", samples, "jaxlayers", BY_HAND, LIMIT, per=20))
    return rows


def _update(name: str) -> list[Row]:
    ours, theirs = PAIRS[name]
    optimizer = ours()
    rng = np.random.default_rng(0)
    params = {f"{number:04}": rng.normal(size=SHAPE).astype("float32") for number in range(ARRAYS)}
    gradients = jax.tree.map(jnp.ones_like, params)
    variables = [Variable(value) for value in params.values()]
    optimizer.build(variables)
    slots = [jnp.copy(variable.value) for variable in optimizer.variables]
    flat = list(gradients.values())

    def stateless(carry: Any) -> Any:
        return optimizer.stateless_apply(carry[1], flat, carry[0])

    ready = {
        PURE: _loop(_step(optimizer.to_optax(), gradients), params),
        STATELESS: _repeat(stateless, ([jnp.copy(p) for p in params.values()], slots)),
        "optax": _loop(_step(theirs(), gradients), params),
    }
    samples = take_turns(ready, turns=15, rounds=6)
    what = f"{name}, an update of {ARRAYS:,} arrays {SHAPE}"
    return [time_row("b", what, samples, who, "optax", LIMIT) for who in (PURE, STATELESS)]


def _step(transformation: Any, gradients: Any) -> tuple[Any, Any]:
    def step(carry: Any) -> Any:
        params, state = carry
        steps, state = transformation.update(gradients, state, params)
        return optax.apply_updates(params, steps), state

    return step, transformation.init


def _loop(pair: tuple[Any, Any], params: Any) -> Callable[[], float]:
    step, init = pair
    params = jax.tree.map(jnp.array, params)
    return _repeat(step, (params, jax.tree.map(jnp.copy, init(params))))


def _repeat(step: Callable[[Any], Any], carry: Any) -> Callable[[], float]:
    compiled = jax.jit(step, donate_argnums=0)
    held = [jax.block_until_ready(compiled(carry))]

    def once() -> float:
        def run() -> None:
            held[0] = jax.block_until_ready(compiled(held[0]))

        return seconds(run)

    once()
    return once


def _stream(update: Callable[..., Any], state: Any, batch: tuple[Any, ...]) -> Callable[[], float]:
    compiled = jax.jit(update, donate_argnums=0)
    held = [jax.block_until_ready(compiled(state, *batch))]

    def once() -> float:
        def run() -> None:
            for _ in range(20):
                held[0] = compiled(held[0], *batch)
            jax.block_until_ready(held[0])

        return seconds(run)

    return once


def _mean(state: Any, values: Any) -> Any:
    return [state[0] + jnp.sum(values), state[1] + values.size]


def _precision(state: Any, labels: Any, scores: Any) -> Any:
    predicted = scores > 0.5
    true_positives = jnp.sum(jnp.where(labels != 0, predicted, False).astype("float32"))
    return [state[0] + true_positives, state[1] + jnp.sum(predicted.astype("float32")) - true_positives]


def _accuracy(state: Any, classes: Any, logits: Any) -> Any:
    return [state[0] + jnp.sum((jnp.argmax(logits, -1) == classes).astype("float32")), state[1] + classes.size]


def _auc(state: Any, labels: Any, scores: Any) -> Any:
    bins = jnp.maximum(jnp.ceil(scores * 199).astype("int32"), 1)
    positive = (labels != 0).astype("float32")
    histogram = jax.ops.segment_sum(jnp.stack([positive, 1 - positive], -1), bins, 201)
    at_least = jax.lax.cumsum(histogram, reverse=True)
    above, below = at_least[1:], at_least[:1] - at_least[1:]  # above and below each threshold: [threshold, 2]
    counts = (above[:, 0], above[:, 1], below[:, 1], below[:, 0])
    return [count + new for count, new in zip(state, counts, strict=True)]
