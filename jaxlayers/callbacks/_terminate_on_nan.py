"""A callback that ends training when the loss is NaN or infinite."""

from __future__ import annotations

import math
from typing import Any

from jaxlayers.callbacks._callback import Callback
from jaxlayers.common import processes


class TerminateOnNaN(Callback):
    """A callback that stops training when the loss is NaN or infinite.

    The loss of a batch is checked after the next batch has been dispatched, so that the device does not wait. The model
    is therefore trained on one batch more than in Keras. `NanGuard` keeps such steps out of the model, and names the
    cause.

    Args:
        raise_error: If True, raise an error, so that `on_train_end` is not called; if False (default), print a message
            and stop.

    Raises:
        RuntimeError: during training, if `raise_error` is True and the loss is NaN or infinite.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> stopping = jl.callbacks.TerminateOnNaN()
        >>> model.fit(np.ones((4, 2)), np.full((4, 1), np.nan), epochs=9, verbose=0, callbacks=[stopping]).epoch
        Batch 0: the loss is nan. Training ends.
        [0]
    """

    _state_attributes = ("_last",)

    def __init__(self, raise_error: bool = False):
        self.raise_error = raise_error
        self._last: tuple[int, Any] | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Forget the loss of the previous epoch."""
        self._last = None

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Check the loss of the previous batch."""
        self._check()
        self._last = (batch, (logs or {}).get("loss"))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Check the loss of the last batch."""
        self._check()

    def _check(self) -> None:
        batch, loss = self._last or (0, None)
        self._last = None
        if loss is None or math.isfinite(loss):
            return
        message = f"Batch {batch}: the loss is {float(loss)}. Training ends."
        if self.raise_error:
            raise RuntimeError(message)
        if not self.model.stop_training:
            processes.print_once(message)
            self.model.stop_training = True
