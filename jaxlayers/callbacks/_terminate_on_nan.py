"""Ending the training when its loss is no number any more."""

from __future__ import annotations

import math
from typing import Any

from jaxlayers.callbacks._callback import Callback


class TerminateOnNaN(Callback):
    """Stops training when the loss is NaN or infinite.

    The loss of a batch is looked at when the next one has been handed to the device, which is thus never left without
    work; so one more batch is trained on than in Keras.

    Args:
        raise_error: whether to raise an error, so that no callback is told that the training has ended.

    Raises:
        RuntimeError: with `raise_error`, when the loss is NaN or infinite.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> stopping = jl.callbacks.TerminateOnNaN()
        >>> model.fit(np.ones((4, 2)), np.full((4, 1), np.nan), epochs=9, verbose=0, callbacks=[stopping]).epoch
        Batch 0: the loss is nan. Training ends.
        [0]
    """

    def __init__(self, raise_error: bool = False):
        self.raise_error = raise_error
        self._last: tuple[int, Any] | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Forget the last epoch."""
        self._last = None

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the loss of the batch before."""
        self._check()
        self._last = (batch, (logs or {}).get("loss"))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the loss of the last batch."""
        self._check()

    def _check(self) -> None:
        batch, loss = self._last or (0, None)
        self._last = None
        if loss is None or math.isfinite(loss):
            return
        what = f"Batch {batch}: the loss is {float(loss)}. Training ends."
        if self.raise_error:
            raise RuntimeError(what)
        if not self.model.stop_training:
            print(what)
            self.model.stop_training = True
