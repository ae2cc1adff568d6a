"""The progress bar and the lines that `fit`, `evaluate` and `predict` print.

Each pass over the data ends with one line. While the pass runs, and if it takes more than a moment, a bar is shown in
place of the line: drawn by rich in a terminal, by the browser in a notebook, and not at all if the output is a file.

Steps are dispatched faster than the device computes them. The bar therefore shows the newest step whose logs are
computed, and never waits for a step. A step costs one reading of the clock; drawing takes at most a hundredth of the
time.
"""

from __future__ import annotations

import html
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

_INTERVAL = 0.25  # the least time between two updates of the bar, in seconds
_DRAWING_SHARE = 0.01  # the largest share of the time that drawing may take


class Progress:
    """The display of passes over the data: a bar and a line, lines only, or nothing.

    Args:
        verbose: 0 for nothing, 1 or `"auto"` for a bar and a line per pass, 2 for lines only.
        epochs: the number of epochs; 0 for a pass that is not an epoch.
        steps: the number of steps in a pass, or None if it is unknown.
    """

    def __init__(self, verbose: Any, epochs: int, steps: int | None):
        # Of several processes, the first one shows the progress.
        self._kind = 0 if jax.process_index() else 1 if verbose == "auto" else int(verbose)
        self.epochs, self.steps = epochs, steps
        self._bar: Any = None
        self._head = ""
        self._due = math.inf

    def start(self, epoch: int, steps: int | None = None) -> None:
        """Start the display of a pass over the data.

        Args:
            epoch: the number of the epoch, counted from 0.
            steps: the number of steps in the pass; None, the default, to keep the number known so far.
        """
        self.steps = self.steps if steps is None else steps
        self._head = f"Epoch {epoch + 1}/{self.epochs}" if self.epochs else ""
        self._began = self._first = time.perf_counter()
        self._done: tuple[int, Any] = (0, {})
        self._pending: tuple[int, Any] | None = None
        self._due = -math.inf if self._kind else math.inf  # the first step, which may compile, is timed separately

    def step(self, number: int, logs: Any) -> None:
        """Update the bar after the dispatch of a step.

        Args:
            number: the number of the last batch in the step, counted from 0.
            logs: the logs of the step, whose arrays may not be computed yet.
        """
        if time.perf_counter() >= self._due:
            self._update(number + 1, logs)

    def _update(self, steps: int, logs: Any) -> None:
        """Draw the bar, and set the time of the next update."""
        now = time.perf_counter()
        if self._due == -math.inf:
            self._first = now
            self._due = max(now, self._began + _INTERVAL) if self._kind == 1 and _is_interactive() else math.inf
            if self._due > now:
                return
        if _is_ready(logs):
            self._done, self._pending = (steps, logs), None
        elif self._pending is None:
            self._pending = (steps, logs)
        elif _is_ready(self._pending[1]):
            self._done, self._pending = self._pending, (steps, logs)
        if self._bar is None:
            self._bar = _NotebookBar() if _is_notebook() else _TerminalBar()
        before = time.perf_counter()  # after opening the bar, which loads a library the first time
        self._bar.draw(self._head, *self._state(now), _line(self._done[1]))
        after = time.perf_counter()
        self._due = after + max(_INTERVAL, (after - before) / _DRAWING_SHARE)

    def _state(self, now: float) -> tuple[int, int | None, str]:
        """Return the number of steps done, the number of all steps, and a text of the time per step and time left."""
        done, total = self._done[0], self.steps
        seconds = self._time_per_step(now, done)
        if not done:
            return done, total, ""
        rest = "" if total is None else f", {_clock(seconds * max(total - done, 0))} left"
        return done, total, f"{_duration(seconds)} a step{rest}"

    def _time_per_step(self, now: float, steps: int) -> float:
        """Return the time per step in seconds, without the first step, which may include compilation."""
        return (now - self._first) / (steps - 1) if steps > 1 else (now - self._began) / max(steps, 1)

    def end(self, epoch: int, steps: int, logs: Any) -> None:
        """End the display of a pass over the data with a line.

        Args:
            epoch: the number of the epoch, counted from 0.
            steps: the number of steps in the pass.
            logs: the logs of the pass.
        """
        if self._kind:
            self._print_line(steps, "", logs)

    def _print_line(self, steps: int, note: str, logs: Any) -> None:
        """Replace the bar by a line."""
        now = time.perf_counter()
        total_time, step_time = _duration(now - self._began), _duration(self._time_per_step(now, steps))
        count = f"{steps} steps{note}, {total_time}, {step_time} a step"
        line = ", ".join(filter(None, [f"{self._head}: {count}" if self._head else count, _line(logs)]))
        bar, self._bar, self._due = self._bar, None, math.inf
        if bar is None:
            print(line, flush=True)
        else:
            bar.replace(line)

    def close(self) -> None:
        """Replace the bar of an unfinished pass by a line."""
        if self._bar is not None:
            self._print_line(self._done[0], f" of {self.steps}" if self.steps else "", self._done[1])
        self._due = math.inf


