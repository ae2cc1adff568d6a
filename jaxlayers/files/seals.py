"""A hash of a whole file at its end, by which every changed byte is found.

The seal is a line of fixed length. It covers all bytes before it. Formats that allow bytes after their end (HDF5) get
it appended; a zip archive has it as its comment, so that other programs ignore it.
"""

from __future__ import annotations

import hashlib
import os
from typing import BinaryIO

_PREFIX = b"jaxlayers sha256 "
LENGTH = len(_PREFIX) + 64
PLACEHOLDER = _PREFIX + b"0" * 64
_CHUNK = 1 << 20


def seal(path: str, replace_placeholder: bool = False) -> None:
    """Append the seal to a file.

    Args:
        path: the file.
        replace_placeholder: if True, the file ends with `PLACEHOLDER`, which is overwritten. False by default.
    """
    with open(path, "r+b") as file:
        end = os.path.getsize(path) - (LENGTH if replace_placeholder else 0)
        digest = hash_range(file, end)
        file.seek(end)
        file.write(_PREFIX + digest)


def is_sealed(file: BinaryIO) -> bool:
    """True if a file ends with a seal."""
    size = os.fstat(file.fileno()).st_size
    if size < LENGTH:
        return False
    file.seek(size - LENGTH)
    return file.read(len(_PREFIX)) == _PREFIX


def check(file: BinaryIO, name: str) -> None:
    """Compare a file with its seal.

    Args:
        file: the file, open for reading.
        name: its name, for the error message.

    Raises:
        ValueError: when the file has no seal, or has changed since it was sealed.
    """
    size = os.fstat(file.fileno()).st_size
    if is_sealed(file):
        expected = file.read(64)
        if hash_range(file, size - LENGTH) == expected:
            return
    raise ValueError(
        f"The file {name!r} is damaged, or was changed after it was saved: its content does not have the hash that was "
        "saved with it. Use a copy of the original file."
    )


def hash_range(file: BinaryIO, end: int) -> bytes:
    """Return the hash of the first bytes of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    file.seek(0)
    buffer = memoryview(bytearray(_CHUNK))
    while end > 0:
        count = file.readinto(buffer[: min(end, _CHUNK)])  # type: ignore[attr-defined]
        if not count:
            break
        digest.update(buffer[:count])
        end -= count
    return digest.hexdigest().encode()
