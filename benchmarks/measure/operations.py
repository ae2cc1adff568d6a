"""The time that an eager call of an operation takes longer than the same function of `jax.numpy` or `jax.nn`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.clock import seconds, spread, take_turns
from benchmarks.table import Row, clock_time
from jaxlayers import ops

LIMIT = 2.0  # microseconds
CALLS = 500
X = jnp.linspace(-1.0, 1.0, 12).reshape(3, 4)
PAIRS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "add": (lambda: ops.add(X, X), lambda: jnp.add(X, X)),
    "matmul": (lambda: ops.matmul(X, X.T), lambda: jnp.matmul(X, X.T)),
    "exp": (lambda: ops.exp(X), lambda: jnp.exp(X)),
    "mean": (lambda: ops.mean(X, axis=1), lambda: jnp.mean(X, axis=1)),
    "reshape": (lambda: ops.reshape(X, (4, 3)), lambda: jnp.reshape(X, (4, 3))),
    "where": (lambda: ops.where(X > 0, X, 0.0), lambda: jnp.where(X > 0, X, 0.0)),
    "concatenate": (lambda: ops.concatenate([X, X]), lambda: jnp.concatenate([X, X])),
    "relu": (lambda: ops.relu(X), lambda: jax.nn.relu(X)),
    "softmax": (lambda: ops.softmax(X), lambda: jax.nn.softmax(X)),
}


def run() -> list[Row]:
    """Each operation on small arrays, so that the cost of the call dominates."""
    rows = []
    for name, pair in PAIRS.items():
        ready = {who: _repeated(call) for who, call in zip(("jaxlayers", "jax"), pair, strict=True)}
        samples = take_turns(ready, turns=15, rounds=8)
        over = spread(1e6 * np.subtract(samples["jaxlayers"], samples["jax"]))
        own, other = (clock_time(spread(samples[who]).median) for who in ("jaxlayers", "jax"))
        rows.append(
            Row("b", f"ops.{name}, an eager call", "jaxlayers", own, "jax", other, over, "us", LIMIT, raw=samples)
        )
    return rows


def _repeated(call: Callable[[], Any]) -> Callable[[], float]:
    def calls() -> None:
        for _ in range(CALLS):
            last = call()
        jax.block_until_ready(last)

    calls()
    return lambda: seconds(calls) / CALLS
