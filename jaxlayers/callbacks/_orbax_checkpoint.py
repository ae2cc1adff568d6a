"""A callback that saves the training state as numbered Orbax checkpoints."""

from __future__ import annotations

import os
from typing import Any

import jax

from jaxlayers.callbacks._monitor import MonitorCallback
from jaxlayers.callbacks.training_saver import TrainingSaver
from jaxlayers.common import processes


class OrbaxCheckpoint(TrainingSaver, MonitorCallback):
    """A callback that saves the training state as Orbax checkpoints, after epochs or after a number of batches.

    A checkpoint holds `model.train_state`: `jl.checkpoint.restore(jl.checkpoint.latest(directory), model.train_state)`
    returns the newest. Its name is the number of the epoch, counted from 0, or the number of batches so far.

    With `resume=True`, the checkpoints also hold the position in the data and the states of callbacks. The next `fit`
    goes on from the newest one, to the same results as without the interruption, and SIGTERM saves a checkpoint: see
    `BackupAndRestore`. Unlike that callback, this one does not delete the checkpoints at the end.

    Args:
        directory: the directory of the checkpoints.
        monitor: the name of the value in the logs that determines the best state; `"val_loss"` by default.
        verbose: 1 to print a message at each save; 0 (default) for none.
        save_best_only: if True, save only if the monitored value is better than ever before. False by default.
        mode: `"min"` if lower is better, `"max"` if higher is better, `"auto"` (default) to decide by the metric.
        save_freq: `"epoch"` (default), or a number of batches. The logs of a batch are those of the epoch so far.
        initial_value_threshold: with `save_best_only`, a value that the first saved state must be better than; None,
            the default, for none.
        max_to_keep: the number of newest checkpoints to keep, 1 by default; None for all.
        save_on_background: if True (default), checkpoints are written in the background. An error is raised at the next
            save, or at the end of `fit`.
        save_weights_only: if True, save only `params` and `state`, the variables of the model. False by default.
        resume: if True, `fit` goes on from the newest checkpoint in the directory. False by default. Not in Keras.

    Raises:
        ValueError: if an argument is invalid; when training begins, if the directory has checkpoints with higher
            numbers than those to come, and `resume` is False.

    Example:
        >>> import tempfile, numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> directory = tempfile.mkdtemp()
        >>> saving = jl.callbacks.OrbaxCheckpoint(directory, max_to_keep=2)
        >>> _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=3, verbose=0, callbacks=[saving])
        >>> jl.checkpoint.latest(directory).name
        '2'
        >>> model.train_state = jl.checkpoint.restore(jl.checkpoint.latest(directory), model.train_state)
    """

    _state_attributes = ("best", "_since_saving")

    def __init__(
        self,
        directory: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
        max_to_keep: int | None = 1,
        save_on_background: bool = True,
        save_weights_only: bool = False,
        resume: bool = False,
    ):
        MonitorCallback.__init__(self, monitor, mode, initial_value_threshold)
        TrainingSaver.__init__(self, directory, save_freq, max_to_keep, save_on_background)
        if resume and save_weights_only:
            raise ValueError("OrbaxCheckpoint cannot resume from weights alone: pass save_weights_only=False.")
        self.directory = directory
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.max_to_keep = max_to_keep
        self.save_on_background = save_on_background
        self.save_weights_only = save_weights_only
        self.is_resumable = resume

    def begin_run(self, run: Any) -> None:
        """Check that the numbers of the checkpoints are free; a resumed run may replace its own."""
        super().begin_run(run)
        steps = self._manager.steps()
        first = run.epoch if self.save_freq == "epoch" else run.total + 1
        if steps and steps[-1] >= first and not run.is_restored:
            raise ValueError(
                f"{os.fspath(self.directory)!r} has a checkpoint with the number {steps[-1]}, and this training begins "
                f"with {first}. Pass resume=True to go on from that checkpoint, choose another directory, or delete it."
            )

    def _save_if_wanted(self, run: Any) -> None:
        if not self.save_best_only or self._is_best(jax.device_get(run.logs)):
            self.save_now(run)

    def _is_best(self, logs: dict[str, Any]) -> bool:
        current = self.get_monitor_value(logs)
        if current is None or not self._is_improvement(current, self.best):
            return False
        self.best = current
        return True

    def save_now(self, run: Any) -> None:
        """Save the state. With `save_best_only`, the caller has found that it is the best."""
        super().save_now(run)
        if self.verbose > 0:
            processes.print_once(
                f"Epoch {run.epoch + (run.batch > 0)}: saved checkpoint {self._number(run)} to {self.directory}"
            )

    def save_at_exit(self, run: Any) -> None:
        """Save the state, unless only the best one is to be saved."""
        if not self.save_best_only:
            self.save_now(run)

    def _number(self, run: Any) -> int:
        if self.save_freq != "epoch":
            return run.total
        return run.epoch if run.batch else run.epoch - 1

    def _tree(self, run: Any) -> Any:
        arrays = run.get_arrays()
        return {"params": arrays.params, "state": arrays.state} if self.save_weights_only else arrays

    def _extra(self, run: Any) -> Any:
        return run.get_state() if self.is_resumable else None

    def is_multihost_enabled(self) -> bool:
        """Return True if several processes train the model together."""
        return jax.process_count() > 1

    def is_primary_host(self) -> bool:
        """Return True in the first process."""
        return jax.process_index() == 0
