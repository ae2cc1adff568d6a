"""Saving the model, or its weights, while it is trained."""

from __future__ import annotations

import os
import warnings
from typing import Any

import jax
import numpy as np

from jaxlayers.callbacks._monitor import MonitorCallback


class ModelCheckpoint(MonitorCallback):
    """Saves the model or its weights after epochs, or every so many batches.

    Args:
        filepath: where to; `{epoch}` (counted from 1), `{batch}` and the names of figures in it are filled in, as in
            `"{epoch:02d}-{val_loss:.2f}.keras"`. It ends in `.weights.h5` for weights, in `.keras` or `.h5` for models.
        monitor: the name of the figure that says what is best, as in the history.
        verbose: 1 for a message whenever it saves.
        save_best_only: whether to save only when the figure is better than ever before.
        save_weights_only: whether to save the weights (`model.save_weights`), not the model (`model.save`).
        mode: `"min"`, `"max"`, or `"auto"`: as the figure's metric says.
        save_freq: `"epoch"`, or a number of batches. The figures of a batch are those of the epoch so far.
        initial_value_threshold: what the figure must be better than to be saved at all.

    jaxlayers does not write models to files yet: the model must have a method `save(path, overwrite)`, or
    `save_weights(path, overwrite)` for weights, of its own.

    Raises:
        ValueError: for another `save_freq`, or a path that ends otherwise; when `mode="auto"` cannot tell which way is
            better.
        NotImplementedError: before the training begins, when the model has no such method.
        KeyError: when a name in the path is not that of a figure.
        IsADirectoryError: when there is a directory in the file's place.

    Example:
        >>> import jaxlayers as jl
        >>> checkpoint = jl.callbacks.ModelCheckpoint("best.weights.h5", save_best_only=True, save_weights_only=True)
        >>> checkpoint.monitor
        'val_loss'
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ):
        super().__init__(monitor, mode, baseline=initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self._epoch = 0
        self._since_saving = 0
        self._last_batch = -1
        if save_freq != "epoch":
            if not isinstance(save_freq, int) or isinstance(save_freq, bool) or save_freq < 1:
                raise ValueError(f"save_freq must be 'epoch' or a number of batches; received {save_freq!r}.")
            self.on_train_batch_end = self._after_batch  # type: ignore[method-assign]  # only then are batches heard
        endings = (".weights.h5",) if save_weights_only else (".keras", ".h5")
        if not self.filepath.endswith(endings):
            raise ValueError(
                f"With save_weights_only={save_weights_only} the filepath of ModelCheckpoint must end in "
                f"{' or '.join(endings)}; received {self.filepath!r}."
            )

    def set_model(self, model: Any) -> None:
        """Check that the model can be saved before it is trained."""
        method = "save_weights" if self.save_weights_only else "save"
        if model is not None and not callable(getattr(model, method, None)):
            raise NotImplementedError(
                f"ModelCheckpoint needs a model with the method {method}(path, overwrite); {model.name!r} "
                f"({type(model).__name__}) has none, and jaxlayers does not write models to files yet. Define the "
                "method in a subclass of the model, or keep the weights yourself: LambdaCallback(on_epoch_end=lambda "
                "epoch, logs: np.savez(f'{epoch}.npz', *model.get_weights()))."
            )
        super().set_model(model)

    def on_train_begin(self, logs: Any = None) -> None:
        """Count batches anew; what was best stays, for a training that goes on."""
        self._since_saving = 0
        self._last_batch = -1

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch
        self._last_batch = -1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Save, when it is done by epochs."""
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def _after_batch(self, batch: int, logs: Any = None) -> None:
        self._since_saving += batch - self._last_batch  # several at once with steps_per_execution
        self._last_batch = batch
        if self._since_saving >= self.save_freq:  # type: ignore[operator]
            self._since_saving = 0
            self._save(self._epoch, batch, jax.device_get(logs or {}))

    def _save(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> None:
        path = self._path(epoch, batch, logs)
        if self.save_best_only and not self._is_best(epoch, logs):
            return
        directory = os.path.dirname(path)
        if directory:
            os.makedirs(directory, exist_ok=True)
        if os.path.isdir(path):
            raise IsADirectoryError(f"ModelCheckpoint cannot write to {path!r}: there is a directory of that name.")
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(path, overwrite=True)
        if self.verbose > 0:
            print(f"Epoch {epoch + 1}: saved to {path}")

    def _is_best(self, epoch: int, logs: dict[str, Any]) -> bool:
        """Whether the figure is better than ever before; where it cannot be compared, with a warning, it is."""
        current = self.get_monitor_value(logs)
        if current is None:
            return True
        if np.ndim(current) > 0:
            warnings.warn(
                f"ModelCheckpoint can only compare single numbers; {self.monitor!r} has shape {np.shape(current)}, so "
                "it saves every time.",
                stacklevel=2,
            )
            return True
        best, better = self.best, self._is_improvement(current, self.best)
        if better:
            self.best = current
        if self.verbose > 0:
            change = "got better" if better else "did not get better"
            print(f"Epoch {epoch + 1}: {self.monitor} {change}: {current:.5f}, best so far {best}")
        return better

    def _path(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> str:
        numbers = {"epoch": epoch + 1} | ({} if batch is None else {"batch": batch + 1})
        try:
            return self.filepath.format(**{**numbers, **logs})
        except KeyError as error:
            raise KeyError(
                f"The filepath {self.filepath!r} of ModelCheckpoint names {error}; known are "
                f"{', '.join([*numbers, *logs])}."
            ) from error
