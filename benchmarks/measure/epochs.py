"""`fit` beside a jitted loop written by hand: epochs over arrays in memory, shuffled, batch by batch."""

from __future__ import annotations

from benchmarks import contestants, problem
from benchmarks.clock import ratios, time_turns
from benchmarks.contestants import BY_HAND, FACADE, KERAS
from benchmarks.table import Row, time_row

LIMIT = 0.95  # of the samples per second that the loop by hand gets through


def vae() -> list[Row]:
    """Epochs of 60,000 rows of pixels, as MNIST has."""
    pixels = problem.pixel_rows(problem.EXAMPLES)
    epochs = contestants.prepare(contestants.load((BY_HAND, FACADE, KERAS)), lambda module: module.vae_fit(pixels))
    return _compare("VAE epoch (fit)", epochs, turns=5, rounds=3)


def transformer() -> list[Row]:
    """Short epochs of a heavier step."""
    data = problem.token_rows(12 * problem.BATCH)
    epochs = contestants.prepare(contestants.load((BY_HAND, FACADE)), lambda module: module.transformer_fit(*data))
    return _compare("transformer epoch of 12 steps (fit)", epochs, turns=5, rounds=2)


def _compare(what: str, epochs: dict, turns: int, rounds: int) -> list[Row]:
    samples = time_turns(epochs, turns, rounds)
    rows = []
    for name in samples:
        if name != BY_HAND:
            row = time_row("a", what, samples, name, BY_HAND)
            row.what += ", speed"
            row.ratio = ratios(samples, BY_HAND, name)
            row.limit, row.at_least = (LIMIT if name == FACADE else None), True
            rows.append(row)
    return rows
