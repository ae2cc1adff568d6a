"""Timing on a machine that other work shares: contestants take turns, and ratios are taken turn by turn.

A slow moment then slows both sides of a ratio; and where a measurement is short, a turn is the quickest of several
rounds, most of which fall between two interruptions. A ratio is reported as its median over the turns, with its
quartiles; a time as its median.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

Samples = dict[str, list[float]]


class Spread(NamedTuple):
    """The middle of some numbers, and the quartiles around it."""

    median: float
    lower: float
    upper: float


def spread(numbers: Any) -> Spread:
    """Median, lower and upper quartile."""
    lower, median, upper = np.percentile(np.asarray(numbers, float), [25, 50, 75])
    return Spread(float(median), float(lower), float(upper))


def ratios(samples: Samples, name: str, baseline: str) -> Spread:
    """How many times as long as the baseline a contestant took, turn by turn."""
    return spread(np.divide(samples[name], samples[baseline]))


def seconds(function: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def take_turns(contestants: Mapping[str, Callable[[], float]], turns: int, rounds: int = 1) -> Samples:
    """Lets every contestant measure itself once a round, each round in another order; the quickest of a turn counts."""
    names, samples = list(contestants), {name: [] for name in contestants}
    gc.collect()
    gc.freeze()  # what is alive by now is not looked through again while the clock runs
    for turn in range(turns):
        best = dict.fromkeys(names, float("inf"))
        for this_round in range(turn, turn + rounds):
            start = this_round % len(names)
            for name in names[start:] + names[:start]:
                best[name] = min(best[name], contestants[name]())
        for name in names:
            samples[name].append(best[name])
    gc.unfreeze()
    return samples


def time_turns(contestants: Mapping[str, Callable[[], Any]], turns: int, rounds: int = 1) -> Samples:
    """The seconds that each contestant's calls take; the first call of each is not counted."""
    for function in contestants.values():
        function()
    return take_turns({name: lambda f=function: seconds(f) for name, function in contestants.items()}, turns, rounds)
