"""Callbacks that change the learning rate between epochs: by a function, or when a monitored value stops improving."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxlayers.callbacks._callback import Callback
from jaxlayers.callbacks._monitor import MonitorCallback
from jaxlayers.common import processes


def optimizers_of(model: Any) -> list[tuple[str, Any]]:
    """Return the optimizers of a model, each with the suffix of its name in the logs; empty for a single optimizer."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if hasattr(optimizer, "optimizers"):
        return [(f"_{inner.name}", inner) for inner in optimizer.optimizers]
    return [("", optimizer)]


def learning_rates(model: Any) -> dict[str, float]:
    """Return the learning rates of a model's optimizers, by their names in the logs."""
    return {f"learning_rate{name}": rate_of(optimizer) for name, optimizer in optimizers_of(model)}


def rate_of(optimizer: Any) -> float:
    """Return the learning rate of an optimizer's next update.

    Raises:
        ValueError: if the optimizer has no learning rate.
    """
    if not hasattr(optimizer, "learning_rate"):
        raise ValueError(f"{type(optimizer).__name__} has no learning rate to read or change.")
    return float(np.asarray(optimizer.learning_rate))


class LearningRateScheduler(Callback):
    """A callback that sets the learning rate at the beginning of each epoch, and adds it to the logs.

    Args:
        schedule: a function from the number of the epoch, counted from 0, and the current learning rate to the new
            learning rate. It may take the number of the epoch only.
        verbose: 1 to print a message in each epoch; 0 (default) for none.

    Raises:
        ValueError: during training, if the optimizer has no learning rate, or the function does not return a number.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile(jl.optimizers.SGD(0.5), "mse")
        >>> halving = jl.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        >>> history = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=[halving])
        >>> history.history["learning_rate"]
        [0.25, 0.125]
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0):
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the learning rate."""
        for name, optimizer in optimizers_of(self.model):
            old = rate_of(optimizer)
            new = self.schedule(epoch, old) if _takes_two(self.schedule) else self.schedule(epoch)
            if np.ndim(new) or np.asarray(new).dtype.kind in "bcOSU":
                raise ValueError(f"The schedule of LearningRateScheduler must return a number; received {new!r}.")
            optimizer.learning_rate = float(new)
            if self.verbose > 0:
                print(f"Epoch {epoch + 1}: LearningRateScheduler sets learning_rate{name} to {float(new)}.")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add the learning rate to the logs."""
        if logs is not None:
            logs.update(learning_rates(self.model))


def _takes_two(function: Callable[..., Any]) -> bool:
    """True if a function can be called with two arguments."""
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # the function has no signature
        pass
    return True


@dataclasses.dataclass(eq=False, repr=False)
class ReduceLROnPlateau(MonitorCallback):
    """A callback that lowers the learning rate when a monitored value stops improving, and adds it to the logs.

    Args:
        monitor: the name of the value in the logs; `"val_loss"` by default.
        factor: the factor of the learning rate, below 1; 0.1 by default.
        patience: the number of epochs without improvement after which the learning rate is lowered; 10 by default.
        verbose: 1 to print a message when the learning rate is lowered; 0 (default) for none.
        mode: `"min"` if lower is better, `"max"` if higher is better, `"auto"` (default) to decide by the metric.
        min_delta: the least change that is an improvement; 1e-4 by default.
        cooldown: the number of epochs after a reduction in which epochs without improvement are not counted; 0 by
            default.
        min_lr: the lower bound of the learning rate; 0 by default.

    Raises:
        ValueError: if `factor` is not below 1; at the end of the first epoch, if `mode="auto"` cannot determine which
            direction is better.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile(jl.optimizers.SGD(1e-9), "mse")
        >>> plateau = jl.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=2)
        >>> history = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=4, verbose=0, callbacks=[plateau])
        >>> [float(f"{rate:.2g}") for rate in history.history["learning_rate"]]
        [1e-09, 1e-09, 1e-09, 5e-10]
    """

    monitor: str = "val_loss"
    factor: float = 0.1
    patience: int = 10
    verbose: int = 0
    mode: str = "auto"
    min_delta: float = 1e-4
    cooldown: int = 0
    min_lr: float = 0.0

    _state_attributes = ("best", "wait", "cooldown_counter")

    def __post_init__(self) -> None:
        super().__init__(self.monitor, self.mode, min_delta=self.min_delta)
        if self.factor >= 1:
            raise ValueError(f"ReduceLROnPlateau needs a factor below 1; received factor={self.factor}.")
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Forget the previous training."""
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def in_cooldown(self) -> bool:
        """Return True during the `cooldown` epochs after a reduction."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Compare the monitored value; lower the learning rate if it has not improved for `patience` epochs."""
        if self.monitor_op is None:
            self._set_monitor_op()
        logs = {} if logs is None else logs
        logs.update(learning_rates(self.model))
        current = self.get_monitor_value(logs)
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
        if self._is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and self._reduce(epoch):
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def _reduce(self, epoch: int) -> bool:
        """Lower the learning rates that are above `min_lr`; return True if there were any."""
        reduced = False
        for name, optimizer in optimizers_of(self.model):
            old = rate_of(optimizer)
            if old > np.float32(self.min_lr):
                new = max(old * self.factor, self.min_lr)
                optimizer.learning_rate = new
                reduced = True
                if self.verbose > 0:
                    processes.print_once(f"Epoch {epoch + 1}: ReduceLROnPlateau lowers learning_rate{name} to {new}.")
        return reduced
