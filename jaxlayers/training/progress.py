"""What `fit` and `evaluate` show while they run."""

from __future__ import annotations

import sys
import time
from typing import Any

import jax


class Progress:
    """A bar (`verbose=1`), a line for each epoch (`verbose=2`), or nothing (`verbose=0`).

    The bar looks at figures that are ready, a few times a second, and never waits for the device.
    """

    def __init__(self, verbose: Any, epochs: int, steps: int | None):
        if verbose == "auto":
            verbose = 1
        self._kind = int(verbose)
        if self._kind == 1 and not _is_interactive():
            self._kind = 2
        self._epochs, self._steps = epochs, steps
        self._bar: Any = None

    def start(self, epoch: int) -> None:
        """A pass over the data begins."""
        self._began = self._shown = time.perf_counter()
        if self._kind == 1:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn(f"Epoch {epoch + 1}/{self._epochs}" if self._epochs else "{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(elapsed_when_finished=True),
                TextColumn("{task.fields[figures]}"),
                auto_refresh=False,
            )
            self._task = self._bar.add_task("", total=self._steps, figures="")
            self._bar.start()

    def step(self, number: int, logs: dict[str, Any]) -> None:
        """A step was handed to the device."""
        if self._bar is None:
            return
        now = time.perf_counter()
        if now - self._shown < 0.2:
            return
        self._shown = now
        figures = {}
        if all(getattr(value, "is_ready", lambda: True)() for value in logs.values()):
            figures["figures"] = _line(jax.device_get(logs))
        self._bar.update(self._task, completed=number + 1, **figures)
        self._bar.refresh()

    def end(self, epoch: int, steps: int, logs: dict[str, float]) -> None:
        """A pass over the data has ended."""
        took = time.perf_counter() - self._began
        if self._bar is not None:
            self._bar.update(self._task, completed=steps, total=steps, figures=_line(logs))
            self.close()
        elif self._kind == 2:
            head = f"Epoch {epoch + 1}/{self._epochs}: " if self._epochs else ""
            print(
                f"{head}{steps} steps, {took:.1f} s, {1e3 * took / max(steps, 1):.2f} ms a step, {_line(logs)}",
                flush=True,
            )

    def close(self) -> None:
        """Leave the terminal as it should be, also after an error."""
        if self._bar is not None:
            self._bar.refresh()
            self._bar.stop()
            self._bar = None


def _line(logs: dict[str, Any]) -> str:
    return ", ".join(f"{name} {float(value):.4g}" for name, value in logs.items() if jax.numpy.ndim(value) == 0)


def _is_interactive() -> bool:
    return sys.stdout.isatty() or "ipykernel" in sys.modules
