"""The content of a file of weights that is open for reading."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeAlias

Layout: TypeAlias = tuple[tuple[int, ...], int]  # the shape of an array, and the bytes of one element

READ_AHEAD_FROM = 1 << 20  # bytes; smaller arrays are read when they are asked for


class Content(dict[str, Any]):
    """The variables of each object by its path. Before an array is used, the file must be checked.

    Args:
        stored: the variables of each object by path.
        check: a function that compares the file with its seal, and raises a ValueError if it is damaged; None, the
            default, for a file that has been checked.
    """

    def __init__(self, stored: Mapping[str, Any], check: Callable[[], None] | None = None):
        super().__init__(stored)
        self._check = check

    def check(self) -> None:
        """Check the file, if it has not been checked."""
        if self._check is not None:
            self._check()

    def read_and_check(self, paths: Iterable[str], layouts: Collection[Layout]) -> None:
        """Read the large arrays of some objects, and check the file, which needs not be read once more for that.

        Args:
            paths: the paths of the objects. Paths that the file lacks are ignored.
            layouts: those of the variables of the model. No other array is read ahead, so that the memory is bounded.
        """
        if self._check is not None:
            for path in paths:
                if path in self:
                    self[path].read_ahead(layouts)
            self._check()
