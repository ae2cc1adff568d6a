"""The base class of callbacks that monitor one value of the logs, and compare it with the best one so far."""

from __future__ import annotations

import dataclasses
import operator
import warnings
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxlayers.callbacks._callback import Callback


class MonitorCallback(Callback):
    """The base class of callbacks that monitor one value of the logs.

    With `mode="auto"`, a lower loss is better; for a metric, its class determines the direction.

    Args:
        monitor: the name of the value in the logs; `"val_loss"` by default.
        mode: `"min"` if lower is better, `"max"` if higher is better, or `"auto"` (default).
        baseline: the initial best value; None, the default, for none.
        min_delta: the least change that is an improvement; 0 by default.

    Raises:
        ValueError: at the end of the first epoch, if `mode="auto"` cannot determine which direction is better.

    Example:
        >>> import jaxlayers as jl
        >>> jl.callbacks.MonitorCallback("loss").get_monitor_value({"loss": 0.5, "accuracy": 0.75})
        0.5
    """

    _state_attributes: tuple[str, ...] = ("best",)

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", baseline: float | None = None, min_delta: float = 0
    ):
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                f"{type(self).__name__}: mode must be 'auto', 'min' or 'max'; received {mode!r}. Using 'auto'.",
                stacklevel=3 + dataclasses.is_dataclass(self),  # a dataclass calls this constructor in __post_init__
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)
        self.monitor_op: Callable[[Any, Any], bool] | None = None

    def _set_monitor_op(self) -> None:
        """Determine which direction is better; possible only once the metrics of the model exist."""
        direction = {"min": "down", "max": "up"}.get(self.mode) or self._direction()
        self.monitor_op = operator.gt if direction == "up" else operator.lt
        if direction != "up":
            self.min_delta *= -1

    def _direction(self) -> str:
        """Return `"up"` or `"down"`, the direction of improvement of the monitored value."""
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return "down"
        for listed in getattr(self.model, "metrics", ()):
            by_name = getattr(listed, "by_name", {listed.name: listed})  # those of compile() are listed as one metric
            direction = getattr(by_name.get(name), "_direction", None)
            if direction is not None:
                return direction
        raise ValueError(
            f"{type(self).__name__} cannot determine whether a higher or a lower {self.monitor!r} is better. Pass "
            "mode='max' or mode='min'."
        )

    def _is_improvement(self, value: float, reference: float | None) -> bool:
        """True if a value is better than a reference. Unlike in Keras, NaN and infinity never are.

        Any finite value is better than None and than NaN.
        """
        if not np.isfinite(value):
            return False
        if reference is None or reference != reference:
            return True
        if self.monitor_op is None:
            self._set_monitor_op()
        return bool(self.monitor_op(value - self.min_delta, reference))  # type: ignore[misc]

    def _has_finite_weights(self) -> bool:
        """True if the weights of the model may be kept as the best; if some are NaN or infinite, warn."""
        for variable in self.model.weights:
            if jnp.issubdtype(variable.dtype, jnp.inexact) and not np.all(np.isfinite(np.asarray(variable))):
                warnings.warn(
                    f"{type(self).__name__}: the weights are not kept as the best, because {variable.path!r} has "
                    f"values that are NaN or infinite. The value of {self.monitor!r} does not show this.",
                    stacklevel=3,
                )
                return False
        return True

    def get_monitor_value(self, logs: dict[str, Any]) -> Any:
        """Return the monitored value; if it is missing, warn and return None."""
        if self.monitor not in logs:
            warnings.warn(
                f"{type(self).__name__} monitors {self.monitor!r}, which is not in the logs of this epoch; they hold: "
                f"{', '.join(logs) or 'nothing'}.",
                stacklevel=3,
            )
        return logs.get(self.monitor)
