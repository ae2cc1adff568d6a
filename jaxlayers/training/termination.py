"""SIGTERM while `fit` runs: note it, so that training can be saved and ended after the current step.

In several processes, the signal handler is that of JAX, which tells the other processes of a SIGTERM. They agree on the
step after which all of them end.
"""

from __future__ import annotations

import signal
import threading
from typing import Any, Self

from jax.experimental import multihost_utils

from jaxlayers.common import placement

EXIT_CODE = 128 + signal.SIGTERM  # 143, as shells report a process that SIGTERM has ended
_steps = 0  # the steps of this process after which the processes could have ended together


class Termination:
    """A context in which the first SIGTERM is noted, and a second one ends the process at once.

    The handler that was there before is restored at the end. Only the main thread can have handlers; in other threads,
    SIGTERM does what it did before.

    Args:
        is_enabled: if False, nothing is done.

    Attributes:
        is_requested: True after a SIGTERM; in several processes after the step that `agree` has found.
        is_shared: True if several processes train together, and end together.
    """

    def __init__(self, is_enabled: bool):
        self.is_requested = False
        self.is_shared = placement.spans_processes()
        if self.is_shared:
            try:
                self.agree()
            except RuntimeError:  # the service of JAX that tells the others is switched off
                self.is_shared = False
        self._is_enabled = is_enabled and not self.is_shared
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

    def agree(self) -> None:
        """Find out if all processes end after this step. Each process calls this after the same steps."""
        global _steps
        if self.is_shared and not self.is_requested:
            _steps += 1
            self.is_requested = multihost_utils.reached_preemption_sync_point(_steps)

    def _note(self, number: int, frame: Any) -> None:
        self.is_requested = True
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # from now on the system itself ends the process
