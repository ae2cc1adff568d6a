"""The failure of one process while several train together.

An error that all processes raise, such as that of a model that does not fit the data, leaves them in step: the caller
may handle it. An error of one process alone, such as that of a full disk, leaves the others waiting for its part of
their next step. If the caller handled it, they would wait for ever, or their step would be combined with an unrelated
one of this process. So a process that has failed waits in the background until the others have failed as well. If they
do not, it ends; JAX notices that, and ends the others.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator

import jax

_MARK = "_jaxlayers_noted"  # an attribute of errors that were noted
_count = 0  # the errors noted so far: as many in all processes, as long as they are in step
_watching: threading.Thread | None = None
_timeout = 100  # seconds
_STATUSES = ("UNKNOWN: ", "INTERNAL: ", "UNAVAILABLE: ", "ABORTED: ")  # of XLA, in errors while a call is dispatched
LATE = 10  # seconds by which JAX may notice later than the timeout says that a process has died


def set_timeout(seconds: int) -> None:
    """Set the time in which the other processes must fail as well."""
    global _timeout
    _timeout = seconds


@contextlib.contextmanager
def noting(is_enabled: bool) -> Iterator[None]:
    """Note the error that ends a `with` block, if `is_enabled` is True."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if is_enabled:
            note(error)
        raise


def note(error: BaseException) -> None:
    """Note an error that ends what all processes do together; this process ends if the others have no such error."""
    global _count, _watching
    if hasattr(error, _MARK):  # it passes through several loops, one inside of the other
        return
    wait_until_known()
    setattr(error, _MARK, True)
    _count += 1
    text = "".join(traceback.format_exception(error))
    seconds = _timeout + LATE if is_of_devices(error) else _timeout
    _watching = threading.Thread(target=_watch, args=(_count, seconds, text), name="jaxlayers_failure", daemon=True)
    _watching.start()


def wait_until_known() -> None:
    """Wait until it is known if the other processes have failed as this one has; end this process if they have not."""
    global _watching
    if _watching is not None:
        _watching.join()
        _watching = None


def is_of_devices(error: BaseException) -> bool:
    """Return True if an error says that a computation of several processes has failed: one of them may have died."""
    if isinstance(error, jax.errors.JaxRuntimeError):
        return "RESOURCE_EXHAUSTED" not in str(error)
    return isinstance(error, ValueError) and str(error).startswith(_STATUSES)


def _watch(number: int, seconds: int, text: str) -> None:
    """Meet the other processes, which come here if they have failed too; end this process if they do not come."""
    from orbax.checkpoint import multihost  # JAX has no public function for this, and Orbax takes its time to import

    try:
        multihost.get_barrier_sync_fn()(key=f"jaxlayers_failure_{number}", timeout_ms=1000 * seconds)
    except Exception as error:
        if "DEADLINE_EXCEEDED" not in str(error):  # another process has died: JAX ends this one, and says which has
            time.sleep(LATE)
        print(
            f"{text}Process {jax.process_index()} has failed, and other processes have not within {seconds} seconds: "
            f"it ends now, and so will the others. ({str(error)[:200]})",
            file=sys.stderr,
        )
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)
