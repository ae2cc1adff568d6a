"""The time that a call of a compiled function over objects takes longer than `jax.jit` of the same pure function."""

from __future__ import annotations

import numpy as np

from benchmarks import contestants
from benchmarks.clock import seconds, spread, take_turns
from benchmarks.contestants import BY_HAND, FACADE, NNX
from benchmarks.table import Row, clock_time

FIXED, PER_VARIABLE = 15.0, 0.2  # microseconds
PLANS = {10: (10, 15), 100: (10, 10), 1000: (1, 10)}  # number of variables: (calls in a round, rounds in a turn)
TURNS = 15


def run() -> list[Row]:
    """A function that adds one to each of 10, 100 or 1,000 variables."""
    rows = []
    for count, (calls, rounds) in PLANS.items():
        made = contestants.prepare(contestants.load((BY_HAND, FACADE, NNX)), lambda m, n=count: m.counters(n))
        ready = contestants.prepare(made, lambda call: call(5) or call)
        samples = take_turns(
            {name: lambda c=call, n=calls: seconds(lambda: c(n)) / n for name, call in ready.items()}, TURNS, rounds
        )
        for name in ready:
            if name != BY_HAND:
                over = 1e6 * np.subtract(samples[name], samples[BY_HAND])
                own, other = (clock_time(spread(samples[n]).median) for n in (name, BY_HAND))
                limit = FIXED + PER_VARIABLE * count if name == FACADE else None
                what = f"call over {count} variables, over jax.jit"
                rows.append(Row("b", what, name, own, "jax.jit", other, spread(over), "us", limit, raw=samples))
    return rows
