"""A hash of a whole file at its end, by which every changed byte is found.

It protects from damage, not from somebody who changes a file on purpose and seals it again. It is made from check sums,
since these cost less than writing and reading do.

The seal is a line of fixed length. It covers all bytes before it. Formats that allow bytes after their end (HDF5) get
it appended; a zip archive has it as its comment, so that other programs ignore it. Formats that allow none have it
inside, and then it covers the file with zeros in the place of the hash.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import BinaryIO, NoReturn

from jaxlayers.files.sums import PART, Sums, crc_of_range, hash_of_parts

_PREFIX = b"jaxlayers sha256 "
LENGTH = len(_PREFIX) + 64
PLACEHOLDER = _PREFIX + b"0" * 64
_GROUP = 32  # parts that one thread sums up at a time


def seal(file: BinaryIO, sums: Sums, replace_placeholder: bool = False) -> None:
    """Append the seal to a file.

    Args:
        file: the file, open for reading and writing, unbuffered.
        sums: its sums, which know of all that has been written.
        replace_placeholder: if True, the file ends with `PLACEHOLDER`, which is overwritten. False by default.
    """
    end = os.fstat(file.fileno()).st_size - (LENGTH if replace_placeholder else 0)
    digest = sums.hash(end)
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
    raise_damaged(name)


def has_mark(text: bytes, key: str) -> bool:
    """True if a text shows that it has a seal under a key: a single changed byte hides only one of both."""
    return key.encode() in text or _PREFIX in text


def digits_in(text: bytes, name: str) -> slice:
    """Return the place of the hash in a text that holds one seal.

    Raises:
        ValueError: when it does not.
    """
    start = text.find(_PREFIX) + len(_PREFIX)
    if text.count(_PREFIX) != 1 or start + 64 > len(text):
        raise_damaged(name)
    return slice(start, start + 64)


def without_digits(text: bytes, digits: slice) -> bytes:
    """Return a text with zeros in the place of the hash, as it was hashed."""
    return text[: digits.start] + b"0" * 64 + text[digits.stop :]


def seal_text(text: bytes) -> bytes:
    """Return a text, which holds `PLACEHOLDER`, with the hash of the whole text in it."""
    return text.replace(PLACEHOLDER, _PREFIX + hashlib.sha256(text).hexdigest().encode())


def check_text(text: bytes, name: str) -> None:
    """Compare a text with the seal in it.

    Raises:
        ValueError: when it has changed.
    """
    digits = digits_in(text, name)
    if hashlib.sha256(without_digits(text, digits)).hexdigest().encode() != text[digits]:
        raise_damaged(name)


def raise_damaged(name: str) -> NoReturn:
    """Raise the error for a file that does not have the content it was saved with."""
    raise ValueError(
        f"The file {name!r} is damaged, or was changed after it was saved: its content does not have the hash that was "
        "saved with it. Use a copy of the original file."
    )


def hash_range(
    file: BinaryIO, end: int, beginning: bytes = b"", known: Mapping[int, int] = MappingProxyType({})
) -> bytes:
    """Return the hash of the first bytes of a file, in hexadecimal digits; see `hash_of_parts`.

    Args:
        file: the file, open for reading.
        end: the number of bytes.
        beginning: bytes that take the place of the first ones of the file. None by default.
        known: the CRC-32 of some parts by their numbers, which are not read. None by default.
    """
    parts = range(-(-end // PART))
    groups = [parts[i : i + _GROUP] for i in range(0, len(parts), _GROUP)]
    with ThreadPoolExecutor(max(1, min(len(groups), os.cpu_count() or 1))) as pool:
        crcs = pool.map(
            lambda group: [
                known[part] if part in known else _crc_of_part(file.fileno(), part, end, beginning) for part in group
            ],
            groups,
        )
        return hash_of_parts(itertools.chain.from_iterable(crcs))


def _crc_of_part(descriptor: int, part: int, end: int, beginning: bytes) -> int:
    start, stop = part * PART, min((part + 1) * PART, end)
    known = beginning[start:stop]
    return crc_of_range(descriptor, start + len(known), stop, zlib.crc32(known))
