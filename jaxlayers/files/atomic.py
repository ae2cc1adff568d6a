"""Write files whole or not at all.

The data goes to a temporary file in the folder of the target. Once it is complete and on the disk, one rename puts it
in the place of the target. A full disk, an exception or a kill leave the old file as it was.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import uuid
import zlib
from collections.abc import Iterator

_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"  # process numbers are those of one machine


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the path of a temporary file; when the block ends without an error, it takes the place of `path`.

    Args:
        path: the target. If it is a symbolic link, the file that it points to is replaced. An existing file keeps its
            permissions.

    Raises:
        OSError: when the temporary file cannot be written or renamed; the target is unchanged then.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "notes.txt")
        >>> with replacing(path) as temporary, open(temporary, "w") as file:
        ...     _ = file.write("complete")
        >>> os.listdir(os.path.dirname(path))
        ['notes.txt']
    """
    target = os.path.realpath(path)
    if os.path.isdir(target):
        raise IsADirectoryError(f"Cannot write to {str(path)!r}: it is a directory.")
    _remove_remains(target)
    temporary = _temporary_name(target)
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        if os.path.exists(target):
            shutil.copymode(target, temporary)
        flush_to_disk(temporary)
        os.replace(temporary, target)
        flush_to_disk(os.path.dirname(target))
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)


@contextlib.contextmanager
def replacing_directory(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the path of a temporary directory; when the block ends without an error, it takes the place of `path`.

    Two renames put the new directory in the place of an old one: a kill between them leaves both under other names,
    beside the target.

    Args:
        path: the target, a directory or a new name.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isdir(target):
        raise NotADirectoryError(f"Cannot write the directory {str(path)!r}: there is a file of that name.")
    temporary, old = _temporary_name(target), _temporary_name(target)
    os.makedirs(temporary)
    try:
        yield temporary
        for folder, _, names in os.walk(temporary):
            for name in names:
                flush_to_disk(os.path.join(folder, name))
            flush_to_disk(folder)
        if os.path.exists(target):
            os.rename(target, old)
        os.rename(temporary, target)
        flush_to_disk(os.path.dirname(target))
    finally:
        for remains in (temporary, old):
            if os.path.isdir(target) or not os.path.isdir(old):  # otherwise the target lies there under other names
                shutil.rmtree(remains, ignore_errors=True)


def flush_to_disk(path: str) -> None:
    """Wait until a file, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _temporary_name(target: str) -> str:
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name[:100]}.{_HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}.partial")


def _remove_remains(target: str) -> None:
    """Remove what killed processes of this machine have left of the same target."""
    folder, name = os.path.split(target)
    prefix = f".{name[:100]}.{_HOST}-"
    try:
        remains = [entry for entry in os.listdir(folder) if entry.startswith(prefix) and entry.endswith(".partial")]
    except FileNotFoundError as error:
        raise FileNotFoundError(f"Cannot write {target!r}: the directory {folder!r} does not exist.") from error
    for entry in remains:
        process = entry.removeprefix(prefix).split("-")[0]
        if process.isdigit() and not _is_running(int(process)):
            with contextlib.suppress(OSError):
                os.remove(os.path.join(folder, entry))


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
