"""Time measurements on a shared machine: contestants take turns, and a ratio is computed for each turn.

A disturbance then affects both sides of a ratio. The time of a turn is the shortest of several rounds, because some
rounds of a short measurement have no interruption. A ratio is reported as its median over the turns, with its
quartiles; a time is reported as its median.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

Samples = dict[str, list[float]]


class Spread(NamedTuple):
    """The median and the quartiles of some numbers."""

    median: float
    lower: float
    upper: float


def spread(numbers: Any) -> Spread:
    """Return the median and the quartiles."""
    lower, median, upper = np.percentile(np.asarray(numbers, float), [25, 50, 75])
    return Spread(float(median), float(lower), float(upper))


def ratios(samples: Samples, name: str, baseline: str) -> Spread:
    """Return the ratio of the times of a contestant and the baseline, over the turns."""
    return spread(np.divide(samples[name], samples[baseline]))


def seconds(function: Callable[[], Any]) -> float:
    """Return the time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def take_turns(contestants: Mapping[str, Callable[[], float]], turns: int, rounds: int = 1) -> Samples:
    """Run each contestant once per round, in a rotating order; return its shortest time of each turn.

    Args:
        contestants: functions that run once and return their time in seconds.
        turns: the number of samples for each contestant.
        rounds: the number of runs per turn.
    """
    names, samples = list(contestants), {name: [] for name in contestants}
    gc.collect()
    gc.freeze()  # a collection during a measurement then skips the objects that exist now
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
    """Return the seconds of each contestant's calls; the first call of each is not measured."""
    for function in contestants.values():
        function()
    return take_turns({name: lambda f=function: seconds(f) for name, function in contestants.items()}, turns, rounds)
