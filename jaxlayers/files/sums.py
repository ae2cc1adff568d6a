"""The check sums of a file that is being written: the CRC-32 of each part of 256 KiB, and that of a range.

A part that is written as a whole is summed up in memory, in another thread, while it goes to the disk. The others are
read once more at the end.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

PART = 1 << 18  # bytes
_SHORT = PART  # bytes; less holds no whole part
_POLYNOMIAL = 0xEDB88320  # of CRC-32, with the bits in reverse


class Sums:
    """The check sums of a file; a context manager.

    Args:
        descriptor: the descriptor of the open file.
        summed_from: the beginning of the range that `crc` sums up; None, the default, if `crc` is not called.
    """

    def __init__(self, descriptor: int, summed_from: int | None = None):
        self._descriptor, self.summed_from = descriptor, summed_from
        self._crcs: dict[int, int] = {}  # of parts that were written or read as a whole
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Sums:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown()

    @contextlib.contextmanager
    def writing(self, start: int, data: memoryview) -> Iterator[None]:
        """A `with` block in which bytes are written to a position of the file; they are summed up meanwhile."""
        if len(data) < _SHORT:
            self._note(start, data)
            yield
            return
        summing = self._pool.submit(self._note, start, data)
        try:
            yield
        finally:
            summing.result()

    def _note(self, start: int, data: memoryview) -> None:
        for part in range(start // PART, -(-(start + len(data)) // PART)):
            piece = data[max(0, part * PART - start) : (part + 1) * PART - start]
            if len(piece) == PART:
                self._crcs[part] = zlib.crc32(piece)
            else:
                self._crcs.pop(part, None)

    def _crc_of(self, part: int, stop: int) -> int:
        start, end = part * PART, (part + 1) * PART
        if end > stop:
            return crc_of_range(self._descriptor, start, stop)
        if part not in self._crcs:
            self._crcs[part] = crc_of_range(self._descriptor, start, end)
        return self._crcs[part]

    def hash(self, stop: int) -> bytes:
        """Return the hash of the first bytes of the file; see `hash_of_parts`."""
        return hash_of_parts(self._crc_of(part, stop) for part in range(-(-stop // PART)))

    def crc(self, stop: int) -> int:
        """Return the CRC-32 of the bytes from `summed_from` on."""
        if self.summed_from is None:
            raise ValueError("These sums have no CRC-32: pass summed_from.")
        total, start = 0, self.summed_from
        while start < stop:
            end = min((start // PART + 1) * PART, stop)
            crc = crc_of_range(self._descriptor, start, end) if start % PART else self._crc_of(start // PART, stop)
            total = _multiply(_power_of_x(8 * (end - start)), total) ^ crc
            start = end
        return total


def hash_of_parts(crcs: Iterable[int]) -> bytes:
    """Return the hash of a file, in hexadecimal digits: the SHA-256 of the CRC-32 of each of its parts."""
    return hashlib.sha256(b"".join(crc.to_bytes(4, "little") for crc in crcs)).hexdigest().encode()


def crc_of_range(descriptor: int, start: int, stop: int, crc: int = 0) -> int:
    """Return the CRC-32 of the bytes of a file from `start` to `stop`; it goes on from that of bytes before."""
    buffer = memoryview(bytearray(min(PART, max(0, stop - start))))
    while start < stop:
        count = os.preadv(descriptor, [buffer[: stop - start]], start)
        if not count:
            raise OSError("The file has become shorter while it was read.")
        crc = zlib.crc32(buffer[:count], crc)
        start += count
    return crc


def _multiply(one: int, other: int) -> int:
    """Return the product of two polynomials over two elements, modulo that of CRC-32."""
    product = 0
    for bit in range(31, -1, -1):
        if one >> bit & 1:
            product ^= other
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return product


@functools.lru_cache
def _power_of_x(exponent: int) -> int:
    """Return a power of the polynomial `x`."""
    if exponent < 2:
        return 1 << 31 - exponent
    half = _power_of_x(exponent // 2)
    square = _multiply(half, half)
    return _multiply(square, 1 << 30) if exponent % 2 else square
