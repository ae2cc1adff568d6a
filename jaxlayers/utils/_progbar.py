"""`Progbar`, a progress bar for custom loops."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from jaxlayers.utils._messages import print_message


class Progbar:
    """A progress bar with the number of steps done, the remaining time, and metrics.

    Args:
        target: the number of steps; None if it is unknown.
        width: the width of the bar in characters; 20 by default.
        verbose: 1 (default) for a bar, 2 for one line at the end, 0 for no output.
        interval: the shortest time between two updates of the display, in seconds; 0.05 by default.
        stateful_metrics: the names of the metrics whose last value is shown.
        stateless_metrics: the names of the metrics whose mean over the steps is shown; by default all that are not
            stateful.
        unit_name: the name of a step; `"step"` by default.

    Raises:
        ValueError: if both `stateful_metrics` and `stateless_metrics` are given.

    Example:
        >>> from jaxlayers import utils
        >>> bar = utils.Progbar(3, verbose=0)
        >>> for step in range(3):
        ...     bar.add(1, values=[("loss", 1.0 / (step + 1))])
        >>> f"{bar.figures()['loss']:.3f}"
        '0.611'
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ):
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                "Progbar takes stateful_metrics or stateless_metrics, not both: metrics that are not in the one are in "
                "the other."
            )
        self.target, self.width, self.verbose = target, width, verbose
        self.interval, self.unit_name = interval, unit_name
        self._stateful = set(stateful_metrics or ())
        self._stateless = None if stateless_metrics is None else set(stateless_metrics)
        self._sums: dict[str, tuple[Any, float]] = {}  # the sum of each metric over steps, and the number of steps
        self._steps_done = 0
        self._start_time = time.perf_counter()
        self._last_draw = float("-inf")
        self._line_length = 0

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Update the number of steps done and the metrics, and display them.

        Args:
            current: the number of steps done.
            values: pairs of the name and value of a metric. The value of a metric shown as a mean is its mean over the
                steps since the last call.
            finalize: if True, this is the last update; by default, if `current` is at least `target`.
        """
        for name, value in values or ():
            if self._is_stateful(name):
                self._sums[name] = (value, 1)
            else:
                steps = max(current - self._steps_done, 1)
                value = np.mean(value) if isinstance(value, list | tuple) else value
                total, count = self._sums.get(name, (0.0, 0.0))
                self._sums[name] = (total + value * steps, count + steps)
        self._steps_done = current
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        now = time.perf_counter()
        if self.verbose == 1 and (finalize or now - self._last_draw >= self.interval):
            self._last_draw = now
            self._draw(current, now - self._start_time, finalize)
        elif self.verbose == 2 and finalize:
            print_message(f"{current}/{self.target} - {now - self._start_time:.0f}s{self._metrics_text()}")

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Add n to the number of steps done; see `update` for the values."""
        self.update(self._steps_done + n, values)

    def figures(self) -> dict[str, Any]:
        """Return the values of the metrics by name, as they are shown."""
        return {name: total if count == 1 and self._is_stateful(name) else np.mean(total) / count
                for name, (total, count) in self._sums.items()}  # fmt: skip

    def _is_stateful(self, name: str) -> bool:
        return name in self._stateful or (self._stateless is not None and name not in self._stateless)

    def _metrics_text(self) -> str:
        def format_value(value: Any) -> str:
            if not isinstance(value, float | np.floating):
                return str(value)
            return f"{value:.4f}" if abs(float(value)) > 1e-3 else f"{value:.4e}"

        return "".join(f" - {name}: {format_value(value)}" for name, value in self.figures().items())

    def _draw(self, current: int, elapsed: float, finalize: bool) -> None:
        time_per_step = elapsed / current if current else 0.0
        if self.target:
            filled = min(self.width, self.width * current // self.target)
            head = f"{current}/{self.target} {'━' * filled}{'─' * (self.width - filled)}"
        else:
            head = f"{current}/Unknown"
        shown_time = elapsed if finalize or not self.target else time_per_step * (self.target - current)
        speed = f"{_format_step_time(time_per_step)}/{self.unit_name}"
        line = f"{head} {_format_duration(shown_time)} {speed}{self._metrics_text()}"
        start = "\r" if sys.stdout.isatty() or not self._line_length else "\n"
        print_message(start + line.ljust(self._line_length), end="\n" if finalize else "")
        self._line_length = len(line)


def _format_duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"{minutes}:{seconds:02d}" if minutes else f"{seconds}s"


def _format_step_time(seconds: float) -> str:
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s"
    return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"
