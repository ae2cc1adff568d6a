"""`Run`: the state of one call of `fit`, for the callbacks that save it and restore it.

Training is decided by the arrays of the train state, and by what is not an array: the position in the data, the states
of callbacks, the logs so far, and the global random generators of NumPy and Python. A `Run` collects all of it after a
batch or an epoch, when every callback has had its turn, and restores it before the next one.

A state saved between epochs is restored before the next epoch begins. A state saved within an epoch is restored once
`on_epoch_begin` was called and the metrics were reset: what these have changed in the meantime is overwritten.
"""

from __future__ import annotations

import contextlib
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np

from jaxlayers import checkpoint
from jaxlayers.callbacks import CallbackList
from jaxlayers.callbacks.training_saver import TrainingSaver
from jaxlayers.common import placement, processes
from jaxlayers.training.feeding import Feed, NotResumableError
from jaxlayers.training.termination import EXIT_CODE, Termination


class Run:
    """One call of `fit`: how far it is, and what decides how it goes on.

    Args:
        model: the model.
        data: the batches of training.
        validation: the batches of the validations; None for none.
        listeners: the callbacks. Those that are `TrainingSaver`s are called by the run.
        epoch: the number of the first epoch.

    Attributes:
        epoch: the number of the current epoch; between epochs that of the next one.
        batch: the number of batches of this epoch that were trained on; 0 between epochs.
        total: the number of batches that the model was trained on.
        is_validating: True if the epoch is in its validation: all of its batches are done.
        logs: the logs of the last batch or epoch.
    """

    def __init__(self, model: Any, data: Feed, validation: Feed | None, listeners: CallbackList, epoch: int):
        self.model, self.epoch, self.batch, self.logs = model, epoch, 0, {}  # type: tuple[Any, int, int, dict[str, Any]]
        self.total = 0
        self.is_validating = False
        self._data, self._validation = data, validation
        self._validation_state: Any = None  # the position before the validation of the current epoch
        self._callbacks = listeners.callbacks
        self._savers = [callback for callback in self._callbacks if isinstance(callback, TrainingSaver)]
        self._resumable = [saver for saver in self._savers if saver.is_resumable]
        self._termination = Termination(bool(self._resumable))
        self._restored: tuple[Any, dict[str, Any]] | None = None  # a train state and the rest, to be assigned

    def __enter__(self) -> Self:
        self._termination.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._termination.__exit__(*error)

    # Called by `fit`.

    def begin(self) -> None:
        """Check that everything can be saved; restore the state of an interrupted run.

        Raises:
            NotResumableError: if the position in the data cannot be saved.
            TypeError: if the state of a callback cannot be saved.
        """
        self.total = int(np.asarray(getattr(self.model.optimizer, "iterations", 0)))
        if self._resumable:
            self._data.begin_backup(any(saver.saves_within_epochs for saver in self._resumable))
            if self._validation is not None:
                self._validation.begin_backup(within_epochs=False)
                self._validation_state = self._validation.get_state(within_epoch=False)
        for saver in self._savers:
            saver.restore_run(self)
        for saver in self._savers:
            saver.begin_run(self)
        if self.batch == 0:
            self._assign()

    def resume(self) -> tuple[int, dict[str, Any], bool]:
        """Restore a state within the epoch that has begun, if there is one.

        Returns:
            The number of the batches that are done in this epoch, their logs, and True if no batches are left.
        """
        self._assign()
        return self.batch, self.logs, self.is_validating

    @property
    def after_batches(self) -> Callable[[int, dict[str, Any]], None] | None:
        """The function to call after each execution, with the number of batches of this epoch so far, and the logs."""
        return self._after_batches if self._savers or self._termination.is_shared else None

    def _after_batches(self, count: int, logs: dict[str, Any]) -> None:
        new = count - self.batch
        self.batch, self.logs = count, logs
        self.total += new
        for saver in self._savers:
            saver.after_batches(self, new)
        self._end_if_requested()

    @property
    def during_validation(self) -> Callable[[int, dict[str, Any]], None] | None:
        """The function to call after each execution of a validation."""
        return self._during_validation if self._savers or self._termination.is_shared else None

    def _during_validation(self, count: int, logs: dict[str, Any]) -> None:
        self.is_validating = True
        self._end_if_requested()

    def end_epoch(self, epoch: int, logs: dict[str, Any]) -> None:
        """Note that an epoch has ended, with its validation and all callbacks."""
        self.epoch, self.batch, self.logs, self.is_validating = epoch + 1, 0, logs, False
        if self._resumable and self._validation is not None:
            self._validation_state = self._validation.get_state(within_epoch=False)
        for saver in self._savers:
            saver.after_epoch(self)
        self._end_if_requested()

    def end(self) -> None:
        """Wait for the end of saving; raise its error if it has failed."""
        for saver in self._savers:
            saver.wait_until_finished()
        if self._termination.is_requested:  # keep the backup: the caller's code after `fit` will not run
            raise SystemExit(EXIT_CODE)
        for saver in self._savers:
            saver.end_run()

    def _end_if_requested(self) -> None:
        self._termination.agree()
        if not self._termination.is_requested:
            return
        for saver in self._resumable:
            with contextlib.suppress(NotResumableError):  # the state at the end of the last epoch was saved
                saver.save_at_exit(self)
            saver.wait_until_finished()
        raise SystemExit(EXIT_CODE)

    # Called by the callbacks that save and restore.

    @property
    def is_restored(self) -> bool:
        """True if a state was restored."""
        return self._restored is not None

    def get_arrays(self) -> Any:
        """Return the train state of the model, without a copy: compiled steps copy what this function has returned."""
        from jaxlayers.training import state  # it needs flax, which takes its time to import

        return state.snapshot(self.model)

    def get_state(self) -> dict[str, Any]:
        """Return everything else as plain data.

        Raises:
            NotResumableError: if the position in the data cannot be saved.
        """
        position = self._data.get_state(self._is_within_epoch)
        if placement.spans_processes() and processes.find_differences(
            {"position": processes.sum_of(repr(position).encode())}
        ):
            raise NotResumableError(
                "The positions in the data differ from process to process, but a checkpoint holds that of the first "
                "one alone. Give each process data with the same number of samples, or save the train state without "
                "the position: OrbaxCheckpoint(resume=False)."
            )
        states = [(type(callback).__name__, _state_of(callback)) for callback in self._callbacks]
        return {
            "format": 1,
            "epoch": self.epoch,
            "batch": self.batch,
            "is_validating": self.is_validating,
            "total": self.total,
            "logs": dict(self.logs),
            "stop_training": bool(self.model.stop_training),
            "data": position,
            "validation": self._validation_state,
            "callbacks": [[name, state] for name, state in states if state is not None],
            "generators": _get_generators(),
        }

    @property
    def _is_within_epoch(self) -> bool:
        """True if the next batch is of the current epoch."""
        return self.batch > 0 and not self.is_validating

    def restore(self, path: Path) -> None:
        """Restore the state in a checkpoint: the position in the data now, the rest when the epoch has begun.

        Args:
            path: the path of a checkpoint that was verified.

        Raises:
            ValueError: if the model or the data differ from those that were saved; nothing has changed then.
        """
        state = checkpoint.extra(path, verify=False)
        if not isinstance(state, dict) or "generators" not in state:
            raise ValueError(
                f"{str(path)!r} is a checkpoint without the state of a training. Choose another directory."
            )
        self._prepare_model(state["data"]["batch"])
        arrays = checkpoint.restore(path, self.get_arrays(), verify=False)
        if (state["validation"] is None) != (self._validation is None):
            saved = "without" if state["validation"] is None else "with"
            raise ValueError(
                f"The training saved in {str(path)!r} was {saved} validation data. Pass the same data again."
            )
        self.epoch, self.batch, self.total = state["epoch"], state["batch"], state["total"]
        self.is_validating, self.logs = state["is_validating"], state["logs"]
        self._data.set_state(state["data"], self._is_within_epoch)
        if self._validation is not None:
            self._validation.set_state(state["validation"], within_epoch=False)
            self._validation_state = state["validation"]
        self._restored = arrays, state

    def _prepare_model(self, batch: Any) -> None:
        """Make the weights and metrics that the first step would make, from the shapes of its batch."""
        from jaxlayers.training import state

        # An optimizer that is not built is built by the step, which may train only a part of the variables.
        if not (state.is_known(self.model) and self.model.optimizer.built):
            self.model.prepare(batch)

    def _assign(self) -> None:
        """Assign what `restore` has read."""
        if self._restored is None:
            return
        (arrays, state), self._restored = self._restored, None
        self.model.train_state = arrays
        self.model.stop_training = state["stop_training"]
        for callback, callback_state in self._with_states(state["callbacks"]):
            callback.set_state(callback_state)
        _set_generators(state["generators"])

    def _with_states(self, saved: list[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield each callback with its saved state: the first of a class gets the first state, and so on."""
        remaining = list(self._callbacks)
        for name, state in saved:
            callback = next((each for each in remaining if type(each).__name__ == name), None)
            if callback is None:
                warnings.warn(f"The saved training has the state of a {name}, which fit() was not given.", stacklevel=2)
                continue
            remaining.remove(callback)
            yield callback, state


def _state_of(callback: Any) -> Any:
    get_state = getattr(callback, "get_state", None)
    return None if get_state is None else get_state()


def _get_generators() -> dict[str, Any]:
    """Return the states of the global generators of NumPy and Python."""
    name, keys, *rest = np.random.get_state()
    version, internal, gauss = random.getstate()
    words = np.asarray(internal, np.uint32).tobytes()
    return {"numpy": [name, np.asarray(keys).tobytes(), *rest], "python": [version, words, gauss]}


def _set_generators(state: dict[str, Any]) -> None:
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.frombuffer(keys, np.uint32), *rest))
    version, words, gauss = state["python"]
    random.setstate((version, tuple(np.frombuffer(words, np.uint32).tolist()), gauss))
