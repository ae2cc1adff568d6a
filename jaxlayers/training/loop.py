"""Run one pass over the data: take batches, run a step on each, return the logs. Never wait for the device on the way.

A pass consists of *executions*: single steps, or calls of a compiled loop of several steps. The host runs ahead of the
device by a bounded number of executions, so that the memory for waiting batches does not grow.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from jaxlayers import config
from jaxlayers.common import placement, processes
from jaxlayers.training.compiled_metrics import single_metrics
from jaxlayers.training.stopping import StopFlag

_MAX_PENDING = 32  # executions that the device may have before the host waits for the oldest
_MAX_STACKED = 32  # the most steps per execution of "auto" when the host gathers the batches
_SHORT_STEP = 5e-3  # seconds; "auto" combines only shorter steps, so that the bar moves and interrupts take effect
_TIMED_STEPS = 8  # the number of steps that are timed for this
_MAX_RESIDENT = 2**30  # the most bytes of arrays that "auto" copies to an accelerator
_EXECUTION_TIME = 0.25  # seconds that one execution should take when the arrays are on the accelerator
_STOP_FLAGS = {"train_step": "stop_training", "test_step": "stop_evaluating"}


class Loop:
    """Runs one of a model's steps over a feed, one pass per call of `run`.

    Args:
        model: the model.
        name: the name of the step: `"train_step"` or `"test_step"`. A pass ends early when `model.stop_training`
            (or `model.stop_evaluating`) is set, see `StopFlag`.
        data: the feed of batches.
        hooks: the functions to call before and after each execution, with the number of the batch; None for none.
        progress: the progress bar, or None.
        guard: the `NanGuard` that watches the steps, or None.
        after: a function to call after each execution and its hooks, with the number of batches so far and the logs;
            None for none.
    """

    def __init__(
        self,
        model: Any,
        name: str,
        data: Any,
        hooks: tuple[Any, Any] = (None, None),
        progress: Any = None,
        guard: Any = None,
        after: Callable[[int, dict[str, Any]], None] | None = None,
    ):
        self._model, self._name, self._data = model, name, data
        self._begin, self._end = hooks
        self._progress, self._after = progress, after
        self._guard = guard
        if guard is not None:
            model._step_guard(guard).begin_training()
        steps = model.steps_per_execution
        if steps == "auto" and (hooks != (None, None) or model.run_eagerly):
            steps = 1  # a callback that listens to batches is called for each of them
        self._steps_per_execution = steps
        self._stack_size: int | None = None  # the batches per stack, once decided
        self._timer = model._kept_step((name, "pace"), StepTimer)
        is_resident = steps == "auto" and is_on_accelerator() and placement.current() is None
        loader = data.loader if is_resident else None
        fits = loader is not None and sum(leaf.nbytes for leaf in jax.tree.leaves(loader.arrays)) <= _MAX_RESIDENT
        self._resident = Resident(loader, self._timer) if fits else None

    def run(self, resume: Callable[[], tuple[int, dict[str, Any], bool]] | None = None) -> tuple[int, dict[str, Any]]:
        """Run one pass; return the number of its steps, and the final logs as floats and NumPy arrays.

        Args:
            resume: a function that restores a state within the pass, once the metrics are reset. It returns the number
                of batches that are done, their logs, and True if no batches are left. None, the default, for a whole
                pass.

        Raises:
            ValueError: if the data has no batches.
        """
        model = self._model
        model.stop_evaluating = False  # `fit` resets stop_training, which ends all epochs and not this pass alone
        flag = StopFlag(model, _STOP_FLAGS[self._name])
        pending: collections.deque[Any] = collections.deque()
        start = time.perf_counter()
        with fresh_metrics(model):
            done, logs, is_over = (0, {}, False) if resume is None else resume()
            if self._guard is not None:
                model._step_guard(self._guard).begin_pass(done)
            count = done
            executions = iter(()) if is_over or (done and (flag.is_set or _is_most(done))) else self._executions()
            for size, execute in executions:
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
                pending.append(logs)
                if len(pending) > _MAX_PENDING:
                    jax.block_until_ready(pending.popleft())
                if self._after is not None:
                    self._after(count, logs)
                if flag.ends_pass() or _is_most(count):
                    break
        if not count:
            raise ValueError(
                f"{model.name!r}: the data has no batches, or no batches are left. Pass data with at least one batch."
            )
        logs = to_host(logs)
        if count > done:
            self._timer.add_mean((time.perf_counter() - start) / (count - done))
        return count, logs

    def _executions(self) -> Iterator[tuple[int, Callable[[], Any]]]:
        """Yield for each execution of a pass its number of steps and the call that runs it."""
        model, name = self._model, self._name
        if self._resident is not None:
            yield from self._resident.executions(model, name, self._guard)
            return
        step: Any = None
        is_first = name == "train_step" and self._data.steps != 1  # a single batch has the size of the data
        for batches, number in self._data.stacked(self._next_stack_size):
            if is_first:
                placement.check_batch_size(batches, 0 if number is None else 1)
                is_first = False
            if not model.built:
                model._build_for(batches if number is None else jax.tree.map(lambda leaf: leaf[0], batches))
            if number is not None:
                # `device_put` does not copy an aligned array on a CPU; passing it as an argument would.
                several = model._several_steps(name, self._guard)
                yield number, functools.partial(several, jax.device_put(batches), np.int32(number))
                continue
            if step is None:
                step = model._compiled_step(name, self._guard)
            if self._steps_per_execution == "auto" and self._timer.seconds is None:
                yield 1, functools.partial(self._timer.time, step, batches)
            else:
                yield 1, functools.partial(step, batches)

    def _next_stack_size(self) -> int:
        """Return the number of batches to run in one call.

        With "auto" and short steps, an epoch is divided into equal parts of at most `_MAX_STACKED` batches.
        """
        if self._stack_size is not None:  # the same for all epochs: another size would be compiled again
            return self._stack_size
        number, steps = self._steps_per_execution, self._data.whole_steps
        if number == "auto":
            if self._timer.seconds is None or self._timer.seconds > _SHORT_STEP:
                return 1
            number = math.ceil(steps / math.ceil(steps / _MAX_STACKED)) if steps else _MAX_STACKED
        self._stack_size = min(number, steps) if steps else number
        return self._stack_size


def _is_most(count: int) -> bool:
    """True if a pass has as many batches as the settings allow."""
    most = config.max_steps_per_epoch()
    return most is not None and count >= most


@contextlib.contextmanager
def fresh_metrics(model: Any) -> Iterator[None]:
    """Reset the metrics of a model for a pass. If it runs within another pass, that one gets its metrics back."""
    number = model._running_passes
    outer = [(variable, variable.value) for variable in model.metrics_variables] if number else []
    model.reset_metrics()
    object.__setattr__(model, "_running_passes", number + 1)
    try:
        yield
    finally:
        object.__setattr__(model, "_running_passes", number)
        if number:
            model.reset_metrics()  # also metrics that only this pass has made
            for variable, value in outer:
                variable.assign(value)


class StepTimer:
    """Measures the time of a step.

    Attributes:
        seconds: the shortest time measured; None until enough steps were timed.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._times: list[float] = []

    def time(self, step: Callable[[Any], Any], batch: Any) -> Any:
        """Run a step, wait for its logs and return them. The first steps include compilation, so several are timed."""
        start = time.perf_counter()
        logs = jax.block_until_ready(step(batch))
        self._times.append(time.perf_counter() - start)
        if len(self._times) > _TIMED_STEPS:
            self._set(min(self._times))
        return logs

    def add_mean(self, seconds: float) -> None:
        """Take the mean time of a step over a whole pass into account."""
        if self.seconds is not None or not self._times:
            self._set(min(seconds, self.seconds or seconds))

    def _set(self, seconds: float) -> None:
        """Set the time, in several processes that of the first: all must combine the same steps."""
        self.seconds = processes.from_first(seconds) if placement.spans_processes() else seconds


