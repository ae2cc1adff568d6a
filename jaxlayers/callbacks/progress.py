"""What `fit`, `evaluate` and `predict` show while they run, and what they leave.

A pass over the data leaves one line. While it runs, and takes longer than a moment, a bar stands in its place: drawn by
rich in a terminal, by the browser in a notebook, and not at all when the output is a file.

Steps are handed to the device faster than it computes them, so the bar shows the newest step whose figures are there;
it never waits for one. A step costs a look at the clock, and drawing takes at most a hundredth of the time.
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

_EVERY = 0.25  # seconds between two looks, at least
_SHARE = 0.01  # of the time may go into drawing


class Progress:
    """A bar and a line (`verbose=1`), a line for each pass (`verbose=2`), or nothing (`verbose=0`).

    Args:
        verbose: 0, 1, 2, or `"auto"` for 1.
        epochs: how many there are; 0 for a pass that is no epoch.
        steps: how many there are in a pass, when that is known.
    """

    def __init__(self, verbose: Any, epochs: int, steps: int | None):
        self._kind = 1 if verbose == "auto" else int(verbose)
        self.epochs, self.steps = epochs, steps
        self._bar: Any = None
        self._head = ""
        self._due = math.inf

    def start(self, epoch: int, steps: int | None = None) -> None:
        """A pass over the data begins.

        Args:
            epoch: its number, counted from 0.
            steps: how many there are, when that was learned.
        """
        self.steps = self.steps if steps is None else steps
        self._head = f"Epoch {epoch + 1}/{self.epochs}" if self.epochs else ""
        self._began = self._first = time.perf_counter()
        self._done: tuple[int, Any] = (0, {})
        self._waiting: tuple[int, Any] | None = None
        self._due = -math.inf if self._kind else math.inf  # the first step, which compiles, is timed apart

    def step(self, number: int, logs: Any) -> None:
        """A step was handed to the device.

        Args:
            number: of the last batch in it, counted from 0.
            logs: its figures, as they come from the step; or anything computed with it.
        """
        if time.perf_counter() >= self._due:
            self._look(number + 1, logs)

    def _look(self, steps: int, logs: Any) -> None:
        now = time.perf_counter()
        if self._due == -math.inf:
            self._first = now
            self._due = max(now, self._began + _EVERY) if self._kind == 1 and _is_interactive() else math.inf
            if self._due > now:
                return
        if _is_ready(logs):
            self._done, self._waiting = (steps, logs), None
        elif self._waiting is None:
            self._waiting = (steps, logs)
        elif _is_ready(self._waiting[1]):
            self._done, self._waiting = self._waiting, (steps, logs)
        if self._bar is None:
            self._bar = _open_bar()
        before = time.perf_counter()  # opening the first bar loads a library, once
        self._bar.draw(self._head, *self._fraction(now), _line(self._done[1]))
        after = time.perf_counter()
        self._due = after + max(_EVERY, (after - before) / _SHARE)

    def _fraction(self, now: float) -> tuple[int, int | None, str]:
        """Steps done, all steps, and how long one and the rest take."""
        done, total = self._done[0], self.steps
        each = self._each(now, done)
        if not done:
            return done, total, ""
        rest = "" if total is None else f", {_clock(each * max(total - done, 0))} left"
        return done, total, f"{_duration(each)} a step{rest}"

    def _each(self, now: float, steps: int) -> float:
        """The time of a step; the first is left out, which may have been compiled."""
        return (now - self._first) / (steps - 1) if steps > 1 else (now - self._began) / max(steps, 1)

    def end(self, epoch: int, steps: int, logs: Any) -> None:
        """A pass over the data has ended.

        Args:
            epoch: its number, counted from 0.
            steps: how many there were.
            logs: its figures.
        """
        if self._kind:
            self._leave(steps, "", logs)

    def _leave(self, steps: int, note: str, logs: Any) -> None:
        """Put a line in the place of the bar."""
        now = time.perf_counter()
        count = f"{steps} steps{note}, {_duration(now - self._began)}, {_duration(self._each(now, steps))} a step"
        line = ", ".join(filter(None, [f"{self._head}: {count}" if self._head else count, _line(logs)]))
        bar, self._bar, self._due = self._bar, None, math.inf
        if bar is None:
            print(line, flush=True)
        else:
            bar.replace(line)

    def close(self) -> None:
        """Leave the screen as it should be when a pass did not come to its end."""
        if self._bar is not None:
            self._leave(self._done[0], f" of {self.steps}" if self.steps else "", self._done[1])
        self._due = math.inf


class _TerminalBar:
    """A line at the bottom of a terminal that what is printed moves up."""

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
    """A cell's output that is written anew."""

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


def _open_bar() -> _TerminalBar | _NotebookBar:
    return _NotebookBar() if _is_notebook() else _TerminalBar()


def _is_notebook() -> bool:
    get_ipython: Callable[[], Any] = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    return hasattr(get_ipython(), "kernel")


def _is_interactive() -> bool:
    return _is_notebook() or bool(getattr(sys.stdout, "isatty", bool)())


def _is_ready(logs: Any) -> bool:
    """Whether all arrays are computed; one that was given away to a later step must be."""
    arrays: list[Any] = [leaf for leaf in jax.tree.leaves(logs) if isinstance(leaf, jax.Array)]
    return all(array.is_deleted() or array.is_ready() for array in arrays)


def _line(logs: Any) -> str:
    """The single numbers among figures that are ready."""
    shown = logs.items() if isinstance(logs, dict) else ()
    here = {name: value for name, value in shown if np.ndim(value) == 0 and not _is_deleted(value)}
    values = jax.device_get(list(here.values()))  # of a dict, the order would be lost
    return ", ".join(f"{name} {float(value):.4g}" for name, value in zip(here, values, strict=True))


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
