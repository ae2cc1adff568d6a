"""Ending the training when it no longer gets better."""

from __future__ import annotations

from typing import Any

from jaxlayers.callbacks._monitor import MonitorCallback


class EarlyStopping(MonitorCallback):
    """Stops training when a figure has not got better for some epochs.

    Args:
        monitor: the name of the figure, as in the history.
        min_delta: by how much a value must be better to count as better.
        patience: after how many epochs that are not better to stop.
        verbose: 1 for a message when it stops.
        mode: `"min"`, `"max"`, or `"auto"`: as the figure's metric says.
        baseline: a value to get better than: epochs that do not count as not better.
        restore_best_weights: whether the model ends with the weights of its best epoch, rather than the last ones.
            An epoch may be the best without being better than the baseline.
        start_from_epoch: the first epoch to look at, counted from 0.

    Raises:
        ValueError: at the end of the first epoch, when `mode="auto"` cannot tell which way is better.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile(jl.optimizers.SGD(0.0), "mse")
        >>> stopping = jl.callbacks.EarlyStopping("loss", patience=3)
        >>> model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=9, verbose=0, callbacks=[stopping]).epoch
        [0, 1, 2, 3]
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ):
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._start_anew()

    def _start_anew(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best: float | None = None
        self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Start anew."""
        self._start_anew()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the figure; stop when it was not better for too long."""
        if self.monitor_op is None:
            self._set_monitor_op()
        current = self.get_monitor_value(logs or {})
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self._is_improvement(current, self.best):
            self.best = current
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._is_improvement(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Say what was done; give the model its best weights."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: stopped early, {self.monitor} has not improved any more.")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print(f"The weights are those of the best epoch again: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
