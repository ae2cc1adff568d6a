"""SIGTERM while `fit` runs: note it, so that training can be saved and ended after the current step."""

from __future__ import annotations

import signal
import threading
from typing import Any, Self

EXIT_CODE = 128 + signal.SIGTERM  # 143, as shells report a process that SIGTERM has ended


class Termination:
    """A context in which the first SIGTERM is noted, and a second one ends the process at once.

    The handler that was there before is restored at the end. Only the main thread can have handlers; in other threads,
    SIGTERM does what it did before.

    Args:
        is_enabled: if False, nothing is done.

    Attributes:
        is_requested: True after a SIGTERM.
    """

    def __init__(self, is_enabled: bool):
        self.is_requested = False
        self._is_enabled = is_enabled
        self._previous: Any = None

    def __enter__(self) -> Self:
        is_main = threading.current_thread() is threading.main_thread()
        # A handler that was not set from Python is None here, and could not be restored.
        if self._is_enabled and is_main and signal.getsignal(signal.SIGTERM) is not None:
            self._previous = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)
            self._previous = None

    def _note(self, number: int, frame: Any) -> None:
        self.is_requested = True
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # from now on the system itself ends the process
