"""The time of the transformer's forward pass, executed eagerly, operation by operation."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from benchmarks import contestants, problem
from benchmarks.clock import time_turns
from benchmarks.contestants import OURS
from benchmarks.measure.cold_build import against_fastest
from benchmarks.table import Row

LIMIT = 1.0


def run() -> list[Row]:
    """The forward passes of all contestants, against the fastest of the other libraries."""
    tokens = jnp.asarray(problem.token_rows(problem.BATCH)[0])
    modules = contestants.load()
    models = contestants.prepare(modules, lambda module: module.transformer())
    calls = {
        name: lambda m=model, f=modules[name].forward: jax.block_until_ready(f(m, tokens))
        for name, model in models.items()
    }
    ready = contestants.prepare(calls, lambda call: call() is not None and call)
    samples = time_turns(ready, turns=7, rounds=3)
    return against_fastest("e", "transformer, eager forward", samples, OURS, LIMIT)