class _TerminalBar:
    """A bar at the bottom of a terminal; printed text appears above it."""

    def __init__(self) -> None:
        from rich import live, progress_bar, table, text

        self._grid, self._bar, self._text = table.Table.grid, progress_bar.ProgressBar, text.Text
        self._live = live.Live(auto_refresh=False, transient=True)
        self._live.start()

    def draw(self, head: str, done: int, total: int | None, speed: str, figures: str) -> None:
        row = self._grid(padding=(0, 1))
        for _ in range(4):
            row.add_column(no_wrap=True)
        row.add_column(overflow="fold")
        bar = self._bar(total=total, completed=done, width=20, pulse=total is None)
        count, text = self._text(_count(done, total)), self._text
        row.add_row(text(head, "bold"), bar, count, text(speed, "cyan"), text(figures))
        self._live.update(row, refresh=True)

    def replace(self, line: str) -> None:
        self._live.stop()
        print(line, flush=True)


class _NotebookBar:
    """A bar in a notebook: an output of the cell that is updated in place."""

    def __init__(self) -> None:
        self._handle: Any = None

    def draw(self, head: str, done: int, total: int | None, speed: str, figures: str) -> None:
        text = "  ".join(filter(None, [head, _count(done, total), speed, figures]))
        value = f" value='{done}' max='{total}'" if total else ""
        page = f"<progress{value}></progress> <span style='font-family: monospace'>{html.escape(text)}</span>"
        self._show({"text/plain": text, "text/html": page})

    def replace(self, line: str) -> None:
        page = f"<span style='font-family: monospace'>{html.escape(line)}</span>"
        self._show({"text/plain": line, "text/html": page})

    def _show(self, formats: dict[str, str]) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(formats, raw=True, display_id=True)
        else:
            self._handle.update(formats, raw=True)


def _is_notebook() -> bool:
    get_ipython: Callable[[], Any] = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    return hasattr(get_ipython(), "kernel")


def _is_interactive() -> bool:
    return _is_notebook() or bool(getattr(sys.stdout, "isatty", bool)())


def _is_ready(logs: Any) -> bool:
    """True if all arrays are computed; an array donated to a later step must be."""
    arrays: list[Any] = [leaf for leaf in jax.tree.leaves(logs) if isinstance(leaf, jax.Array)]
    return all(array.is_deleted() or array.is_ready() for array in arrays)


def _line(logs: Any) -> str:
    """Return the text of the scalars in logs whose arrays are computed."""
    entries = logs.items() if isinstance(logs, dict) else ()
    scalars = {
        name: value for name, value in entries if np.ndim(value) == 0 and not getattr(value, "is_deleted", bool)()
    }
    values = jax.device_get(list(scalars.values()))  # a list: a dict would come back sorted
    return ", ".join(f"{name} {float(value):.4g}" for name, value in zip(scalars, values, strict=True))


def _is_deleted(value: Any) -> bool:
    return isinstance(value, jax.Array) and value.is_deleted()


def _count(done: int, total: int | None) -> str:
    return f"{done}/{'?' if total is None else total}"


def _duration(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{1e6 * seconds:.0f} us"
    if seconds < 1:
        return f"{1e3 * seconds:.{2 if seconds < 1e-2 else 0}f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else _clock(seconds)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
