"""One pass over data: batches in, figures out, and the device is never waited for on the way.

A pass is a number of *executions*: single steps, or several steps that are one call of a compiled loop. The host runs
ahead of the device by a bounded number of executions, so that what waits in memory does not grow.
"""

from __future__ import annotations

import collections
import functools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from jaxlayers import config
from jaxlayers.training.compiled_metrics import single_metrics

_AHEAD = 32  # executions handed to the device before the host waits for the oldest
_STACKED = 32  # steps per execution of "auto" where the host gathers batches, at most
_SHORT = 5e-3  # seconds of a step up to which they are run so: a bar moves, an interrupt comes through
_TIMED = 8  # steps that are timed to find that out
_RESIDENT = 2**30  # bytes of arrays that "auto" puts onto an accelerator
_TARGET = 0.25  # seconds that an execution there is to take
_STOPS = {"train_step": "stop_training", "test_step": "stop_evaluating"}


class Loop:
    """Runs one of a model's steps over a feed, epoch after epoch.

    Args:
        model: the model.
        name: of the step: `"train_step"` or `"test_step"`. The loop ends early when `model.stop_training`, or
            `model.stop_evaluating`, has been set.
        data: a feed of batches.
        hooks: what to call before and after each execution with the number of the batch, or None.
        progress: shows how far it is, or None.
    """

    def __init__(self, model: Any, name: str, data: Any, hooks: tuple[Any, Any] = (None, None), progress: Any = None):
        self._model, self._name, self._data = model, name, data
        self._begin, self._end = hooks
        self._progress = progress
        self._stop = _STOPS[name]
        several = model.steps_per_execution
        if several == "auto" and (hooks != (None, None) or model.run_eagerly):
            several = 1  # whoever listens to batches wants to hear of each
        self._number = several
        self._room: int | None = None  # how many batches there is room for in one call, once that is settled
        self._pace = model._kept((name, "pace"), Pace)
        self._resident = Resident.of(data, self._pace) if several == "auto" and is_on_accelerator() else None

    def run(self) -> tuple[int, dict[str, Any]]:
        """One pass: the number of steps, and the figures it ends with, as floats and NumPy arrays.

        Raises:
            ValueError: when the data has no batches.
        """
        model = self._model
        model.reset_metrics()
        model.stop_evaluating = False  # stop_training lasts from epoch to epoch
        logs: Any = {}
        count = 0
        most = config.max_steps_per_epoch()
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
            if getattr(model, self._stop) or (most is not None and count >= most):
                break
        if not count:
            raise ValueError("The data has no batches (left).")
        figures = as_figures(logs)
        self._pace.heard((time.perf_counter() - began) / count)
        return count, figures

    def _executions(self) -> Iterator[tuple[int, Callable[[], Any]]]:
        """The numbers of steps and the calls that make up a pass."""
        model, name = self._model, self._name
        if self._resident is not None:
            yield from self._resident.executions(model, name)
            return
        step: Any = None
        for batches, number in self._data.stacked(self._wanted):
            if not model.built:
                model._build_for(batches if number is None else jax.tree.map(lambda leaf: leaf[0], batches))
            if number is not None:
                # What is aligned goes to a CPU without another copy; as an argument it would not.
                yield number, functools.partial(model._several(name), jax.device_put(batches), np.int32(number))
                continue
            if step is None:
                step = model._step(name)
            if self._number == "auto" and self._pace.seconds is None:
                yield 1, functools.partial(self._pace.time, step, batches)
            else:
                yield 1, functools.partial(step, batches)

    def _wanted(self) -> int:
        """How many batches to run in one call; for "auto" parts of an epoch of one size, if its steps are short."""
        if self._room is not None:  # for all epochs: another number would be another compilation
            return self._room
        number, steps = self._number, self._data.whole_steps
        if number == "auto":
            if self._pace.seconds is None or self._pace.seconds > _SHORT:
                return 1
            number = math.ceil(steps / math.ceil(steps / _STACKED)) if steps else _STACKED
        self._room = min(number, steps) if steps else number
        return self._room


