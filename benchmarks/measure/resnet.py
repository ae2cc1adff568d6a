"""ResNet-50 on small images: the time of its forward pass and of its training step, and of their compilation.

Each is compiled only once or twice, because compilation takes most of the time of a measurement.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import jax

from benchmarks import contestants, resnet_problem
from benchmarks.clock import Samples, seconds, take_turns
from benchmarks.contestants import APPLY, BY_HAND, KERAS
from benchmarks.measure.single_layers import COMPILATION, SPEED, against_fastest
from benchmarks.table import Row

MODULES = {
    BY_HAND: "benchmarks.by_hand_resnet",
    APPLY: "benchmarks.ours.resnet",
    KERAS: "benchmarks.peers.keras_resnet",
}


def forward() -> list[Row]:
    """The forward pass of four images."""
    images, _ = resnet_problem.batch()
    made = contestants.prepare(_modules(), lambda module: module.forward())

    def lowered(name: str) -> Any:
        function, weights = made[name]
        return jax.jit(function).lower(weights, images)

    compiled, compiling = _compiled(made, lowered, turns=2)
    calls = {name: lambda n=name: jax.block_until_ready(compiled[n](made[n][1], images)) for name in compiled}
    return _rows("ResNet-50, forward", calls, compiling, turns=9, rounds=4)


def step() -> list[Row]:
    """The training step with four images."""
    batch = resnet_problem.batch()
    made = contestants.prepare(_modules(), lambda module: module.step())
    carries = {name: step.carry for name, step in made.items()}
    compiled, compiling = _compiled(made, lambda name: made[name].lower(made[name].carry, *batch), turns=1)

    def advance(name: str) -> None:
        carries[name], loss = compiled[name](carries[name], *batch)
        jax.block_until_ready((carries[name], loss))

    calls = {name: lambda n=name: advance(n) for name in compiled}
    return _rows("ResNet-50, training step", calls, compiling, turns=7, rounds=3)


def _modules() -> dict[str, Any]:
    names = contestants.installed(MODULES)
    return contestants.prepare({name: name for name in names}, lambda name: importlib.import_module(MODULES[name]))


def _compiled(made: dict[str, Any], lowered: Callable[[str], Any], turns: int) -> tuple[dict[str, Any], Samples]:
    compiled = {}

    def compilation(name: str) -> float:
        jax.clear_caches()

        def run() -> None:
            compiled[name] = lowered(name).compile()

        return seconds(run)

    return compiled, take_turns({name: lambda n=name: compilation(n) for name in made}, turns)


def _rows(what: str, calls: dict[str, Any], compiling: Samples, turns: int, rounds: int) -> list[Row]:
    for call in calls.values():
        call()
    running = take_turns({name: lambda c=call: seconds(c) for name, call in calls.items()}, turns, rounds)
    return against_fastest("a", what, running, SPEED) + against_fastest(
        "c", f"{what}, compilation", compiling, COMPILATION
    )
