"""A file as the code of HDF5 gets it to read, so that damaged files cannot stop it.

Two faults of libraries make a read of a damaged file go on for ever. h5py repeats a read behind the end of a file that
returns nothing; so zeros are read there, as by the drivers of HDF5 itself. And HDF5 runs in a circle through a global
heap, the place of texts of any length, that has an object of no size; so heaps are checked when they are read.

A heap begins with the letters `GCOL`, a version, and its size in bytes. Each object in it has a header of 16 bytes: its
number (2 bytes; 0 for the free space), a count (2), nothing (4), and its size (8), which for the free space includes
the header. Objects begin at multiples of 8 bytes.
"""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator
from typing import Any

import h5py

from jaxlayers.files.archive import Window
from jaxlayers.saving._hdf5_headers import text_size

_SIGNATURE = b"GCOL"
_HEADER = struct.Struct("<4sB3xQ")  # of a heap: signature, version, size
_OBJECT = struct.Struct("<HHLQ")  # of an object: number, count, nothing, size
_MAX_HEAP = 64 << 20  # bytes; a heap grows with its largest text, such as the config of a model
_SIZES = (8, 8)  # bytes of an address and of a size in the files that HDF5 writes, unless told otherwise


class GuardedFile(io.RawIOBase):
    """A file that HDF5 reads.

    Args:
        window: the file.
    """

    def __init__(self, window: Window):
        self._window = window
        self._checks_heaps = False
        self.seek, self.tell = window.seek, window.tell  # type: ignore[method-assign]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    @contextlib.contextmanager
    def checking_heaps(self) -> Iterator[None]:
        """Check the heaps that are read within a `with` block, in which no array may be read.

        A heap that is not whole is read as zeros, for which HDF5 has an error.
        """
        former, self._checks_heaps = self._checks_heaps, True
        try:
            yield
        finally:
            self._checks_heaps = former

    def check_texts(self, item: Any, name: str, limit: int) -> None:
        """Check the size of the texts in an attribute of an object, before it is read.

        Raises:
            OSError: if they have more than `limit` bytes.
        """
        if item.attrs.get_id(name).get_type().get_class() in (h5py.h5t.STRING, h5py.h5t.VLEN):
            base = item.file.id.get_create_plist().get_userblock()

            def read(start: int, size: int) -> bytes:
                return self._bytes_at(base + start, size)

            if text_size(read, h5py.h5o.get_info(item.id).addr, name) > limit:
                raise OSError(f"the texts in its attribute {name!r} have more than {limit} bytes")

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        start = self._window.tell()
        count = self._window.readinto(view)
        if self._checks_heaps and not self._are_heaps_whole(start, start + count):
            view[:] = bytes(len(view))
        if count == 0:
            view[:] = bytes(count := len(view))
            self._window.seek(start + count)
        return count

    def _are_heaps_whole(self, start: int, stop: int) -> bool:
        """Check the heaps whose first letters are in a part of the file, some of them at least."""
        first = max(0, start - len(_SIGNATURE) + 1)
        text = self._bytes_at(first, stop + len(_SIGNATURE) - 1 - first)
        place = -1
        while (place := text.find(_SIGNATURE, place + 1)) >= 0:
            if not self._is_heap_whole(first + place):
                return False
        return True

    def _is_heap_whole(self, start: int) -> bool:
        header = self._bytes_at(start, _HEADER.size)
        size = _HEADER.unpack(header)[2] if len(header) == _HEADER.size else 0
        if not _HEADER.size <= size <= _MAX_HEAP:
            return False
        heap = self._bytes_at(start, size)
        place = _HEADER.size
        while place + _OBJECT.size <= len(heap):
            number, _, _, length = _OBJECT.unpack_from(heap, place)
            place += length if number == 0 else _OBJECT.size + -(-length // 8) * 8
            if length > size or place > size or (number == 0 and length < _OBJECT.size):
                return False
        return len(heap) == size

    def _bytes_at(self, start: int, size: int) -> bytes:
        position = self._window.tell()
        self._window.seek(start)
        text = self._window.read(size)
        self._window.seek(position)
        return text


def open_file(file: GuardedFile) -> h5py.File:
    """Open an HDF5 file, which may be damaged.

    Raises:
        Exception: one of several classes, when it is no HDF5 file.
    """
    opened = h5py.File(file, "r")
    if opened.id.get_create_plist().get_sizes() != _SIZES:
        opened.close()
        raise OSError("its addresses and sizes do not have 8 bytes")
    return opened
