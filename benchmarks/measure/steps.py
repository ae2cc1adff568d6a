"""The time, FLOPs and memory of the compiled training step, against the same step written by hand.

XLA reports FLOPs and memory of the compiled program, so they do not depend on other work on the machine. Times are
those of calls from Python, each of which needs the result of the call before.
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
FLOPS_LIMIT = 1.0001  # equal, except for the few operations that derive the keys of layers from that of the step
MEMORY_LIMIT = 1.05


def vae() -> list[Row]:
    """The step of the autoencoder, of all contestants."""
    batch = (jnp.asarray(problem.pixel_rows(problem.VAE_BATCH)),)
    steps = contestants.prepare(contestants.load(), lambda module: module.vae_step())
    return _compare("VAE step", steps, batch, calls=4, turns=25, rounds=12)


def transformer() -> list[Row]:
    """The step of the transformer, of jaxlayers and Linen only: the others take long to compile."""
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
    memory = {name: peak_memory(program) for name, program in compiled.items()}
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


def peak_memory(program: Any) -> int:
    """Return the peak memory in bytes: arguments, results that do not reuse their memory, and temporary arrays."""
    memory = program.memory_analysis()
    arrays = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    return arrays + memory.temp_size_in_bytes
