"""A progress bar for loops of one's own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from jaxlayers.utils._messages import print_message


class Progbar:
    """Shows how far a loop is, what is left of it, and figures.

    Args:
        target: how many steps there are; None when it is not known.
        width: of the bar, in characters.
        verbose: 1 for a bar, 2 for one line at the end, 0 for nothing.
        interval: the least time between two pictures, in seconds.
        stateful_metrics: the figures that are shown as they are.
        stateless_metrics: those that are shown as means over the steps; by default all that are not stateful.
        unit_name: what a step is called.

    Raises:
        ValueError: when both `stateful_metrics` and `stateless_metrics` are given.

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
            raise ValueError("Progbar takes stateful_metrics or stateless_metrics, not both: all others are the other.")
        self.target, self.width, self.verbose = target, width, verbose
        self.interval, self.unit_name = interval, unit_name
        self._stateful = set(stateful_metrics or ())
        self._stateless = None if stateless_metrics is None else set(stateless_metrics)
        self._sums: dict[str, tuple[Any, float]] = {}  # of each figure, with the steps that it is over
        self._seen = 0
        self._began = time.perf_counter()
        self._shown = float("-inf")
        self._length = 0

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Say how far the loop is.

        Args:
            current: how many steps are done.
            values: pairs of a name and a figure; for means, over the steps since the last call.
            finalize: whether this is the end; by default when `current` has reached `target`.
        """
        for name, value in values or ():
            if self._is_stateful(name):
                self._sums[name] = (value, 1)
            else:
                steps = max(current - self._seen, 1)
                value = np.mean(value) if isinstance(value, list | tuple) else value
                total, count = self._sums.get(name, (0.0, 0.0))
                self._sums[name] = (total + value * steps, count + steps)
        self._seen = current
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        now = time.perf_counter()
        if self.verbose == 1 and (finalize or now - self._shown >= self.interval):
            self._shown = now
            self._draw(current, now - self._began, finalize)
        elif self.verbose == 2 and finalize:
            print_message(f"{current}/{self.target} - {now - self._began:.0f}s{self._text()}")

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Say that some more steps are done; see `update`."""
        self.update(self._seen + n, values)

    def figures(self) -> dict[str, Any]:
        """The figures as they are shown."""
        return {name: total if count == 1 and self._is_stateful(name) else np.mean(total) / count
                for name, (total, count) in self._sums.items()}  # fmt: skip

    def _is_stateful(self, name: str) -> bool:
        return name in self._stateful or (self._stateless is not None and name not in self._stateless)

    def _text(self) -> str:
        def shown(value: Any) -> str:
            if not isinstance(value, float | np.floating):
                return str(value)
            return f"{value:.4f}" if abs(float(value)) > 1e-3 else f"{value:.4e}"

        return "".join(f" - {name}: {shown(value)}" for name, value in self.figures().items())

    def _draw(self, current: int, took: float, finalize: bool) -> None:
        a_step = took / current if current else 0.0
        if self.target:
            filled = min(self.width, self.width * current // self.target)
            head = f"{current}/{self.target} {'━' * filled}{'─' * (self.width - filled)}"
        else:
            head = f"{current}/Unknown"
        left = took if finalize or not self.target else a_step * (self.target - current)
        line = f"{head} {_duration(left)} {_pace(a_step)}/{self.unit_name}{self._text()}"
        start = "\r" if sys.stdout.isatty() or not self._length else "\n"
        print_message(start + line.ljust(self._length), end="\n" if finalize else "")
        self._length = len(line)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"{minutes}:{seconds:02d}" if minutes else f"{seconds}s"


def _pace(seconds: float) -> str:
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s"
    return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"
