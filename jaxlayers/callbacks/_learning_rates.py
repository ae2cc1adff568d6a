"""Changing the learning rate between epochs: by a function, or when a figure no longer gets better."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxlayers.callbacks._callback import Callback
from jaxlayers.callbacks._monitor import MonitorCallback


def optimizers_of(model: Any) -> list[tuple[str, Any]]:
    """The optimizers of a model, each with what its figures are called after: nothing when there is one."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if hasattr(optimizer, "optimizers"):
        return [(f"_{one.name}", one) for one in optimizer.optimizers]
    return [("", optimizer)]


def learning_rates(model: Any) -> dict[str, float]:
    """The learning rates of a model's optimizers, under the names they have in the logs."""
    return {f"learning_rate{name}": rate_of(optimizer) for name, optimizer in optimizers_of(model)}


def rate_of(optimizer: Any) -> float:
    """What an optimizer's next update uses.

    Raises:
        ValueError: when it has no learning rate.
    """
    if not hasattr(optimizer, "learning_rate"):
        raise ValueError(f"{type(optimizer).__name__} has no learning rate to read or change.")
    return float(np.asarray(optimizer.learning_rate))


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch, and reports it at the end.

    Args:
        schedule: a function from the number of the epoch, counted from 0, and the learning rate so far, to the new
            one. It may take the number alone.
        verbose: 1 for a message in each epoch.

    Raises:
        ValueError: when the optimizer has no learning rate, or the function does not return a number.

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
        """Report the learning rate."""
        if logs is not None:
            logs.update(learning_rates(self.model))


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # a function that does not tell its arguments
        pass
    return True


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate when a figure has not got better for some epochs, and reports it.

    Args:
        monitor: the name of the figure, as in the history.
        factor: what to multiply the learning rate by, below 1.
        patience: after how many epochs that are not better to lower it.
        verbose: 1 for a message when it does.
        mode: `"min"`, `"max"`, or `"auto"`: as the figure's metric says.
        min_delta: by how much a value must be better to count as better.
        cooldown: for how many epochs to wait after lowering it, before counting again.
        min_lr: what it is not lowered below.

    Raises:
        ValueError: when the factor is not below 1; at the end of the first epoch, when `mode="auto"` cannot tell which
            way is better.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile(jl.optimizers.SGD(1e-9), "mse")
        >>> lowering = jl.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=2)
        >>> history = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=4, verbose=0, callbacks=[lowering])
        >>> [float(f"{rate:.2g}") for rate in history.history["learning_rate"]]
        [1e-09, 1e-09, 1e-09, 5e-10]
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ):
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau needs a factor below 1; received factor={factor}.")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Start anew."""
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def in_cooldown(self) -> bool:
        """Whether the learning rate was lowered so recently that epochs do not count."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the figure; lower the learning rate when it was not better for too long."""
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
        """Lower the learning rates that are not at their least; whether there were any."""
        reduced = False
        for name, optimizer in optimizers_of(self.model):
            old = rate_of(optimizer)
            if old > np.float32(self.min_lr):
                new = max(old * self.factor, self.min_lr)
                optimizer.learning_rate = new
                reduced = True
                if self.verbose > 0:
                    print(f"Epoch {epoch + 1}: ReduceLROnPlateau lowers learning_rate{name} to {new}.")
        return reduced
