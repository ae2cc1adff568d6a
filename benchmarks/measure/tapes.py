"""Training steps with `jl.GradientTape`, against the same steps with `jl.value_and_grad`: compiled and eager.

XLA reports the FLOPs, the instructions and the memory of the two compiled programs, which must be equal. The time to
trace and lower, and the time of an eager step, are measured in turns. Calls without a tape are timed in processes that
have used a tape, against processes that have not: `python -m benchmarks.measure.tapes yes|no` runs one.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxlayers as jl
from benchmarks import contestants, problem
from benchmarks.clock import Spread, seconds, take_turns, time_turns
from benchmarks.measure.steps import peak_memory
from benchmarks.ours.facade import adam, counters
from benchmarks.ours.models import Transformer, Vae
from benchmarks.table import Row, time_row
from jaxlayers import layers

TAPE, FUNCTION = "jl.GradientTape", "jl.value_and_grad"
WITHOUT, AFTER = "no tape", "after a tape"
EQUAL, TRACING, EAGER, AFTERWARDS = 1.0, 1.4, 1.0, 1.02  # limits of the ratios
PROCESSES, VARIABLES, CALLS = 5, 100, 200  # of the comparison of calls without a tape


class Case(NamedTuple):
    """A model to train.

    Attributes:
        model: a function that makes the model.
        loss: a function of the targets and the outputs.
        inputs: a batch.
        targets: likewise.
    """

    model: Callable[[], Any]
    loss: Callable[..., Any]
    inputs: Any
    targets: Any


def _cases() -> dict[str, Case]:
    rng = np.random.default_rng(0)
    pixels = jnp.asarray(problem.pixel_rows(problem.VAE_BATCH))
    tokens, following = map(jnp.asarray, problem.token_rows(problem.BATCH))
    series, images = (jnp.asarray(rng.normal(size=shape), "float32") for shape in ((32, 50, 32), (32, 28, 28, 1)))
    labels = jnp.asarray(rng.integers(0, 10, 32))
    cross_entropy = jl.losses.SparseCategoricalCrossentropy(from_logits=True)
    return {
        "VAE": Case(Vae, jl.losses.MeanSquaredError(), pixels, pixels),
        "transformer": Case(Transformer, cross_entropy, tokens, following),
        "LSTM": Case(lambda: jl.Sequential([layers.LSTM(64), layers.Dense(10)]), cross_entropy, series, labels),
        "convolutions": Case(_convolutions, cross_entropy, images, labels),
    }


def _convolutions() -> Any:
    blocks = [
        layer
        for filters in (16, 32)
        for layer in (
            layers.Conv2D(filters, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
        )
    ]
    return jl.Sequential([*blocks, layers.Flatten(), layers.Dropout(0.1, seed=0), layers.Dense(10)])


def step_of(case: Case, who: str) -> Callable[[], jax.Array]:
    """Return an eager step of Adam on a new model, with a tape or with `jl.value_and_grad`."""
    model, optimizer = case.model(), adam()
    model.build(case.inputs.shape)
    weights = model.trainable_weights

    def compute_loss() -> jax.Array:
        return case.loss(case.targets, model(case.inputs, training=True)) + sum(model.losses)

    def with_tape() -> jax.Array:
        with jl.GradientTape() as tape:
            loss = compute_loss()
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    def with_function() -> jax.Array:
        loss, gradients = jl.value_and_grad(compute_loss, wrt=weights)()
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return loss

    return with_tape if who == TAPE else with_function


def run() -> list[Row]:
    """The steps of all models; then calls without a tape."""
    rows = []
    for name, case in _cases().items():
        rows += contestants.attempt(name, lambda n=name, c=case: compare(n, c)) or []
    return rows + without_tape()


def compare(name: str, case: Case, turns: int = 5) -> list[Row]:
    """Return the rows of one model: the compiled programs, tracing, and the eager step."""
    steps = {who: jl.jit(step_of(case, who)) for who in (TAPE, FUNCTION)}
    programs = {who: step.lower().compile() for who, step in steps.items()}
    rows = _compare_programs(name, programs)

    def trace(who: str) -> float:
        step = jl.jit(step_of(case, who))
        jax.clear_caches()
        return seconds(step.lower)

    samples = take_turns({who: lambda w=who: trace(w) for who in steps}, turns)
    rows.append(time_row("c", f"{name} step with a tape, trace and lower", samples, TAPE, FUNCTION, TRACING))
    eager = {who: step_of(case, who) for who in steps}
    for step in eager.values():
        step()
    samples = time_turns({who: lambda s=step: jax.block_until_ready(s()) for who, step in eager.items()}, turns)
    return [*rows, time_row("e", f"{name} step with a tape, eager", samples, TAPE, FUNCTION, EAGER)]


def _compare_programs(name: str, programs: dict[str, Any]) -> list[Row]:
    numbers = {
        "FLOPs": {who: program.cost_analysis()["flops"] for who, program in programs.items()},
        "instructions": {who: program.as_text().count(" = ") for who, program in programs.items()},
        "memory": {who: peak_memory(program) for who, program in programs.items()},
    }
    rows = []
    for kind, found in numbers.items():
        ratio = found[TAPE] / found[FUNCTION]
        own, other = (f"{found[who]:.0f}" for who in (TAPE, FUNCTION))
        rows.append(Row("g" if kind == "memory" else "a", f"{name} step with a tape, {kind}", TAPE, own, FUNCTION))
        rows[-1].baseline_value, rows[-1].unit = other, "exact"
        rows[-1].ratio, rows[-1].limit = Spread(ratio, ratio, ratio), EQUAL
    return rows


def without_tape() -> list[Row]:
    """The time of an eager layer and of a compiled function, in processes that have used a tape and others."""
    first = contestants.prepare({WITHOUT: "no", AFTER: "yes"}, _in_fresh_process)
    samples: list[dict[str, list[float]]] = [{who: [] for who in first} for _ in range(2)]
    for turn in range(PROCESSES):
        for who in list(first)[:: 1 if turn % 2 else -1]:
            for kind, time in zip(samples, _in_fresh_process("yes" if who == AFTER else "no"), strict=True):
                kind[who].append(time)
    titles = (f"call over {VARIABLES} variables, after a tape", "eager layer, after a tape")
    return [time_row("b", title, kind, AFTER, WITHOUT, AFTERWARDS) for title, kind in zip(titles, samples, strict=True)]


def _in_fresh_process(uses_tape: str) -> tuple[float, float]:
    command = [sys.executable, "-m", __name__, uses_tape]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"The calls without a tape failed: {done.stderr.strip().splitlines()[-1:]}")
    compiled, eager = map(float, done.stdout.split()[-2:])
    return compiled, eager


def _time_calls() -> tuple[float, float]:
    """Return the shortest times of a call of a compiled function and of an eager layer, in seconds."""
    count, layer, x = counters(VARIABLES), layers.Dense(8, activation="relu"), jnp.ones((4, 8))
    functions = [lambda: count(1), lambda: jax.block_until_ready(layer(x))]
    for function in functions:
        function()
    compiled, eager = (min(seconds(function) for _ in range(CALLS)) for function in functions)
    return compiled, eager


if __name__ == "__main__":
    if sys.argv[1] == "yes":
        variable = jl.Variable(2.0)
        with jl.GradientTape() as used:
            square = variable**2
        used.gradient(square, variable)
    print(*_time_calls())
