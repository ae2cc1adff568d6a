"""The progress of training as a callback."""

from __future__ import annotations

from typing import Any

from jaxlayers.callbacks._callback import Callback
from jaxlayers.callbacks.progress import Progress


class ProgbarLogger(Callback):
    """Shows the progress of `fit`, `evaluate` and `predict`, by their `verbose`; they have one without asking.

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

    def _step(self, batch: int, logs: Any) -> None:
        self._seen = batch + 1
        if self._progress is not None:
            self._progress.step(batch, logs or {})

    def _end(self, epoch: int, logs: Any) -> None:
        if self._progress is not None:
            self._progress.end(epoch, self._seen or self._progress.steps or 0, logs or {})
            self._progress = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Know that validations are part of a training, and are not shown."""
        self._in_fit = True

    def on_train_end(self, logs: Any = None) -> None:
        """The training is over."""
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin to show an epoch."""
        self._begin(epoch, (self.params or {}).get("epochs", 1))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Go on."""
        self._step(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Show the figures of the epoch."""
        self._end(epoch, logs)

    def on_test_begin(self, logs: Any = None) -> None:
        """Begin to show an evaluation."""
        if not self._in_fit:
            self._begin(0, 0)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Go on."""
        if not self._in_fit:
            self._step(batch, logs)

    def on_test_end(self, logs: Any = None) -> None:
        """Show the figures."""
        if not self._in_fit:
            self._end(0, logs)

    def on_predict_begin(self, logs: Any = None) -> None:
        """Begin to show a prediction."""
        self._begin(0, 0)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Go on."""
        self._step(batch, logs)

    def on_predict_end(self, logs: Any = None) -> None:
        """Show that it is done."""
        self._end(0, {})

    def close(self) -> None:
        """Leave the terminal as it should be."""
        if self._progress is not None:
            self._progress.close()
        self._progress = None
        self._in_fit = False
