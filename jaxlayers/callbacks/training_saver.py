"""The base class of callbacks that save the state of training while `fit` runs."""

from __future__ import annotations

import os
from typing import Any

from jaxlayers import checkpoint
from jaxlayers.callbacks._callback import Callback


class TrainingSaver(Callback):
    """The base class of callbacks that save the state of training.

    `fit` calls the methods of a saver after the hooks of all callbacks, so that the state includes what they did.

    Args:
        directory: the directory of the checkpoints.
        save_freq: `"epoch"`, a number of batches, or False for no regular saving.
        max_to_keep: the number of checkpoints to keep; None for all.
        in_background: if True, a thread writes the checkpoints.

    Raises:
        ValueError: if there is no directory, or `save_freq` is something else.
    """

    is_resumable = True  # the position in the data, the callbacks and so on are saved, and restored by the next fit
    _run: Any = None

    def __init__(
        self,
        directory: str | os.PathLike[str],
        save_freq: str | int | bool,
        max_to_keep: int | None,
        in_background: bool = True,
    ):
        name = type(self).__name__
        if not directory or not os.fspath(directory):
            raise ValueError(f"{name} needs a directory to write to; received {directory!r}.")
        is_number = isinstance(save_freq, int) and save_freq is not True and (save_freq > 0 or save_freq is False)
        if save_freq != "epoch" and not is_number:
            raise ValueError(
                f"Invalid value of {name}'s save_freq: expected 'epoch' or a number of batches; received {save_freq!r}."
            )
        self.save_freq = save_freq
        self._manager = checkpoint.Manager(directory, max_to_keep, in_background)
        self._since_saving = 0
        self._saved: tuple[int, int] | None = None  # the epoch and batch that were saved last

    @property
    def saves_within_epochs(self) -> bool:
        """True if the state is saved after batches."""
        return self.save_freq not in ("epoch", False)

    def on_train_begin(self, logs: Any = None) -> None:
        """Reset the count of batches."""
        self._since_saving, self._saved = 0, None

    def begin_run(self, run: Any) -> None:
        """Prepare for a run of `fit`, after `restore_run` of all savers."""
        import orbax.checkpoint  # noqa: F401, so that the first save does not wait for it

    def restore_run(self, run: Any) -> None:
        """Restore the state of the run that was interrupted, if there is one and no other saver has done it."""
        if not self.is_resumable or run.is_restored:
            return
        path = self._manager.latest()
        if path is not None:
            run.restore(path)
            self._saved = (run.epoch, run.batch)
        elif self._manager.steps():
            raise checkpoint.DamagedError(
                f"All checkpoints in {str(self._manager.directory)!r} are damaged. Delete them to begin again."
            )
        else:
            self._manager.check(run.get_state())

    def after_batches(self, run: Any, number: int) -> None:
        """Save the state if it is time.

        Args:
            run: the run.
            number: the number of batches since the last call.
        """
        if not self.saves_within_epochs:
            return
        self._since_saving += number
        if self._since_saving >= self.save_freq:  # type: ignore[operator]
            self._since_saving = 0
            self._save_if_wanted(run)

    def after_epoch(self, run: Any) -> None:
        """Save the state, if `save_freq` is `"epoch"`."""
        if self.save_freq == "epoch":
            self._save_if_wanted(run)

    def _save_if_wanted(self, run: Any) -> None:
        self.save_now(run)

    def save_now(self, run: Any) -> None:
        """Save the state, unless it was the last to be saved."""
        place = (run.epoch, run.batch)
        if place != self._saved:
            self._manager.save(self._number(run), self._tree(run), self._extra(run), copy=False)
            self._saved = place

    def save_at_exit(self, run: Any) -> None:
        """Save the state, because the process is going to end."""
        self.save_now(run)

    def _number(self, run: Any) -> int:
        return run.total

    def _tree(self, run: Any) -> Any:
        return run.get_arrays()

    def _extra(self, run: Any) -> Any:
        return run.get_state()

    def wait_until_finished(self) -> None:
        """Wait for the end of saving; raise its error if it has failed."""
        self._manager.wait()

    def end_run(self) -> None:
        """Called when `fit` has succeeded."""

    def close(self) -> None:
        """Wait for the end of saving, also after an error."""
        self._manager.close()
