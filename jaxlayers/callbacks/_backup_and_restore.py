"""A callback that saves the state of training, so that a run that was killed goes on where it was."""

from __future__ import annotations

import os

from jaxlayers.callbacks.training_saver import TrainingSaver


class BackupAndRestore(TrainingSaver):
    """A callback that saves the state of training, and restores it when `fit` is called again after an interruption.

    Training goes on after the batch or epoch that was saved last, and gives the same results as without the
    interruption, to the last bit: weights, slots of the optimizer, random draws, order of the data, metrics, `History`
    and the other callbacks (see `Callback.get_state`). The script has to make the model, the data and the callbacks as
    before. Checkpoints are written in the background; an error of writing is raised at the next save, or at the end of
    `fit`. (In Keras, weights and the number of the epoch are saved, and an epoch always starts from its first batch.)

    SIGTERM ends the training after the current step: the state is saved, and the process exits with the code 143. A
    second SIGTERM ends the process at once.

    The data may be arrays, an `ArrayLoader` or another loader of `jaxlayers.data`, a `PyDataset`, a data set or loader
    of Grain, or any iterable whose iterators have `get_state` and `set_state`. An iterable without them can be used
    with `save_freq="epoch"` if it starts again in each epoch; SIGTERM within an epoch then loses that epoch. A
    generator cannot be used.

    Args:
        backup_dir: the directory of the checkpoints, which must not be used by another callback or run.
        save_freq: `"epoch"` (default), a number of batches, or False to save after SIGTERM only.
        double_checkpoint: if True, the checkpoint before the last is kept too: if the last one is damaged, training
            goes on from there, with a warning. False by default.
        delete_checkpoint: if True (default), the checkpoints are deleted when `fit` has succeeded.

    Raises:
        ValueError: if an argument is invalid; when training begins, if the position in the data cannot be saved, or the
            model is not the one that was saved.

    Example:
        >>> import tempfile, numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> backup = jl.callbacks.BackupAndRestore(tempfile.mkdtemp() + "/backup", save_freq=100)
        >>> _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=[backup])
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ):
        super().__init__(backup_dir, save_freq, 2 if double_checkpoint else 1)
        self.backup_dir = backup_dir
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint

    def end_run(self) -> None:
        """Delete the checkpoints, if `delete_checkpoint` is True."""
        if self.delete_checkpoint:
            self._manager.delete_all()
