"""The position within a data set that is made from others: where the next pass continues after an interruption."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any


class Positioned:
    """The part of a derived data set that counts passes and batches.

    The position is the state of the sources at the start of the pass, and the number of batches since. After
    `set_state`, the next pass makes the batches before the position again and leaves them out.

    Args:
        source: the data set that the batches are made from.
        others: further data sets that they are made from.
    """

    def __init__(self, source: Any, others: Sequence[Any] = ()):
        self._source, self._others = source, tuple(others)
        self._number = 0  # the number of the next pass
        self._left_out = 0  # the batches that the next pass leaves out
        self._position: dict[str, Any] | None = None  # in the pass started last; None if it has ended

    def __iter__(self) -> Iterator[Any]:
        number, left_out = self._number, self._left_out
        position = self._position = self.next_pass_state()
        self._number, self._left_out = number + 1, 0

        def run() -> Iterator[Any]:  # a generator, which can be closed before its end
            batches = self._changed(self._source, number)
            for batch in itertools.islice(batches, left_out, None):
                position["batch"] += 1
                yield batch
            if self._position is position:
                self._position = None

        return run()

    def _changed(self, source: Iterable[Any], number: int) -> Iterator[Any]:
        """Return the batches of a pass.

        Args:
            source: the data set, which may be iterated several times.
            number: the number of the pass.
        """
        raise NotImplementedError(f"{type(self).__name__} has no _changed().")

    def get_state(self) -> dict[str, Any]:
        """Return the position in the pass started last; if it has ended, that of the next one."""
        return self.next_pass_state() if self._position is None else dict(self._position)

    def next_pass_state(self) -> dict[str, Any]:
        """Return the state from which the next `iter()` starts."""
        state = {"batch": self._left_out, "number": self._number, "source": self._source.next_pass_state()}
        return state | ({"others": [other.next_pass_state() for other in self._others]} if self._others else {})

    def set_state(self, state: Any) -> None:
        """Set the position: the next `iter()` continues where the data set of `state` was.

        Args:
            state: what `get_state` of a data set made in the same way has returned.
        """
        self._source.set_state(state["source"])
        for other, its_state in zip(self._others, state.get("others", ()), strict=True):
            other.set_state(its_state)
        self._number, self._left_out, self._position = int(state["number"]), int(state["batch"]), None
