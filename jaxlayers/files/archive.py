"""Zip archives that are checked before anything in them is read, and written without compression.

A member that is large (the weights) is not copied: `Window` shows the part of the archive where it lies as a file.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from jaxlayers.files import seals
from jaxlayers.files.sums import Sums

_MAX_DIRECTORY = 1 << 20  # bytes of the list of members: about 10,000 members
_MAX_NAME, _MAX_PARTS = 1000, 32  # letters and parts of a member's name
_MAX_EXPANSION = 100  # of a compressed member; numbers hardly shrink, and Keras does not compress
_FREE_EXPANSION = 1 << 20  # bytes that a compressed member may have in any case
_HEADER = struct.Struct(
    "<4sHHHLLLLHH"
)  # of a member: signature, version, flags, compression, date, CRC, sizes, lengths
_DESCRIPTOR = 24  # bytes that may follow a member, with its sizes
_IN_ZIP64 = 0xFFFFFFFF  # in the place of a size that is in an extra field
_CHUNK = 1 << 20
_PIECE = 1 << 30  # bytes that one call writes


class Window(io.RawIOBase):
    """A part of an open file as a file of its own.

    Args:
        file: the file, unbuffered.
        start: the position of the first byte.
        size: the number of bytes; None for a part that is being written, at the end of the file.
        sums: the sums of a file that is being written. None by default.

    Attributes:
        keeps_errors: if True, an error of the disk while writing is kept in `failure`, and what follows is not written:
            HDF5 cannot pass an error of Python through its own code. False at first.
        failure: the error that was kept, or None.
    """

    keeps_errors = False
    failure: OSError | None = None

    def __init__(self, file: Any, start: int, size: int | None, sums: Sums | None = None):
        self._file, self._start, self._size, self._position, self._sums = file, start, size, 0, sums

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return self._size is None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = (0, self._position, self.size)[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    @property
    def size(self) -> int:
        """The number of bytes."""
        return os.fstat(self._file.fileno()).st_size - self._start if self._size is None else self._size

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")[: max(0, self.size - self._position)]
        count = os.preadv(self._file.fileno(), [view], self._start + self._position) if len(view) else 0
        self._position += count
        return count

    def write(self, data: Any) -> int:
        view, start = memoryview(data).cast("B"), self._start + self._position
        summing = contextlib.nullcontext() if self._sums is None else self._sums.writing(start, view)
        with self._keeping_errors(), summing:
            done = 0
            while done < len(view) and self.failure is None:
                done += os.pwrite(self._file.fileno(), view[done : done + _PIECE], start + done)
        self._position += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        size = self._position if size is None else size
        with self._keeping_errors():
            if self.failure is None:
                os.truncate(self._file.fileno(), self._start + size)
        return size

    @contextlib.contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self.keeps_errors:
                raise
            self.failure = error


class Archive:
    """A zip archive, open for reading, whose list of members has been checked.

    Args:
        path: the path of the archive.
        is_allowed: a function that says if a member of this name may be there.

    Raises:
        ValueError: when the file is no zip archive, or has a member that is not allowed: a foreign, absolute or
            climbing name, a duplicate, a link, an encrypted or overlapping member, a size that does not fit.
    """

    def __init__(self, path: str | os.PathLike[str], is_allowed: Any):
        self.name = os.fspath(path)
        self._file: Any = open(path, "rb", buffering=0)  # noqa: SIM115, closed by `close`
        try:
            self._check_directory_size()
            self._zip = zipfile.ZipFile(self._file)
            self._check_members(is_allowed)
        except (zipfile.BadZipFile, NotImplementedError, struct.error, OSError, EOFError, UnicodeError) as error:
            self.close()
            raise ValueError(f"The file {self.name!r} is no complete zip archive: {error}.") from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def members(self) -> list[str]:
        """The names of the members that are files."""
        return [info.filename for info in self._zip.infolist() if not info.is_dir()]

    @property
    def is_sealed(self) -> bool:
        """True if the archive has a seal."""
        return seals.is_sealed(self._file)

    def check_seal(self) -> None:
        """Compare the whole archive with its seal; see `seals.check`."""
        seals.check(self._file, self.name)

    def check_sums(self) -> None:
        """Compare every member with the check sum (CRC-32) of the archive.

        Raises:
            ValueError: when a member is damaged.
        """
        for info in self._zip.infolist():
            with self._reading(info) as member:
                while member.read(_CHUNK):
                    pass

    def read(self, name: str, limit: int) -> bytes:
        """Return a member.

        Raises:
            ValueError: when it is missing, damaged, or has more than `limit` bytes.
        """
        info = self._info(name)
        if info.file_size > limit:
            raise ValueError(
                f"The member {name!r} of {self.name!r} has {info.file_size} bytes; at most {limit} are allowed."
            )
        with self._reading(info) as member:
            return member.read(limit)

    @contextlib.contextmanager
    def window(self, name: str) -> Iterator[Any]:
        """Yield a member as a file that can be read at any position."""
        info = self._info(name)
        if info.compress_type == zipfile.ZIP_STORED:
            yield Window(self._file, self._start_of(info), info.file_size)
            return
        with tempfile.TemporaryFile() as copy:
            with self._reading(info) as member:
                while chunk := member.read(_CHUNK):
                    copy.write(chunk)
            copy.flush()
            yield Window(copy, 0, info.file_size)

    def extract(self, folder: str, prefix: str) -> None:
        """Write the members whose names begin with `prefix` below a folder."""
        for info in self._zip.infolist():
            if info.filename.startswith(prefix) and not info.is_dir():
                target = os.path.join(folder, *info.filename.split("/"))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with self._reading(info) as member, open(target, "xb") as copy:
                    while chunk := member.read(_CHUNK):
                        copy.write(chunk)

    def _info(self, name: str) -> zipfile.ZipInfo:
        try:
            return self._zip.getinfo(name)
        except KeyError:
            raise ValueError(f"The file {self.name!r} has no member {name!r}; it has {self.members}.") from None

    @contextlib.contextmanager
    def _reading(self, info: zipfile.ZipInfo) -> Iterator[Any]:
        """Open a member; an error while it is read names the archive and the member."""
        try:
            with self._zip.open(info) as member:
                yield member
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, zlib.error) as error:
            raise ValueError(f"The member {info.filename!r} of {self.name!r} is damaged: {error}.") from error

    def _start_of(self, info: zipfile.ZipInfo) -> int:
        """Return the position of the data of a member; check that its header agrees with the list of members."""
        fields = _HEADER.unpack(os.pread(self._file.fileno(), _HEADER.size, info.header_offset))
        signature, _, flags, compression, _, check_sum, packed, size, name_length, extra_length = fields
        name = os.pread(self._file.fileno(), name_length, info.header_offset + _HEADER.size)
        start = info.header_offset + _HEADER.size + name_length + extra_length
        agrees = (signature, flags, compression) == (b"PK\x03\x04", info.flag_bits, info.compress_type)
        agrees &= name == info.orig_filename.encode("utf-8" if flags & 0x800 else "cp437")
        if not flags & 0x8:  # otherwise the sizes follow the data
            agrees &= check_sum == info.CRC and packed in (info.compress_size, _IN_ZIP64)
            agrees &= size in (info.file_size, _IN_ZIP64)
        if not agrees or start + info.compress_size > self._zip.start_dir:
            raise ValueError(
                f"The member {info.filename!r:.1000} of {self.name!r} differs from what the list of members says."
            )
        return start

    def _check_directory_size(self) -> None:
        """Check the size of the list of members, which `zipfile` reads whole."""
        size = os.fstat(self._file.fileno()).st_size
        tail_start = max(0, size - (1 << 16) - 22)
        tail = os.pread(self._file.fileno(), size - tail_start, tail_start)
        end = tail.rfind(b"PK\x05\x06")
        if end < 0 or len(tail) - end < 22:
            raise zipfile.BadZipFile("it does not end with a list of members")
        self._count, directory, comment_length = struct.unpack_from("<HL4xH", tail, end + 10)
        if len(tail) - end - 22 != comment_length:
            raise ValueError(f"The file {self.name!r} has bytes behind the end of the archive.")
        if directory == 0xFFFFFFFF and tail[end - 20 : end - 16] == b"PK\x06\x07":
            (position,) = struct.unpack_from("<Q", tail, end - 12)
            (directory,) = struct.unpack("<Q", os.pread(self._file.fileno(), 8, min(position, size) + 40))
        if directory > _MAX_DIRECTORY:
            raise ValueError(f"The file {self.name!r} has a list of members of {directory} bytes, which is too long.")

    def _check_members(self, is_allowed: Any) -> None:
        seen: set[str] = set()
        members = sorted(self._zip.infolist(), key=lambda info: info.header_offset)
        end = 0
        if self._count != len(members):
            raise ValueError(f"The file {self.name!r} says that it has {self._count} members; it has {len(members)}.")
        for info in members:
            name = info.filename
            problem = _problem_of_name(name, info.orig_filename) or _problem_of_member(info)
            if not problem and name in seen:
                problem = "it is there twice"
            if not problem and not end <= info.header_offset <= end + (_DESCRIPTOR if end else 0):
                problem = "it overlaps another member, or there are hidden bytes before it"
            if not problem and not info.is_dir() and not is_allowed(name):
                problem = "a file of this kind has no such member"
            if problem:
                raise ValueError(f"The member {name!r:.1000} of {self.name!r} is not allowed: {problem}.")
            seen.add(name)
            end = self._start_of(info) + info.compress_size
        if self._zip.start_dir - end > _DESCRIPTOR:
            raise ValueError(f"The file {self.name!r} has hidden bytes before the list of members.")


class ArchiveWriter:
    """A zip archive that is being written, to be sealed at the end.

    Args:
        path: the path of the archive.
    """

    def __init__(self, path: str):
        self._path = path
        self._file = open(path, "w+b", buffering=0)  # noqa: SIM115, closed by `__exit__`
        self._sums = Sums(self._file.fileno())
        self._zip = zipfile.ZipFile(_Output(self._file, self._sums), "w")  # type: ignore[call-overload]
        self._zip.comment = seals.PLACEHOLDER

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, kind: Any, *exc: object) -> None:
        with self._file, self._sums:
            try:
                if kind is None:
                    self._zip.close()
                    seals.seal(self._file, self._sums, replace_placeholder=True)
            finally:
                self._zip.fp = None  # after an error, nothing more is written

    def add(self, name: str, data: bytes) -> None:
        """Add a member."""
        self._zip.writestr(_member(name), data)

    def add_folder(self, folder: str, name: str) -> None:
        """Add the files below a folder; `name` is its name in the archive."""
        for place, directories, files in os.walk(folder):
            directories.sort()
            for file in sorted(files):
                full = os.path.join(place, file)
                inside = os.path.relpath(full, folder).replace(os.sep, "/")
                with open(full, "rb") as source, self._zip.open(_member(f"{name}/{inside}"), "w") as target:
                    while chunk := source.read(_CHUNK):
                        target.write(chunk)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Any]:
        """Yield a file that can be written at any position, as HDF5 does; its content becomes a member."""
        info = _member(name)
        info.header_offset, info.CRC = self._zip.start_dir, 0
        header = Window(self._file, info.header_offset, None, self._sums)
        self._sums.summed_from = start = info.header_offset + header.write(info.FileHeader(zip64=True))
        window = Window(self._file, start, None, self._sums)
        yield window
        info.file_size = info.compress_size = window.size
        info.CRC = self._sums.crc(start + window.size)
        header.seek(0)
        header.write(info.FileHeader(zip64=True))
        self._zip.filelist.append(info)
        self._zip.NameToInfo[name] = info
        self._zip.start_dir = start + info.file_size


class _Output:
    """The file that `zipfile` writes to."""

    def __init__(self, file: Any, sums: Sums):
        self._file, self._sums = file, sums
        self.seek, self.tell, self.flush = file.seek, file.tell, file.flush

    def write(self, data: Any) -> int:
        view, start = memoryview(data).cast("B"), self._file.tell()
        with self._sums.writing(start, view):
            done = 0
            while done < len(view):
                done += self._file.write(view[done:])
        return done


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)  # with a fixed date: equal models give equal files
    info.external_attr = 0o644 << 16
    return info


def _problem_of_name(name: str, original: str) -> str:
    parts = name.removesuffix("/").split("/")
    if name != original or "\\" in name or any(ord(letter) < 32 for letter in name):
        return "its name has characters that no file name should have"
    if name.startswith("/") or ":" in parts[0]:
        return "its name is an absolute path"
    if any(part in ("", ".", "..") for part in parts):
        return "its name leads out of the archive"
    if len(name) > _MAX_NAME or len(parts) > _MAX_PARTS:
        return "its name is too long"
    return ""


def _problem_of_member(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if info.create_system == 3 and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "it is a link or a device"
    if info.flag_bits & 0x1:
        return "it is encrypted"
    if info.compress_type == zipfile.ZIP_STORED:
        return "" if info.file_size == info.compress_size else "its sizes contradict each other"
    if info.compress_type != zipfile.ZIP_DEFLATED:
        return "its compression is not that of Keras's files"
    if info.file_size > max(_FREE_EXPANSION, _MAX_EXPANSION * info.compress_size):
        return f"it would expand from {info.compress_size} to {info.file_size} bytes"
    return ""
