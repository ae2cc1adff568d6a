"""The time to trace and lower the transformer's training step, and the time of its first call.

JAX's caches are cleared before each measurement. The first call includes the compilation by XLA.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from benchmarks import contestants, problem
from benchmarks.clock import Samples, seconds, take_turns
from benchmarks.contestants import BY_HAND, LINEN, OURS
from benchmarks.table import Row, time_row

LIMIT = 1.0


def trace() -> list[Row]:
    """Tracing and lowering without compilation."""
    batch = _batch()
    steps = contestants.prepare(contestants.load(), lambda module: module.transformer_step())

    def once(step: problem.Step) -> float:
        jax.clear_caches()
        return seconds(lambda: step.lower(step.carry, *batch))

    ready = contestants.prepare(steps, lambda step: once(step) and step)
    samples = take_turns({name: lambda s=step: once(s) for name, step in ready.items()}, turns=3)
    return _rows("transformer step, trace and lower", samples)


def first_step() -> list[Row]:
    """The first call of a step of a built model, with a new step for each measurement."""
    batch = _batch()
    modules = contestants.load((BY_HAND, *OURS, LINEN))

    def once(module: object) -> float:
        step = module.transformer_step()
        jax.block_until_ready(step.carry)
        jax.clear_caches()
        return seconds(lambda: jax.block_until_ready(step.run(step.carry, *batch)[1]))

    samples = take_turns({name: lambda m=module: once(m) for name, module in modules.items()}, turns=2)
    return _rows("transformer, first step", samples)


def _batch() -> tuple[jax.Array, ...]:
    return tuple(map(jnp.asarray, problem.token_rows(problem.BATCH)))


def _rows(what: str, samples: Samples) -> list[Row]:
    baseline = LINEN if LINEN in samples else BY_HAND
    limits = dict.fromkeys(OURS, LIMIT) if baseline == LINEN else {}
    return [time_row("c", what, samples, name, baseline, limits.get(name)) for name in samples if name != baseline]