class Pace:
    """How long a step takes, at best."""

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._times: list[float] = []

    def time(self, step: Callable[[Any], Any], batch: Any) -> Any:
        """Run a step and wait for it: after a few, it is known how long one takes."""
        start = time.perf_counter()
        logs = jax.block_until_ready(step(batch))
        self._times.append(time.perf_counter() - start)
        if len(self._times) > _TIMED:
            self.seconds = min(self._times)
        return logs

    def heard(self, seconds: float) -> None:
        """How long a step of the last pass took, with all that is around it."""
        if self.seconds is not None or not self._times:
            self.seconds = min(seconds, self.seconds or seconds)


class Resident:
    """`steps_per_execution="auto"` for arrays in memory, on an accelerator.

    They are put there once: each step gathers its batch from them, and only an order of rows travels.

    Args:
        loader: the `ArrayLoader` that says which rows make up which batch.
        pace: how long a step takes.
    """

    def __init__(self, loader: Any, pace: Pace):
        self._loader, self._pace = loader, pace
        self._arrays: Any = None

    @classmethod
    def of(cls, data: Any, pace: Pace) -> Resident | None:
        """For a feed of arrays that are small enough; None for another."""
        loader = data.loader
        if loader is None or sum(leaf.nbytes for leaf in jax.tree.leaves(loader.arrays)) > _RESIDENT:
            return None
        return cls(loader, pace)

    def executions(self, model: Any, name: str) -> Iterator[tuple[int, Callable[[], Any]]]:
        """The numbers of steps and the calls that make up an epoch."""
        loader = self._loader
        whole = loader.num_samples // loader.batch_size
        batches = iter(loader)
        if not model.built:
            model._build_for(jax.tree.map(lambda leaf: leaf[:1], loader.arrays))
        yield from self._gathered(model, name, batches, whole)
        for batch in batches:
            yield 1, functools.partial(model._step(name), batch)

    def _gathered(self, model: Any, name: str, batches: Any, whole: int) -> Iterator[tuple[int, Callable[[], Any]]]:
        """All whole batches that are left, many in one call."""
        loader = self._loader
        leaves, structure = jax.tree.flatten(loader.arrays)
        different = {id(leaf): leaf for leaf in leaves}
        if self._arrays is None:
            self._arrays = jax.device_put(list(different.values()))
        batch = jax.tree.unflatten(structure, [list(different).index(id(leaf)) for leaf in leaves])
        order = batches.order()
        order = np.arange(loader.num_samples) if order is None else order
        rows = order[: whole * loader.batch_size].reshape(whole, -1).astype("int32")  # [steps, batch]
        rows = jax.device_put(rows)
        step = model._gathered(name, batch)
        while batches.batch < whole:
            start = batches.batch
            count = min(max(1, round(_TARGET / (self._pace.seconds or _TARGET / 64))), whole - start)
            yield count, functools.partial(step, self._arrays, rows, np.int32(start), np.int32(count))
            batches.skip(count)


def is_on_accelerator() -> bool:
    """Whether computations run elsewhere than on the host."""
    return jax.default_backend() != "cpu"


def as_figures(logs: dict[str, Any]) -> dict[str, Any]:
    """Figures by name as floats, and NumPy arrays where a metric has several values; those of a dict by their own."""
    figures: dict[str, Any] = {}
    for name, value in sorted(jax.device_get(logs).items()):
        if isinstance(value, dict):
            figures.update(as_figures(value))
        else:
            figures[name] = float(value) if np.ndim(value) == 0 else np.asarray(value)
    return figures


def as_list(model: Any, figures: dict[str, Any]) -> Any:
    """The figures in the order of the model's metrics, the rest by name; the figure where there is but one."""
    names = [metric.name for metric in single_metrics(model.metrics)]
    values = [figures[name] for name in dict.fromkeys((*(n for n in names if n in figures), *sorted(figures)))]
    return values[0] if len(values) == 1 else values
