"""A callback that saves the model, or its weights, during training."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import warnings
from typing import Any

import jax
import numpy as np

from jaxlayers.callbacks._monitor import MonitorCallback
from jaxlayers.common import placement, processes
from jaxlayers.saving.weight_files import replace_ending


@dataclasses.dataclass(eq=False, repr=False)
class ModelCheckpoint(MonitorCallback):
    """A callback that saves the model or its weights after each epoch, or every given number of batches.

    Args:
        filepath: the path of the file. The fields `{epoch}` and `{batch}` (counted from 1) and names in the logs are
            filled in, as in `"{epoch:02d}-{val_loss:.2f}.keras"`. The path ends in `.keras` for models, and in
            `.weights.h5`, `.weights.json` (for shards) or `.safetensors` for weights. (Keras also writes models to
            `.h5`.)
        monitor: the name of the value in the logs that determines the best model; `"val_loss"` by default.
        verbose: 1 to print a message at each save; 0 (default) for none.
        save_best_only: If True, save only if the monitored value is better than ever before. False by default.
        save_weights_only: If True, save the weights (`model.save_weights`); if False (default), the model
            (`model.save`).
        mode: `"min"` if lower is better, `"max"` if higher is better, `"auto"` (default) to decide by the metric.
        save_freq: `"epoch"` (default), or a number of batches. The logs of a batch are those of the epoch so far.
        initial_value_threshold: with `save_best_only`, a value that the first saved model must be better than; None,
            the default, for none.

    A file is written beside its target and then put in its place, so that an interrupted save leaves the old file. A
    directory that is missing is made. Of several processes that train together, the first one writes. With
    `save_best_only`, a value that is NaN or infinite is no improvement, and a model with such weights is not saved.

    Raises:
        ValueError: if `save_freq` is neither, or the path has another ending; during training, if `mode="auto"` cannot
            determine which direction is better.
        KeyError: during training, if a field of the path is not a name in the logs.
        IsADirectoryError: during training, if the path is that of a directory.

    Example:
        >>> import jaxlayers as jl
        >>> checkpoint = jl.callbacks.ModelCheckpoint("best.weights.h5", save_best_only=True, save_weights_only=True)
        >>> checkpoint.monitor
        'val_loss'
    """

    filepath: str | os.PathLike[str]
    monitor: str = "val_loss"
    verbose: int = 0
    save_best_only: bool = False
    save_weights_only: bool = False
    mode: str = "auto"
    save_freq: str | int = "epoch"
    initial_value_threshold: float | None = None

    _state_attributes = ("best", "_epoch", "_since_saving", "_last_batch")

    def __post_init__(self) -> None:
        super().__init__(self.monitor, self.mode, baseline=self.initial_value_threshold)
        self.filepath = path = os.fspath(self.filepath)
        self._epoch = 0
        self._since_saving = 0
        self._last_batch = -1
        every = self.save_freq
        if every != "epoch":
            if not isinstance(every, int) or isinstance(every, bool) or every < 1:
                raise ValueError(f"save_freq must be 'epoch' or a number of batches; received {every!r}.")
            self.on_train_batch_end = self._after_batch  # type: ignore[method-assign]  # hooks of batches are set only if needed
        endings = (".weights.h5", ".weights.json", ".safetensors") if self.save_weights_only else (".keras",)
        other = ".keras" if self.save_weights_only else ".weights.h5"
        if not path.endswith(endings):
            raise ValueError(
                f"With save_weights_only={self.save_weights_only} the filepath of ModelCheckpoint must end in "
                f"{' or '.join(endings)}; received {path!r}. Use {replace_ending(path, endings[0])!r}, or "
                f"save_weights_only={not self.save_weights_only} with {replace_ending(path, other)!r}."
            )

    def on_train_begin(self, logs: Any = None) -> None:
        """Reset the count of batches. The best value is kept, for training that is continued.

        Raises:
            NotImplementedError: when whole models are saved, and the optimizer has no config; before any training.
        """
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None and not self.save_weights_only:
            optimizer.get_config()
        self._since_saving = 0
        self._last_batch = -1

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the number of the epoch."""
        self._epoch = epoch
        self._last_batch = -1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Save, if `save_freq` is `"epoch"`."""
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def _after_batch(self, batch: int, logs: Any = None) -> None:
        self._since_saving += batch - self._last_batch  # several batches at once with steps_per_execution
        self._last_batch = batch
        if self._since_saving >= self.save_freq:  # type: ignore[operator]
            self._since_saving = 0
            self._save(self._epoch, batch, jax.device_get(logs or {}))

    def _save(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> None:
        path = self._path(epoch, batch, logs)
        if self.save_best_only and not self._is_best(epoch, logs):
            return
        if jax.process_index() == 0 or not placement.spans_processes():
            self._write(path)
        elif not all(variable.value.is_fully_replicated for variable in self._saved_variables()):
            with tempfile.TemporaryDirectory() as folder:  # this process has a part of what the first one writes
                self._write(os.path.join(folder, os.path.basename(path)))
        if self.save_best_only and np.ndim(value := logs.get(self.monitor, ())) == 0:
            self.best = value
        if self.verbose > 0:
            processes.print_once(f"Epoch {epoch + 1}: saved to {path}")

    def _write(self, path: str) -> None:
        directory = os.path.dirname(path)
        if directory:
            os.makedirs(directory, exist_ok=True)
        if os.path.isdir(path):
            raise IsADirectoryError(f"ModelCheckpoint cannot write to {path!r}: there is a directory of that name.")
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(path, overwrite=True)

    def _saved_variables(self) -> list[Any]:
        return [*self.model.variables, *getattr(getattr(self.model, "optimizer", None), "variables", [])]

    def _is_best(self, epoch: int, logs: dict[str, Any]) -> bool:
        """True if the monitored value is better than ever before, or, with a warning, if it cannot be compared.

        False if the weights are not finite.
        """
        current = self.get_monitor_value(logs)
        if current is None:
            return self._has_finite_weights()
        if np.ndim(current) > 0:
            warnings.warn(
                f"ModelCheckpoint can only compare single numbers; {self.monitor!r} has shape {np.shape(current)}, so "
                "it saves every time.",
                stacklevel=2,
            )
            return self._has_finite_weights()
        better = self._is_improvement(current, self.best)
        if self.verbose > 0:
            change = "got better" if better else "did not get better"
            processes.print_once(f"Epoch {epoch + 1}: {self.monitor} {change}: {current:.5f}, best so far {self.best}")
        return better and self._has_finite_weights()

    def _path(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> str:
        numbers = {"epoch": epoch + 1} | ({} if batch is None else {"batch": batch + 1})
        try:
            return str(self.filepath).format(**{**numbers, **logs})
        except KeyError as error:
            raise KeyError(
                f"The filepath {self.filepath!r} of ModelCheckpoint names {error}; known are "
                f"{', '.join([*numbers, *logs])}."
            ) from error
