"""The sums of a file that is being written, computed in other threads meanwhile: its hash, and the CRC-32 of a range.

A file is hashed in parts. A part is hashed as soon as the file has grown past it, and again if it is changed later.
"""

from __future__ import annotations

import functools
import hashlib
import os
import zlib
from concurrent.futures import Future, ThreadPoolExecutor

PART = 8 << 20  # bytes
_CHUNK = 1 << 20
_POLYNOMIAL = 0xEDB88320  # of CRC-32, with the bits in reverse


class Sums:
    """The sums of a file; a context manager.

    Args:
        descriptor: the descriptor of the open file.
        summed_from: the beginning of the range that `crc` sums up; None, the default, if `crc` is not called.
    """

    def __init__(self, descriptor: int, summed_from: int | None = None):
        self._descriptor, self.summed_from = descriptor, summed_from
        self._parts: dict[int, Future[tuple[bytes, int]]] = {}
        self._size = 0
        self._pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))

    def __enter__(self) -> Sums:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def written(self, start: int, stop: int) -> None:
        """Take note that bytes have been written."""
        for part in range(start // PART, -(-stop // PART)):
            self._parts.pop(part, None)
        if stop > self._size:
            for part in range(self._size // PART, stop // PART):
                self._submit(part, (part + 1) * PART)
            self._size = stop

    def _submit(self, part: int, stop: int) -> None:
        self._parts[part] = self._pool.submit(_sum_part, self._descriptor, part * PART, stop, self.summed_from)

    def _all(self, stop: int) -> list[tuple[bytes, int]]:
        for part in range(-(-stop // PART)):
            if part not in self._parts or (part + 1) * PART > stop:
                self._submit(part, min((part + 1) * PART, stop))
        return [self._parts[part].result() for part in range(-(-stop // PART))]

    def hash(self, stop: int) -> bytes:
        """Return the hash of the first bytes of the file, in hexadecimal digits: that of the hashes of its parts."""
        return hashlib.sha256(b"".join(digest for digest, _ in self._all(stop))).hexdigest().encode()

    def crc(self, stop: int) -> int:
        """Return the CRC-32 of the bytes from `summed_from` on."""
        if self.summed_from is None:
            raise ValueError("These sums have no CRC-32: pass summed_from.")
        total = 0
        for part, (_, crc) in enumerate(self._all(stop)):
            length = min((part + 1) * PART, stop) - max(part * PART, self.summed_from)
            total = _multiply(_power_of_x(8 * length), total) ^ crc if length > 0 else total
        return total


def _sum_part(descriptor: int, start: int, stop: int, summed_from: int | None) -> tuple[bytes, int]:
    """Return the hash of a part of a file, and the CRC-32 of its bytes from `summed_from` on."""
    digest, crc = hashlib.sha256(), 0
    buffer = memoryview(bytearray(min(_CHUNK, stop - start)))
    while start < stop:
        count = os.preadv(descriptor, [buffer[: stop - start]], start)
        if not count:
            raise OSError("The file has become shorter while it was written.")
        digest.update(buffer[:count])
        if summed_from is not None:
            crc = zlib.crc32(buffer[max(0, summed_from - start) : count], crc)
        start += count
    return digest.digest(), crc


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
