"""Timing on a machine that other work shares: contestants take turns, and ratios are taken turn by turn.

A slow moment then slows both sides of a ratio. A ratio is reported as its median over the turns, with its quartiles;
a time as its median.
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


def take_turns(contestants: Mapping[str, Callable[[], float]], turns: int) -> Samples:
    """Lets every contestant measure itself once a turn, each turn in another order."""
    names, samples = list(contestants), {name: [] for name in contestants}
    gc.collect()
    gc.freeze()  # what is alive by now is not looked through again while the clock runs
    for turn in range(turns):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            samples[name].append(contestants[name]())
    gc.unfreeze()
    return samples


def time_turns(contestants: Mapping[str, Callable[[], Any]], turns: int) -> Samples:
    """The seconds that each contestant's calls take; the first call of each is not counted."""
    for function in contestants.values():
        function()
    return take_turns({name: lambda f=function: seconds(f) for name, function in contestants.items()}, turns)
