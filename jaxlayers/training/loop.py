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

from jaxlayers import config

_AHEAD = 32  # executions handed to the device before the host waits for the oldest
_TARGET = 0.25  # seconds that an execution of "auto" is to take: a bar moves, an interrupt comes through
_STACKED = 16  # steps per execution of "auto" where batches come from an iterator
_RESIDENT = 2**30  # bytes of arrays that "auto" puts onto the device
_SHORT = 5e-3  # seconds of a step up to which "auto" runs several in one call on a CPU, too
_TIMED = 8  # steps that are timed to find that out


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
        pace = model._kept((name, "pace"), dict)
        self._resident = Resident.of(data, pace) if several == "auto" else None
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
            if model.stop_training or (most is not None and count >= most):
                break
        if not count:
            raise ValueError("The data has no batches (left).")
        figures = as_figures(model, logs)
        if self._resident is not None:
            self._resident.heard((time.perf_counter() - began) / count)
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
                if not model.built:
                    model._build_for(batches if size == 1 else jax.tree.map(lambda leaf: leaf[0], batches))
                if size == 1:
                    yield 1, functools.partial(model._step(name), batches)
                else:
                    yield size, functools.partial(model._several(name), batches, np.int32(size))


class Resident:
    """`steps_per_execution="auto"` for arrays in memory.

    On an accelerator they are put there once: each step gathers its batch from them, and only an order of rows travels.
    On a CPU that gains something for short steps alone, whose cost is that of the call; so the first few are timed.

    Args:
        loader: the `ArrayLoader` that says which rows make up which batch.
        pace: where seconds per step are kept, for the next loop.
    """

    def __init__(self, loader: Any, pace: dict[str, float]):
        self._loader, self._pace = loader, pace
        self._arrays: Any = None
        self._times: list[float] = []

    @classmethod
    def of(cls, data: Any, pace: dict[str, float]) -> Resident | None:
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
        if self._is_on_accelerator() or self._pace.get("step", 1.0) < _SHORT:
            yield from self._gathered(model, name, batches, whole)
        for batch in batches:
            if "step" not in self._pace:
                yield 1, functools.partial(self._timed, model._step(name), batch)
            else:
                yield 1, functools.partial(model._step(name), batch)
                continue
            if self._pace.get("step", 1.0) < _SHORT:
                yield from self._gathered(model, name, batches, whole)

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
            count = min(max(1, round(_TARGET / self._pace.get("step", _TARGET / 64))), whole - start)
            yield count, functools.partial(step, self._arrays, rows, np.int32(start), np.int32(count))
            batches.skip(count)

    def _timed(self, step: Callable[[Any], Any], batch: Any) -> Any:
        start = time.perf_counter()
        logs = jax.block_until_ready(step(batch))
        self._times.append(time.perf_counter() - start)
        if len(self._times) > _TIMED:
            self._pace["step"] = min(self._times)
        return logs

    def heard(self, seconds: float) -> None:
        """How long a step of the last pass took."""
        if self._is_on_accelerator() or "step" in self._pace:
            self._pace["step"] = min(seconds, self._pace.get("step", seconds))

    @staticmethod
    def _is_on_accelerator() -> bool:
        return jax.default_backend() != "cpu"


def as_figures(model: Any, logs: dict[str, Any]) -> dict[str, Any]:
    """Figures as floats, and NumPy arrays where a metric has several values, in the order of `metrics`."""
    found = jax.device_get(logs)
    names = dict.fromkeys([*(name for name in model.metrics_names if name in found), *found])
    return {name: float(found[name]) if np.ndim(found[name]) == 0 else np.asarray(found[name]) for name in names}
