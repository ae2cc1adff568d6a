"""Check that several processes begin a run alike: with the same weights, seeds and data.

Without the check, a difference would stay unnoticed: each process would compute its part of a model of its own, or wait
for steps that the others do not take.
"""

from __future__ import annotations

import itertools
from typing import Any

import jax
import numpy as np

from jaxlayers.checkpoint import failures
from jaxlayers.common import placement, processes
from jaxlayers.core import random

_SAMPLED = 16  # elements of each weight, and rows of each array of data, that are compared

_ADVICE = {
    "weights": "Build the same model in each process.",
    "values of the weights": "Call jl.utils.set_random_seed with the same seed in each process before the model is "
    "made, or load the same weights in each.",
    "random seeds": "Call jl.utils.set_random_seed with the same seed in each process before the model is made.",
    "batches": "Pass data of the same size, with the same batch_size and steps, in each process.",
    "data": "Pass the same arrays in each process, or say that each has its own: DataParallel(process_local=True).",
}


def check(model: Any, data: Any, *feeds: Any) -> None:
    """Check, if several processes run a model together, that they agree on what must be the same.

    Args:
        model: the model.
        data: the batches of the run, a `Feed`.
        *feeds: further batches of the run, those of the validation; None for none.

    Raises:
        ValueError: in all processes, if they differ.
    """
    if not placement.spans_processes():
        return
    failures.wait_until_known()
    feeds = tuple(feed for feed in (data, *feeds) if feed is not None)
    variables = [variable for variable in model.variables if variable.held is not None and not variable.is_pinned]
    sums = {
        "weights": _sum([(variable.path, variable.shape, str(variable.dtype)) for variable in variables]),
        "values of the weights": _sum(_samples_of(variables)),
        "random seeds": _sum(np.asarray(random.global_generator().state.value).tolist()),
        "batches": _sum([feed.limit for feed in feeds]),
        "data": 0,
    }
    if placement.joiner() is None:
        numbers, arrays = zip(*(feed.describe() for feed in feeds), strict=True)
        sums["batches"] = _sum(numbers)
        leaves = itertools.chain.from_iterable(arrays)
        sums["data"] = _sum([(leaf.shape, str(leaf.dtype), _ends_of(leaf).tolist()) for leaf in leaves])
    for name, others in processes.find_differences(sums).items():
        raise ValueError(
            f"{model.name!r}: the {name} of the processes {others} differ from those of process 0. {_ADVICE[name]}"
        )


def _sum(facts: Any) -> int:
    return processes.sum_of(repr(facts).encode())


def _samples_of(variables: list[Any]) -> list[list[Any]]:
    """Return the first values of each variable that lies whole in this process."""
    arrays = [variable.held for variable in variables]
    whole = [array.addressable_data(0) for array in arrays if array.is_fully_replicated]
    return [np.asarray(each).astype("float32").tolist() for each in jax.device_get(_heads(whole))]


@jax.jit
def _heads(arrays: list[jax.Array]) -> list[jax.Array]:
    return [array.ravel()[:_SAMPLED] for array in arrays]


def _ends_of(array: Any) -> np.ndarray:
    """Return the first and the last values of an array."""
    rows = max(1, _SAMPLED // max(1, array[:1].size)) if len(array) else 0
    return np.concatenate([np.ravel(array[:rows])[:_SAMPLED], np.ravel(array[-rows:])[-_SAMPLED:]])
