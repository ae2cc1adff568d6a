"""The time of `fit`, against a loop by hand over a jitted step: epochs over shuffled arrays in memory."""

from __future__ import annotations

import resource

import numpy as np

from benchmarks import contestants, problem
from benchmarks.clock import Spread, ratios, spread, time_turns
from benchmarks.contestants import BY_HAND, FACADE, KERAS
from benchmarks.table import Row, clock_time, time_row

LIMIT = 0.95  # samples per second, relative to the loop by hand
OVERHEAD = 50.0  # microseconds that `fit` may add to a step
BAR = 1.02  # the time of an epoch with the progress bar, relative to one without
MEMORY = 1.1  # the peak memory after the tenth epoch, relative to the first


def vae() -> list[Row]:
    """Epochs of 60,000 rows of pixels, the size of MNIST."""
    pixels = problem.pixel_rows(problem.EXAMPLES)
    epochs = contestants.prepare(contestants.load((BY_HAND, FACADE, KERAS)), lambda module: module.vae_fit(pixels))
    return _compare("VAE epoch (fit)", epochs, turns=5, rounds=3)


def scanned() -> list[Row]:
    """The same epochs as one loop on the device: `steps_per_execution="auto"`, against a scan by hand."""
    pixels = problem.pixel_rows(problem.EXAMPLES)
    epochs = contestants.prepare(contestants.load((BY_HAND, FACADE)), lambda module: module.vae_scanned(pixels))
    return _compare("VAE epoch (scanned)", epochs, turns=5, rounds=3)


def overhead() -> list[Row]:
    """The time that `fit` adds to each step: 2,000 very small steps, against a loop by hand."""
    steps, size = 2000, 16
    random = np.random.default_rng(0)
    inputs = random.random((steps * size, 4), np.float32)
    data = inputs, inputs @ random.random((4, 1), np.float32)
    names = (BY_HAND, FACADE)
    epochs = contestants.prepare(contestants.load(names), lambda module: module.small_loop(*data, size))
    samples = time_turns(epochs, turns=9, rounds=3)
    own, other = (clock_time(spread(samples[name]).median / steps) for name in (FACADE, BY_HAND))
    over = spread(1e6 / steps * np.subtract(samples[FACADE], samples[BY_HAND]))
    return [
        Row("a", "step of fit, over a loop by hand", FACADE, own, BY_HAND, other, over, "us", OVERHEAD, raw=samples)
    ]


def bar() -> list[Row]:
    """Epochs with the progress bar, against epochs without it."""
    pixels = problem.pixel_rows(problem.EXAMPLES)
    module = contestants.load((FACADE,))[FACADE]
    samples = time_turns({"with the bar": module.vae_shown(pixels), "without": module.vae_fit(pixels)}, 7, 3)
    return [time_row("a", "VAE epoch (fit)", samples, "with the bar", "without", BAR)]


def memory() -> list[Row]:
    """The peak memory of the process after ten epochs, against that after one."""
    run = contestants.load((FACADE,))[FACADE].vae_fit(problem.pixel_rows(problem.EXAMPLES))
    peaks = []
    for _ in range(10):
        run()
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    ratio = peaks[-1] / peaks[0]
    first, last = f"{peaks[0]:.0f} MiB", f"{peaks[-1]:.0f} MiB"
    return [
        Row(
            "g",
            "VAE fit, peak memory",
            "tenth epoch",
            last,
            "first epoch",
            first,
            Spread(ratio, ratio, ratio),
            "x",
            MEMORY,
        )
    ]


def transformer() -> list[Row]:
    """Short epochs of a larger step."""
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
