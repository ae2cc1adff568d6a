"""Donation: compiled steps reuse the arrays of the variables that they overwrite.

A run of a compiled step borrows the arrays of its variables: a `Loan` says which ones it reads and which it overwrites.
The array of an overwritten variable is donated to XLA, which deletes it, so two rules protect everybody else:

- An array that somebody else may hold is copied first. A variable is *exclusive* while nobody but the variable holds
  its array: after a compiled step has stored it, and until it is read for the first time.
- While a loan is out, reads of the variables that it overwrites wait for its end, and so do runs of other compiled
  functions that use them. Steps that share no overwritten variable run at the same time.

If a step fails while it runs, the donated arrays are lost. `mark_lost` then puts a `Lost` in the place of each.
"""

from __future__ import annotations

import math
import operator
import threading
import time
import weakref
from collections.abc import Iterable
from typing import Any, Protocol

import jax

from jaxlayers.common import placement
from jaxlayers.common.stack import is_in_callback


class Step(Protocol):
    """A compiled step, as loans see it."""

    name: str
    written: list[Any]
    read: list[Any]
    written_ids: frozenset[int]
    read_ids: frozenset[int]


class Lost:
    """A placeholder in a variable for an array that was donated to a step that failed."""

    __slots__ = ("step",)

    def __init__(self, step: str):
        self.step = step

    def message(self, path: str) -> str:
        """Return the text of the error for the variable at a path: the cause, and how to recover."""
        return (
            f"{path!r} was lost: the compiled step {self.step!r} failed while it was running, after its inputs had "
            "been donated. Assign its value again (load a checkpoint, or set params, state or weights you kept), or "
            "compile with jl.jit(donate=False), which never loses anything but needs memory for both copies."
        )


class Loan:
    """The arrays that one run of a step uses, for as long as it runs."""

    __slots__ = ("step", "thread")

    def __init__(self, step: Step):
        self.step = step
        self.thread = _get_thread()

    def begin(self) -> None:
        """Wait for the end of every run that conflicts with this one, then register it as running."""
        while True:
            with _entering:
                blocking = next(filter(self._conflicts_with, list(loans)), None) if loans else None
                if blocking is None:
                    loans.add(self)
                    return
            blocking.wait(next(variable.path for variable in (*blocking.step.written, *self.step.written)))

    def announce_end(self) -> None:
        """Wake the threads that wait for the run, once it is no longer among `loans`."""
        if _waiting:
            with _changed:
                _changed.notify_all()

    def _conflicts_with(self, other: Loan) -> bool:
        """True if two runs cannot overlap: one overwrites an array that the other uses."""
        a, b = self.step, other.step
        return not (
            a.written_ids.isdisjoint(b.written_ids)
            and a.written_ids.isdisjoint(b.read_ids)
            and a.read_ids.isdisjoint(b.written_ids)
        )

    def wait(self, path: str) -> None:
        """Wait until the run has ended.

        Args:
            path: the path of a variable that the run overwrites, for the error message.

        Raises:
            RuntimeError: when this thread is a callback of the run, which cannot end before the callback does.
        """
        global _waiting
        end = time.monotonic() + _CALLBACK_PATIENCE if is_in_callback() else math.inf
        with _changed:
            _waiting += 1
            try:
                while self in loans:
                    if self.thread == threading.get_ident() or time.monotonic() > end:
                        raise RuntimeError(
                            f"{path!r} is being written by a compiled step that is still running, perhaps the step "
                            "that runs this callback. Pass its value to the callback as an argument."
                        )
                    _changed.wait(0.05)  # with a timeout: an interrupt may have kept `announce_end` from running
            finally:
                _waiting -= 1


_get_thread = threading.get_ident
loans: set[Loan] = set()
_entering = threading.Lock()  # held while a loan is entered
_changed = threading.Condition()  # notified when a loan has ended
_waiting = 0  # the number of threads in `Loan.wait`
_CALLBACK_PATIENCE = 10.0  # seconds


def is_running(step: Step) -> bool:
    """True if this thread is inside a run of a step."""
    thread = threading.get_ident()
    return any(loan.step is step and loan.thread == thread for loan in list(loans))


def wait_for(variable: Any) -> None:
    """Wait until no run overwrites a variable."""
    if loans:
        for loan in list(loans):
            if id(variable) in loan.step.written_ids:
                loan.wait(variable.path)


def is_lent(variable: Any) -> bool:
    """True if a run in progress overwrites a variable."""
    return bool(loans) and any(id(variable) in loan.step.written_ids for loan in list(loans))


def arrays_of(variables: list[Any]) -> list[Any]:
    """Return the arrays of variables for a run that has borrowed them; arrays that do not exist yet are made now."""
    arrays = list(map(_array_of, variables))
    if not _NO_ARRAY.isdisjoint(map(type, arrays)):
        return [variable.lent() for variable in variables]
    return arrays


_array_of, _is_exclusive = operator.attrgetter("_value"), operator.attrgetter("_exclusive")
_NO_ARRAY = frozenset([type(None), Lost])  # the types of `Variable._value` when there is no array


def donatable(variables: list[Any]) -> list[Any]:
    """Return `arrays_of(variables)`, with a copy in the place of each array that is not exclusive to its variable."""
    if all(map(_is_exclusive, variables)):
        return list(map(_array_of, variables))  # a run has stored each of them
    arrays = list(arrays_of(variables))
    shared = [i for i, variable in enumerate(variables) if not variable._exclusive]
    copies = placement.copy([arrays[i] for i in shared])
    for i, copy in zip(shared, copies, strict=True):
        arrays[i] = copy
    return arrays


steps: weakref.WeakSet[Any] = weakref.WeakSet()  # of all compiled functions, to find the one that lost an array


def mark_lost(variables: Iterable[Any], step: str | None = None) -> None:
    """After a failure on the device, put a `Lost` in the place of every array that was lost in it.

    Args:
        variables: the variables to examine.
        step: the name of the step that failed; None if it has to be found among all compiled functions.
    """
    for variable in variables:
        array = variable._value
        if isinstance(array, jax.Array):
            try:
                array.block_until_ready()
            except (RuntimeError, ValueError):  # the array was deleted, or its computation failed
                writers = [each.name for each in steps if any(written is variable for written in each.written)]
                variable._value = Lost(step or (writers[0] if writers else "a compiled step"))
                variable._exclusive = False
