"""Watching one figure: which way is better, and whether a value is."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any

from jaxlayers.callbacks._callback import Callback


class MonitorCallback(Callback):
    """The base of callbacks that watch one figure of the epochs.

    With `mode="auto"`, a loss is to fall, and for a metric its class says which way is better.

    Args:
        monitor: the name of the figure, as in the history.
        mode: `"min"`, `"max"` or `"auto"`.
        baseline: a value to start from: the first to be better than.
        min_delta: by how much a value must be better to count as better.

    Raises:
        ValueError: at the end of the first epoch, when `mode="auto"` cannot tell which way is better.
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", baseline: float | None = None, min_delta: float = 0
    ):
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                f"{type(self).__name__}: mode must be 'auto', 'min' or 'max'; received {mode!r}. Using 'auto'.",
                stacklevel=3,
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)
        self.monitor_op: Callable[[Any, Any], bool] | None = None

    def _set_monitor_op(self) -> None:
        """Find out which way is better: known only when the model's metrics are."""
        direction = {"min": "down", "max": "up"}.get(self.mode) or self._direction()
        self.monitor_op = operator.gt if direction == "up" else operator.lt
        if direction != "up":
            self.min_delta *= -1

    def _direction(self) -> str:
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return "down"
        for listed in getattr(self.model, "metrics", ()):
            for metric in getattr(listed, "metrics", [listed]):  # those given to compile() are listed as one metric
                direction = getattr(metric, "_direction", None)
                if metric.name == name and direction is not None:
                    return direction
        raise ValueError(
            f"{type(self).__name__} cannot tell whether {self.monitor!r} is better when it is higher or lower. Pass "
            "mode='max' or mode='min'."
        )

    def _is_improvement(self, value: float, reference: float | None) -> bool:
        """Whether a value is better than another; anything is better than none, and than NaN (not so in Keras)."""
        if reference is None or (reference != reference and value == value):
            return True
        if self.monitor_op is None:
            self._set_monitor_op()
        return bool(self.monitor_op(value - self.min_delta, reference))  # type: ignore[misc]

    def get_monitor_value(self, logs: dict[str, Any]) -> Any:
        """The figure to watch, or None with a warning."""
        if self.monitor not in logs:
            warnings.warn(
                f"{type(self).__name__} watches {self.monitor!r}, which is not among the figures of this epoch: "
                f"{', '.join(logs) or 'there are none'}.",
                stacklevel=3,
            )
        return logs.get(self.monitor)
