"""Files that are compared with their seals while they are read, so that no byte is read twice.

Large reads are summed up as they arrive, each by the thread that reads it, while the bytes are in the core's cache.
`Verified.check` sums up the rest of the file. It is called before the first array that was read is used.

This is for formats whose structure is safe to parse before the file has been compared with its seal. HDF5 is none: its
library can crash on damaged files.
"""

from __future__ import annotations

import itertools
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from jaxlayers.files import seals
from jaxlayers.files.sums import PART

_LARGE = 4 * PART  # bytes of reads that are summed up at once
_GROUP = 16 * PART  # bytes that one thread reads at a time


class Verified:
    """An open file with a seal, or without one; a context manager.

    If an exception leaves the `with` block before the file has been checked, then it is checked now: in a damaged file
    the damage is the cause, and the error says so.

    Args:
        file: the file, open for reading, unbuffered.
        name: its name, for the error message.
        end: the number of bytes that the seal covers.
        expected: the hash in the seal; None for a file without a seal, in which nothing is summed up.
        beginning: bytes that take the place of the first ones of the file when it is hashed. None by default.
    """

    def __init__(self, file: BinaryIO, name: str, end: int, expected: bytes | None, beginning: bytes = b""):
        self._file, self._name, self._end, self._expected, self._beginning = file, name, end, expected, beginning
        self._crcs: dict[int, int] = {}  # of the parts that were read as a whole
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Verified:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        try:
            if kind is not None and issubclass(kind, Exception):
                self.check()
        finally:
            self._stop()

    def _stop(self) -> None:
        self._expected = None
        self._crcs.clear()
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def read_into(self, view: memoryview, start: int) -> int:
        """Read bytes from a position; return their number."""
        if self._expected is None or len(view) < _LARGE:
            return os.preadv(self._file.fileno(), [view], start)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(os.cpu_count() or 1)
        stop = start + len(view)
        bounds = [start, *range((start // _GROUP + 1) * _GROUP, stop, _GROUP), stop]
        ranges = itertools.pairwise(bounds)
        for _ in self._pool.map(lambda range_: self._read_range(view, start, *range_), ranges):
            pass
        return len(view)

    def _read_range(self, view: memoryview, offset: int, start: int, stop: int) -> None:
        """Read the bytes of the file from `start` to `stop` into a view of those from `offset` on."""
        while start < stop:
            part = start // PART
            piece_stop = min((part + 1) * PART, stop)
            piece = view[start - offset : piece_stop - offset]
            done = 0
            while done < len(piece):
                count = os.preadv(self._file.fileno(), [piece[done:]], start + done)
                if not count:
                    raise OSError("The file has become shorter while it was read.")
                done += count
            if len(piece) == PART and len(self._beginning) <= start and piece_stop <= self._end:
                self._crcs[part] = zlib.crc32(piece)
            start = piece_stop

    def check(self) -> None:
        """Sum up what has not been read, and compare the file with its seal; only the first call does something.

        Raises:
            ValueError: when the file has changed since it was sealed.
        """
        expected, self._expected = self._expected, None
        if expected is not None and seals.hash_range(self._file, self._end, self._beginning, self._crcs) != expected:
            seals.raise_damaged(self._name)
        self._stop()
