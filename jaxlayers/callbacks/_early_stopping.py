"""A callback that ends training when a monitored value stops improving."""

from __future__ import annotations

import dataclasses
from typing import Any

from jaxlayers.callbacks._monitor import MonitorCallback
from jaxlayers.common import processes


@dataclasses.dataclass(eq=False, repr=False)
class EarlyStopping(MonitorCallback):
    """A callback that stops training when a monitored value has not improved for some epochs.

    A value that is NaN or infinite is no improvement, and weights that are not finite are not kept as the best.

    Args:
        monitor: the name of the value in the logs; `"val_loss"` by default.
        min_delta: the least change that is an improvement; 0 by default.
        patience: the number of epochs without improvement after which training stops; 0 by default.
        verbose: 1 to print a message when training stops; 0 (default) for none.
        mode: `"min"` if lower is better, `"max"` if higher is better, `"auto"` (default) to decide by the metric.
        baseline: a value to improve on: an epoch that is not better than the baseline counts as one without
            improvement. None, the default, for no baseline.
        restore_best_weights: If True, the model ends with the weights of its best epoch; if False (default), with those
            of the last one. The best epoch need not be better than the baseline.
        start_from_epoch: the first epoch to monitor, counted from 0; 0 by default.

    Raises:
        ValueError: at the end of the first epoch, if `mode="auto"` cannot determine which direction is better.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile(jl.optimizers.SGD(0.0), "mse")
        >>> stopping = jl.callbacks.EarlyStopping("loss", patience=3)
        >>> model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=9, verbose=0, callbacks=[stopping]).epoch
        [0, 1, 2, 3]
    """

    monitor: str = "val_loss"
    min_delta: float = 0
    patience: int = 0
    verbose: int = 0
    mode: str = "auto"
    baseline: float | None = None
    restore_best_weights: bool = False
    start_from_epoch: int = 0

    _state_attributes = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")

    def __post_init__(self) -> None:
        super().__init__(self.monitor, self.mode, min_delta=self.min_delta)
        self._reset()

    def _reset(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best: float | None = None
        self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Forget the previous training."""
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Compare the monitored value; stop training if it has not improved for `patience` epochs."""
        if self.monitor_op is None:
            self._set_monitor_op()
        current = self.get_monitor_value(logs or {})
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        improved = self._is_improvement(current, self.best)
        if improved and (not self.restore_best_weights or self._has_finite_weights()):
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
        """Print the messages; restore the best weights."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            processes.print_once(
                f"Epoch {self.stopped_epoch + 1}: training stopped early, {self.monitor} has stopped improving."
            )
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                processes.print_once(f"Restored the weights of the best epoch, {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
