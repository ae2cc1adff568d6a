"""A callback that shows the progress of training."""

from __future__ import annotations

from typing import Any

from jaxlayers.callbacks._callback import Callback
from jaxlayers.callbacks.progress import Progress


class ProgbarLogger(Callback):
    """A callback that shows the progress of `fit`, `evaluate` and `predict`, which add it themselves.

    `params["verbose"]` selects the form: 0 for nothing, 1 or `"auto"` for a bar and a line, 2 for a line per epoch.

    Example:
        >>> import jaxlayers as jl
        >>> logger = jl.callbacks.ProgbarLogger()
        >>> callbacks = jl.callbacks.CallbackList([logger], epochs=3, steps=10, verbose=2)
        >>> callbacks.on_train_begin()
        >>> callbacks.on_epoch_begin(0)
        >>> callbacks.on_epoch_end(0, {"loss": 0.25})
        Epoch 1/3: 10 steps, ..., loss 0.25
    """

    _progress: Progress | None = None
    _in_fit = False
    _seen = 0

    def _begin(self, epoch: int, epochs: int) -> None:
        params = self.params or {}
        self._progress = Progress(params.get("verbose", "auto"), epochs, params.get("steps"))
        self._progress.start(epoch)
        self._seen = 0

    # Hooks do not call each other: a subclass may override one of them.

    def _step(self, batch: int, logs: Any) -> None:
        self._seen = batch + 1
        if self._progress is not None:
            self._progress.step(batch, logs or {})

    def _end(self, epoch: int, logs: Any = None) -> None:
        if self._progress is not None:
            self._progress.end(epoch, self._seen or self._progress.steps or 0, logs or {})
            self._progress = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Remember that training runs: its validations are not shown separately."""
        self._in_fit = True

    def on_train_end(self, logs: Any = None) -> None:
        """Remember that training has ended."""
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the display of an epoch."""
        self._begin(epoch, (self.params or {}).get("epochs", 1))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Update the display."""
        self._step(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """End the display with the logs of the epoch."""
        self._end(epoch, logs)

    def on_test_begin(self, logs: Any = None) -> None:
        """Start the display of an evaluation."""
        if not self._in_fit:
            self._begin(0, 0)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Update the display."""
        if not self._in_fit:
            self._step(batch, logs)

    def on_test_end(self, logs: Any = None) -> None:
        """End the display with the logs of the evaluation."""
        if not self._in_fit:
            self._end(0, logs)

    def on_predict_begin(self, logs: Any = None) -> None:
        """Start the display of a prediction."""
        self._begin(0, 0)

    on_predict_batch_end = on_train_batch_end

    def on_predict_end(self, logs: Any = None) -> None:
        """End the display of the prediction."""
        self._end(0)

    def close(self) -> None:
        """Remove an unfinished bar, so that the terminal is usable again."""
        if self._progress is not None:
            self._progress.close()
        self._progress = None
        self._in_fit = False
