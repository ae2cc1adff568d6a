"""A callback that finds the step, the batch and the layer in which a value stopped being finite."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxlayers.callbacks._callback import Callback
from jaxlayers.common import processes

_ACTIONS = {
    "stop": "Training ends, with the state from before this step.",
    "skip": "The update was skipped.",
    "restore": "The last saved state was restored.",
}


class Failure(NamedTuple):
    """A step that made a value which is not finite.

    Attributes:
        epoch: the number of the epoch, counted from 0.
        batch: the number of the batch in the epoch, counted from 0.
        step: the number of the step since the beginning of `fit`, counted from 0.
        steps: the number of failed steps in the same execution, of which this is the first; 1 unless
            `steps_per_execution` is larger.
        cause: a sentence that names the first value that was not finite. Only the first failure of an epoch is
            examined; for others, it is empty.
        data: the batch, if the failure was examined; otherwise None.
    """

    epoch: int
    batch: int
    step: int
    steps: int
    cause: str
    data: Any


class NanGuard(Callback):
    """A callback that finds values that are not finite in training, and keeps them out of the model. Not in Keras.

    The device checks in each step whether the loss is NaN or infinite, or a variable that the step writes (a weight, a
    slot of the optimizer, a moving average, a metric) gets such a value. If so, the results of the step are not
    written: the model, its optimizer and its metrics continue as if the batch had not been there. The host reads the
    results of the check once they are ready; no step waits for it. Steps that a `LossScaleOptimizer` skips do not fail.

    When a failure is noticed, its step is run again on the same batch, operation by operation, to find the first layer
    whose outputs are not finite, or else the loss, the gradient or the update. With `action="stop"` the state is that
    from before the failed step. Otherwise some steps may have followed meanwhile.

    Args:
        action: `"stop"` (default) ends training; the model has the state from before the failed step. `"skip"` goes on
            with the next batch. `"restore"` also resets the weights, statistics and slots of optimizers to their last
            saved state; metrics and seeds are not reset.
        save_every: with `"restore"`, the number of steps after which the state is saved, as a copy on the device; 100
            by default.
        verbose: 1 (default) to print a message for the first failure in each epoch, and the number of failures at the
            end of the epoch; 0 for none.

    Attributes:
        failures: a list of `Failure` with the attributes `epoch`, `batch`, `step`, `steps`, `cause` and `data`, in the
            order of the steps.

    Raises:
        ValueError: for another action, or if `save_every` is not a positive integer.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> x = np.ones((6, 2), "float32")
        >>> x[3] = np.nan
        >>> model = jl.Sequential([jl.layers.Dense(1, name="score")], name="model")
        >>> model.compile("sgd", "mse")
        >>> guard = jl.callbacks.NanGuard("skip", verbose=0)
        >>> history = model.fit(x, x[:, :1] * 0 + 1, batch_size=2, shuffle=False, verbose=0, callbacks=[guard])
        >>> guard.failures[0].batch, bool(np.isfinite(history.history["loss"][0]))
        (1, True)
    """

    def __init__(self, action: str = "stop", save_every: int = 100, verbose: int = 1):
        if action not in _ACTIONS:
            raise ValueError(f"NanGuard: action must be 'stop', 'skip' or 'restore'; received {action!r}.")
        if isinstance(save_every, bool) or int(save_every) != save_every or save_every < 1:
            raise ValueError(f"NanGuard: save_every must be a positive number of steps; received {save_every!r}.")
        self.action = action
        self.save_every = int(save_every)
        self.verbose = verbose
        self._reset()

    def _reset(self) -> None:
        self.failures: list[Failure] = []
        self.saved: Any = ()  # arrays on the device, which the compiled step restores
        self.unsaved_steps = 0  # the steps since they were saved
        self._pending: collections.deque[tuple[Any, Any, Any]] = collections.deque()
        self._epoch = self._batch = self._step = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "saved": (), "_pending": collections.deque()}  # those belong to the training in progress

    def get_state(self) -> Any:
        """Return the numbers of the current step, the saved state of the model, and the failures without their data."""
        self._examine(wait=True)
        numbers = {"step": self._step, "batch": self._batch, "unsaved_steps": self.unsaved_steps}
        failures = [[*failure[:-1]] for failure in self.failures]
        return {**numbers, "saved": list(self.saved), "failures": failures}

    def set_state(self, state: Any) -> None:
        """Restore a state of `get_state`."""
        self._step, self._batch, self.unsaved_steps = state["step"], state["batch"], state["unsaved_steps"]
        self.saved = jax.device_put(state["saved"])
        self.failures = [Failure._make((*failure, None)) for failure in state["failures"]]

    def on_train_begin(self, logs: Any = None) -> None:
        """Forget the previous training."""
        self._reset()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Count the batches from 0."""
        self._epoch, self._batch = epoch, 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Examine the last steps of the epoch."""
        self._examine(wait=True)
        count = sum(failure.steps for failure in self.failures if failure.epoch == epoch)
        if self.verbose and count > 1:
            processes.print_once(f"NanGuard: {count} steps of epoch {epoch + 1} made values that are not finite.")

    def close(self) -> None:
        """Release the saved state and the batches."""
        self.saved = ()
        self._pending.clear()

    def observe(self, counts: Any, batch_of: Callable[[int], Any], diagnose: Callable[[Any], str]) -> None:
        """Take the result of an execution, which may not be computed yet; examine the earlier ones that are.

        Args:
            counts: an int32 array on the device: the number of steps, of failed steps, and of the first failed one.
            batch_of: a function that returns the batch of a step of the execution.
            diagnose: a function that runs the step on a batch again, and returns a sentence about the cause.
        """
        self._pending.append((counts, batch_of, diagnose))
        self._examine(wait=False)

    def _examine(self, wait: bool) -> None:
        while self._pending and (wait or self._pending[0][0].is_ready()):
            counts, batch_of, diagnose = self._pending.popleft()
            steps, failed, first = map(int, np.asarray(counts))
            if failed:
                self._note(first, failed, batch_of, diagnose)
            self._batch += steps
            self._step += steps

    def _note(self, first: int, failed: int, batch_of: Callable[[int], Any], diagnose: Callable[[Any], str]) -> None:
        """Record a failed step, examine it if it is the first of the epoch, and stop training if that was asked for."""
        cause, data = "", None
        is_first = all(failure.epoch != self._epoch for failure in self.failures)
        if is_first:
            data = batch_of(first)
            cause = diagnose(data)
        batch, step = self._batch + first, self._step + first
        self.failures.append(Failure(self._epoch, batch, step, failed, cause, data))
        if self.verbose and is_first:
            processes.print_once(
                f"NanGuard: epoch {self._epoch + 1}, batch {batch} (step {step}) made a value that is not finite. "
                f"{cause} {_ACTIONS[self.action]}"
            )
        if self.action == "stop":
            self.model.stop_training = True
