"""The compiled training step: its time, its FLOPs and its memory, beside the same step written by hand.

FLOPs and memory are what XLA says of the compiled program, so that they do not depend on how busy the machine is.
Times are those of calls through Python, each waiting for the one before.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import contestants, problem
from benchmarks.clock import Samples, Spread, seconds, take_turns
from benchmarks.contestants import APPLY, BY_HAND, OURS
from benchmarks.problem import Step
from benchmarks.table import Row, time_row

LIMITS = {APPLY: 1.02}
FLOPS_LIMIT = 1.0001  # equal, but for the handful that deriving a layer's key from the step's takes
MEMORY_LIMIT = 1.05


def vae() -> list[Row]:
    """The autoencoder's step, of everybody."""
    batch = (jnp.asarray(problem.pixel_rows(problem.VAE_BATCH)),)
    steps = contestants.prepare(contestants.load(), lambda module: module.vae_step())
    return _compare("VAE step", steps, batch, calls=4, turns=25, rounds=12)


def transformer() -> list[Row]:
    """The transformer's step, of jaxlayers and Linen: that of the others is a long time in the compiler."""
    batch = tuple(map(jnp.asarray, problem.token_rows(problem.BATCH)))
    names = (BY_HAND, *OURS, contestants.LINEN)
    steps = contestants.prepare(contestants.load(names), lambda module: module.transformer_step())
    return _compare("transformer step", steps, batch, calls=1, turns=9, rounds=4)


def _compare(
    what: str, steps: dict[str, Step], batch: tuple[Any, ...], calls: int, turns: int, rounds: int
) -> list[Row]:
    compiled = contestants.prepare(steps, lambda step: step.lower(step.carry, *batch).compile())
    samples = _times(steps, batch, calls, turns, rounds)
    rows = [
        time_row("a", what, samples, name, BY_HAND, LIMITS.get(name), per=calls) for name in samples if name != BY_HAND
    ]
    flops = {name: program.cost_analysis()["flops"] for name, program in compiled.items()}
    memory = {name: _peak(program) for name, program in compiled.items()}
    for part, kind, numbers, limit, size, unit in (
        ("a", "FLOPs", flops, FLOPS_LIMIT, 1e6, "MFLOP"),
        ("g", "memory", memory, MEMORY_LIMIT, 2**20, "MiB"),
    ):
        for name in numbers:
            if name != BY_HAND:
                ratio = numbers[name] / numbers[BY_HAND]
                row = Row(part, f"{what}, {kind}", name, f"{numbers[name] / size:.4f} {unit}", BY_HAND)
                row.baseline_value = f"{numbers[BY_HAND] / size:.4f} {unit}"
                row.ratio, row.limit = Spread(ratio, ratio, ratio), limit if name in OURS else None
                row.unit = "exact" if part == "a" else "x"
                rows.append(row)
    return rows


def _times(steps: dict[str, Step], batch: tuple[Any, ...], calls: int, turns: int, rounds: int) -> Samples:
    carries = {name: step.carry for name, step in steps.items()}

    def advance(name: str) -> None:
        carry, loss = carries[name], None
        for _ in range(calls):
            carry, loss = steps[name].run(carry, *batch)
        jax.block_until_ready(loss)
        carries[name] = carry

    ready = contestants.prepare({name: name for name in steps}, lambda name: advance(name) or name)
    return take_turns({name: lambda n=name: seconds(lambda: advance(n)) for name in ready}, turns, rounds)


def _peak(program: Any) -> int:
    """Bytes that the step needs at most: arguments, results that do not take their place, and what lies between."""
    memory = program.memory_analysis()
    kept = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    return kept + memory.temp_size_in_bytes
