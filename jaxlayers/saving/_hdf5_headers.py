"""The sizes of the texts in the attributes of an HDF5 file, from the headers of its objects.

An attribute with texts of any length holds a length and a place for each text. HDF5 allocates the length before it
looks at the place, so that one changed number takes gigabytes. It offers no way to ask for the lengths; so the header
of the object is read here, as the format's specification describes it: blocks of messages, each with a type, a size and
flags. Message 12 is an attribute, message 16 the place of the next block.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

_OLD = struct.Struct("<BxHLL4x")  # the beginning of a header of version 1: version, messages, references, size
_OLD_MESSAGE = struct.Struct("<HHB3x")  # type, size, flags
_NEW_MESSAGE = struct.Struct("<BHB")
_NEW_FLAGS = {"times": 0x20, "phase": 0x10, "order": 0x04}  # of a header of version 2: which fields it has
_TEXT = struct.Struct("<LQL")  # length, address of the heap, number in it
_ATTRIBUTE_INFO, _ATTRIBUTE, _CONTINUATION = 21, 12, 16
_ANY_LENGTH = 9  # the class of types of any length
_NOWHERE = (1 << 64) - 1
_MAX_BLOCK, _MAX_BLOCKS = 4 << 20, 1000

Read = Callable[[int, int], bytes]


def text_size(read: Read, address: int, name: str) -> int:
    """Return the bytes that the texts of an attribute take; 0 for an attribute without texts of any length.

    Args:
        read: a function from a position and a size to bytes of the file.
        address: the address of the object.
        name: the name of the attribute.

    Raises:
        OSError: if the header is damaged, or has the attributes in a place that is not read here.
    """
    try:
        return sum(_size_of(message, name) for message in _attributes(read, address))
    except (struct.error, IndexError) as error:
        raise OSError(f"the header of an object is damaged ({error})") from error


def _attributes(read: Read, address: int) -> Iterator[bytes]:
    """Yield the attribute messages of an object."""
    is_new = read(address, 4) == b"OHDR"
    blocks = [_new_block(read, address) if is_new else _old_block(read, address)]
    order = is_new and read(address + 5, 1)[0] & _NEW_FLAGS["order"]
    layout, extra = (_NEW_MESSAGE, 2 if order else 0) if is_new else (_OLD_MESSAGE, 0)
    for number in range(_MAX_BLOCKS):
        if number == len(blocks):
            return
        start, size = blocks[number]
        if size > _MAX_BLOCK:
            raise OSError("a header of an object is too large")
        block, place = read(start, size), 0
        while place + layout.size + extra <= len(block):
            kind, length, flags = layout.unpack_from(block, place)
            place += layout.size + extra
            message, place = block[place : place + length], place + length
            if kind == _CONTINUATION:
                offset, length = struct.unpack_from("<QQ", message)
                blocks.append((offset + 4, length - 8) if is_new else (offset, length))
            elif (kind == _ATTRIBUTE and flags & 2) or (kind == _ATTRIBUTE_INFO and _is_apart(message)):
                raise OSError("an object has its attributes in another place")
            elif kind == _ATTRIBUTE:
                yield message
    raise OSError("the header of an object has too many parts")


def _old_block(read: Read, address: int) -> tuple[int, int]:
    version, _, _, size = _OLD.unpack(read(address, _OLD.size))
    if version != 1:
        raise OSError(f"the header of an object has the unknown version {version}")
    return address + _OLD.size, size


def _new_block(read: Read, address: int) -> tuple[int, int]:
    flags = read(address + 5, 1)[0]
    start = address + 6 + (16 if flags & _NEW_FLAGS["times"] else 0) + (4 if flags & _NEW_FLAGS["phase"] else 0)
    width = 1 << (flags & 3)
    return start + width, int.from_bytes(read(start, width), "little")


def _is_apart(message: bytes) -> bool:
    """True if an attribute info message leads to attributes outside of the header."""
    return struct.unpack_from("<Q", message, 4 if message[1] & 1 else 2) != (_NOWHERE,)


def _size_of(message: bytes, name: str) -> int:
    """Return the size of the texts in an attribute message of this name."""
    version, flags, *lengths = struct.unpack_from("<BBHHH", message)
    start = 9 if version == 3 else 8
    if version not in (1, 2, 3) or (version > 1 and flags):
        raise OSError("an attribute has a form that is not read here")
    # In version 1, each part begins at a multiple of 8 bytes.
    parts = [-(-length // 8) * 8 for length in lengths] if version == 1 else lengths
    if message[start : start + lengths[0]].rstrip(b"\0") != name.encode():
        return 0
    kind = message[start + parts[0]] & 15
    data = message[start + sum(parts) :]
    if kind != _ANY_LENGTH:
        return 0
    return sum(length for length, _, _ in _TEXT.iter_unpack(data[: len(data) // _TEXT.size * _TEXT.size]))