class Resident:
    """The executions of `steps_per_execution="auto"` over arrays in memory, on an accelerator.

    The arrays are copied to the device once. Each step gathers its batch there, so that an epoch sends only the order
    of the rows.

    Args:
        loader: the `ArrayLoader` with the arrays and the order of their rows.
        timer: the measured time of a step.
    """

    def __init__(self, loader: Any, timer: StepTimer):
        self._loader, self._timer = loader, timer
        self._arrays: Any = None

    def executions(self, model: Any, name: str, guard: Any = None) -> Iterator[tuple[int, Callable[[], Any]]]:
        """Yield for each execution of an epoch its number of steps and the call that runs it."""
        loader = self._loader
        whole = loader.num_samples // loader.batch_size
        batches = iter(loader)
        if not model.built:
            model._build_for(jax.tree.map(lambda leaf: leaf[:1], loader.arrays))
        leaves, structure = jax.tree.flatten(loader.arrays)
        unique = {id(leaf): leaf for leaf in leaves}
        if self._arrays is None:
            self._arrays = jax.device_put(list(unique.values()))
        batch = jax.tree.unflatten(structure, [list(unique).index(id(leaf)) for leaf in leaves])
        order = batches.order()
        order = np.arange(loader.num_samples) if order is None else order
        rows = jax.device_put(order[: whole * loader.batch_size].reshape(whole, -1).astype("int32"))  # [steps, batch]
        step = model._gathered_steps(name, batch, guard)
        while batches.batch < whole:
            start = batches.batch
            seconds = self._timer.seconds or _EXECUTION_TIME / 64
            count = min(max(1, round(_EXECUTION_TIME / seconds)), whole - start)
            yield count, functools.partial(step, self._arrays, rows, np.int32(start), np.int32(count))
            batches.skip(count)
        for batch in batches:
            yield 1, functools.partial(model._compiled_step(name, guard), batch)


def is_on_accelerator() -> bool:
    """True if the default device is no CPU."""
    return jax.default_backend() != "cpu"


def to_host(logs: dict[str, Any]) -> dict[str, Any]:
    """Return logs, sorted by name, as floats, and as NumPy arrays for metrics with several values.

    The entries of a nested dict are put into the result under their own names.
    """
    on_host: dict[str, Any] = {}
    for name, value in sorted(placement.fetch(logs).items()):
        if isinstance(value, dict):
            on_host.update(to_host(value))
        else:
            on_host[name] = float(value) if np.ndim(value) == 0 else np.asarray(value)
    return on_host


def to_list(model: Any, logs: dict[str, Any]) -> Any:
    """Return the values of logs: first in the order of the model's metrics, then by name. A single value is no list."""
    names = [metric.name for metric in single_metrics(model.metrics)]
    values = [logs[name] for name in dict.fromkeys((*(name for name in names if name in logs), *sorted(logs)))]
    return values[0] if len(values) == 1 else values
