"""Executions: what one compiled call runs, a single step or a loop of several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from jaxlayers.transforms.loops import repeat

Step = Callable[[Any], Any]


class Execution(NamedTuple):
    """A kind of execution, as functions of its arguments.

    Attributes:
        steps: `(step, *args) -> logs`: run the steps, and return the logs of the last one.
        size_of: `(*args) -> number of steps`.
        batch_of: `(number, *args) -> batch`: the batch of one of the steps.
    """

    steps: Callable[..., Any]
    size_of: Callable[..., int]
    batch_of: Callable[..., Any]


SINGLE = Execution(lambda step, batch: step(batch), lambda batch: 1, lambda number, batch: batch)


def _row(number: Any, batches: Any, count: Any = None) -> Any:
    return jax.tree.map(lambda leaf: leaf[number], batches)


# `(stacked batches [number, batch, ...], number)`
SEVERAL = Execution(
    lambda step, batches, count: repeat(lambda i: step(_row(i, batches)), count),
    lambda batches, count: int(count),
    _row,
)


def gathering(batch: Any) -> Execution:
    """Return the execution with the arguments `(arrays, order, start, number)`, which gathers batches on the device.

    Args:
        batch: the structure of a batch, with the number of an array in each place: one may stand in several.
    """
    which, structure = jax.tree.flatten(batch)

    def batch_of(number: Any, arrays: Any, order: Any, start: Any, count: Any) -> Any:
        rows = order[start + number]  # [batch]
        taken = [array.at[rows].get(mode="promise_in_bounds") for array in arrays]
        return jax.tree.unflatten(structure, [taken[number] for number in which])

    def steps(step: Step, *args: Any) -> Any:
        return repeat(lambda i: step(batch_of(i, *args)), args[-1])

    return Execution(steps, lambda *args: int(args[-1]), batch_of)
