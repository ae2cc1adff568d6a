"""Unpack tar and zip archives from elsewhere: all members or none, and nothing outside of the folder.

All members are checked before one is written. They are written to a temporary folder, which gets its name at the end.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_FREE_SIZE = 1 << 30  # bytes that an archive of any size may expand to
_MAX_EXPANSION = 200  # times the size of the archive, for larger ones
_DAMAGED = (tarfile.ReadError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, NotImplementedError)


class Member(NamedTuple):
    """A member of an archive.

    Attributes:
        name: the path, with slashes.
        size: the number of bytes.
        kind: `"file"`, `"directory"`, `"link"` (symbolic), `"hard link"` or `"other"`.
        target: the path that a link refers to.
    """

    name: str
    size: int
    kind: str
    target: str = ""


def unpack(archive: str | os.PathLike[str], folder: str | os.PathLike[str], formats: Iterable[str]) -> None:
    """Unpack an archive into a folder, which is replaced if it exists.

    Args:
        archive: the path of the archive.
        folder: the path of the folder.
        formats: the formats to try: `"tar"` (compressed or not) and `"zip"`.

    Raises:
        ValueError: if the archive has none of the formats, is damaged, or is not safe: a member would be written
            outside of the folder, or is a link to the outside, a device, a second one of its name, or the sizes are
            out of all proportion. Nothing is unpacked then.
    """
    path, formats = os.fspath(archive), list(formats)
    try:
        if "tar" in formats and tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                _check(path, map(_tar_member, tar))
                with _replacing(folder) as temporary:
                    tar.extractall(temporary, filter="data")
        elif "zip" in formats and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as zipped:
                _check(path, _zip_members(zipped))
                with _replacing(folder) as temporary:
                    zipped.extractall(temporary)
        else:
            raise ValueError(f"{path} is not an archive of a format in {formats}.")
    except tarfile.FilterError as error:
        raise _unsafe(path, str(error)) from None
    except _DAMAGED as error:
        raise ValueError(f"The archive {path} is damaged: {error}. Nothing was unpacked.") from error


def discard(folder: str | os.PathLike[str]) -> None:
    """Delete a folder, if it exists. It loses its name first, so that a kill leaves no part of it under that name."""
    path = os.path.abspath(folder)
    if os.path.isdir(path):
        with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as temporary:
            os.rename(path, os.path.join(temporary, "old"))


@contextlib.contextmanager
def _replacing(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Yield a temporary folder, which takes the place of `folder` when the block ends without an error.

    All that is written is flushed to the disk at once: `files.atomic` flushes each file, and there may be very many.
    """
    path = os.path.abspath(folder)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as temporary:
        unpacked = os.path.join(temporary, "unpacked")
        os.mkdir(unpacked)
        yield unpacked
        getattr(os, "sync", lambda: None)()  # not on Windows
        discard(path)
        os.rename(unpacked, path)


def _tar_member(info: tarfile.TarInfo) -> Member:
    kinds = {tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "hard link", tarfile.DIRTYPE: "directory"}
    return Member(info.name, info.size, "file" if info.isfile() else kinds.get(info.type, "other"), info.linkname)


def _zip_members(zipped: zipfile.ZipFile) -> Iterator[Member]:
    end = 0
    for info in sorted(zipped.infolist(), key=lambda info: info.header_offset):
        form = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
        kind = "directory" if info.is_dir() else "file" if form in (0, stat.S_IFREG) else "other"
        if info.flag_bits & 1:
            raise ValueError(f"{zipped.filename} is encrypted. Nothing was unpacked.")
        if info.header_offset < end:
            raise _unsafe(zipped.filename, f"{info.filename!r} overlaps another member")
        end = info.header_offset + info.compress_size
        yield Member(info.filename, info.file_size, kind)


def _check(archive: str, members: Iterable[Member]) -> None:
    """Raise a ValueError if an archive is not safe to unpack."""
    limit = max(_FREE_SIZE, _MAX_EXPANSION * os.path.getsize(archive))
    kinds: dict[str, str] = {}
    total = 0
    for member in members:
        name = "/".join(part for part in member.name.split("/") if part not in ("", "."))
        total += member.size
        problem = _problem_of_name(member.name) or _problem_of_kind(member, name)
        if not problem and name in kinds and (kinds[name], member.kind) != ("directory", "directory"):
            problem = "is there twice"
        if not problem and total > limit:
            problem = f"and those before it have {total} bytes, which is too much for this archive"
        if problem:
            raise _unsafe(archive, f"{member.name!r} {problem}")
        kinds[name] = member.kind
    for name in kinds:
        parents = ("/".join(name.split("/")[:depth]) for depth in range(1, name.count("/") + 1))
        wrong = next((parent for parent in parents if kinds.get(parent, "directory") != "directory"), None)
        if wrong is not None:
            raise _unsafe(archive, f"{name!r} would be written through {wrong!r}, a {kinds[wrong]}")


def _problem_of_name(name: str) -> str:
    windows = name.replace("\\", "/")  # where a backslash separates directories
    if windows.startswith("/") or windows[1:2] == ":" or ".." in windows.split("/"):
        return "would be written outside its directory"
    return "has a name with a zero character" if "\0" in name else ""


def _problem_of_kind(member: Member, name: str) -> str:
    """Return the problem of a link or device; an empty string if there is none.

    A link may go up only at the beginning of its target, and not above the folder. As no member is written through a
    link, no chain of such links leaves the folder.
    """
    if member.kind == "other":
        return "is a device or a link"
    if member.kind in ("link", "hard link"):
        parts = member.target.replace("\\", "/").split("/")
        ups = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
        depth = name.count("/") if member.kind == "link" else 0
        if parts[0] == "" or parts[0][1:2] == ":" or ups > depth or ".." in parts[ups:]:
            return f"is a link to {member.target!r}, which is outside its directory"
    return ""


def _unsafe(archive: str | None, problem: str) -> ValueError:
    return ValueError(f"{archive} is not safe to unpack: {problem}. Nothing was unpacked.")
