"""One pass over data: batches in, figures out, and the device is never waited for on the way.

A pass is a number of *executions*: single steps, or several steps that are one call of a compiled loop. The host runs
ahead of the device by a bounded number of executions, so that what waits in memory does not grow.
"""

from __future__ import annotations

import collections
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

_AHEAD = 32  # executions handed to the device before the host waits for the oldest
_TARGET = (
    0.25  # seconds that an execution of "auto" is meant to take, so that a bar moves and an interrupt comes through
)
_STACKED = 16  # steps per execution of "auto" where batches come from an iterator
_RESIDENT = 2**30  # bytes of arrays that "auto" puts onto the device


class Loop:
    """Runs one of a model's steps over a feed, epoch after epoch.

    Args:
        model: the model.
        name: of the step: `"train_step"` or `"test_step"`.
        data: a feed of batches.
        hooks: what to call before and after each execution with the number of the batch, or None.
        progress: shows how far it is, or None.
    """

    def __init__(self, model: Any, name: str, data: Any, hooks: tuple[Any, Any] = (None, None), progress: Any = None):
        self._model, self._name, self._data = model, name, data
        self._begin, self._end = hooks
        self._progress = progress
        several = model.steps_per_execution
        if several == "auto" and (hooks != (None, None) or model.run_eagerly):
            several = 1  # whoever listens to batches wants to hear of each
        self._resident = Resident.of(data) if several == "auto" else None
        self._number = _STACKED if several == "auto" else several

    def run(self) -> tuple[int, dict[str, Any]]:
        """One pass: the number of steps, and the figures it ends with, as floats and NumPy arrays.

        Raises:
            ValueError: when the data has no batches.
        """
        model = self._model
        model.reset_metrics()
        logs: Any = {}
        count = 0
        waiting: collections.deque[Any] = collections.deque()
        began = time.perf_counter()
        for size, execute in self._executions():
            if self._begin is not None:
                self._begin(count)
            try:
                logs = execute()
            except Exception as error:
                error.add_note(f"In {self._name}, batch {count}{f' to {count + size - 1}' if size > 1 else ''}.")
                raise
            count += size
            if self._end is not None:
                self._end(count - 1, logs)
            if self._progress is not None:
                self._progress.step(count - 1, logs)
            waiting.append(logs)
            if len(waiting) > _AHEAD:
                jax.block_until_ready(waiting.popleft())
            if model.stop_training:
                break
        if not count:
            raise ValueError("The data has no batches (left).")
        figures = {name: as_figure(value) for name, value in jax.device_get(logs).items()}
        if self._resident is not None:
            self._resident.seconds_per_step = (time.perf_counter() - began) / count
        return count, figures

    def _executions(self) -> Iterator[tuple[int, Callable[[], Any]]]:
        """The numbers of steps and the calls that make up a pass."""
        model, name = self._model, self._name
        if self._resident is not None:
            yield from self._resident.executions(model, name)
        elif self._number == 1:
            step = None
            for batch in self._data.epoch():
                if step is None:
                    model._build_for(batch)
                    step = model._step(name)
                yield 1, functools.partial(step, batch)
        else:
            for batches, size in self._data.stacked(self._number):
                model._build_for(batches if size == 1 else jax.tree.map(lambda leaf: leaf[0], batches))
                if size == 1:
                    yield 1, functools.partial(model._step(name), batches)
                else:
                    yield size, functools.partial(model._several(name), batches, np.int32(size))


class Resident:
    """Arrays on the device, of which each step gathers its batch; only an order of rows travels.

    Args:
        loader: the `ArrayLoader` that says which rows make up which batch.
    """

    def __init__(self, loader: Any):
        self._loader = loader
        self._arrays = jax.device_put(loader.arrays)
        self.seconds_per_step: float | None = None

    @classmethod
    def of(cls, data: Any) -> Resident | None:
        """For a feed of arrays that are small enough; None for another."""
        loader = data.loader
        if loader is None or sum(leaf.nbytes for leaf in jax.tree.leaves(loader.arrays)) > _RESIDENT:
            return None
        return cls(loader)

    def executions(self, model: Any, name: str) -> Iterator[tuple[int, Callable[[], Any]]]:
        """The numbers of steps and the calls that make up an epoch."""
        loader = self._loader
        size, place = loader.batch_size, loader.get_state()
        order = loader.order(place["epoch"])
        order = np.arange(loader.num_samples) if order is None else order
        whole, rest = divmod(loader.num_samples, size)
        if not model.built:
            model._build_for(jax.tree.map(lambda leaf: leaf[:1], loader.arrays))
        done = place["batch"]
        if done < whole:
            rows = jax.device_put(order[: whole * size].reshape(whole, size).astype("int32"))  # [steps, batch]
            step = model._gathered(name)
            while done < whole:
                count = min(self._count(whole), whole - done)
                yield count, functools.partial(step, self._arrays, rows, np.int32(done), np.int32(count))
                done += count
                loader.set_state({**place, "batch": done})
        if rest and not loader.drop_remainder:
            last = jax.tree.map(lambda leaf: leaf[order[whole * size :]], loader.arrays)
            yield 1, functools.partial(model._step(name), last)
        loader.set_state({**place, "epoch": place["epoch"] + 1, "batch": 0})

    def _count(self, whole: int) -> int:
        if self.seconds_per_step is None:
            return max(1, min(256, -(-whole // 4)))
        return max(1, round(_TARGET / self.seconds_per_step))


def as_figure(value: Any) -> Any:
    """A float, or a NumPy array where a metric has several values."""
    return float(value) if np.ndim(value) == 0 else np.asarray(value)
