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
_ENDING = ".partial"  # of what is being written
_OLD_ENDING = ".replaced"  # of a directory, while another one takes its name
_in_use: set[str] = set()  # temporary names of this process, without their endings
_MAX_NAME = 100  # bytes of a target's name that go into temporary names


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
    try:
        with naming_target(target):
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        if os.path.exists(target):
            shutil.copymode(target, temporary)
        flush_to_disk(temporary)
        os.replace(temporary, target)
        flush_to_disk(os.path.dirname(target))
    finally:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        _end_use(temporary)


@contextlib.contextmanager
def replacing_directory(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the path of a temporary directory; when the block ends without an error, it takes the place of `path`.

    Two renames put the new directory in the place of an old one. A kill between them leaves the old one under another
    name, from which `recover_directory` and the next `replacing_directory` put it back.

    Args:
        path: the target, a directory or a new name.

    Raises:
        OSError: when the directory cannot be written or renamed; the target is unchanged then.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isdir(target):
        raise NotADirectoryError(f"Cannot write the directory {str(path)!r}: there is a file of that name.")
    with naming_target(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
    recover_directory(target)
    _remove_remains(target)
    temporary = _temporary_name(target)
    old = temporary.removesuffix(_ENDING) + _OLD_ENDING
    try:
        with naming_target(target):
            os.mkdir(temporary)
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
        if os.path.isdir(old) and not os.path.lexists(target):  # the second rename has failed
            os.rename(old, target)
        for remains in (temporary, old):
            shutil.rmtree(remains, ignore_errors=True)
        _end_use(temporary)


def recover_directory(path: str | os.PathLike[str]) -> None:
    """Put a directory back that a killed process of this machine had renamed, to replace it, and did not replace.

    Args:
        path: the path that the directory had. If there is something of that name, nothing happens.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.lexists(target) and os.path.isdir(folder):
        old = [entry for entry in _remains_of_killed(target) if entry.endswith(_OLD_ENDING)]
        if old:
            os.rename(os.path.join(folder, old[0]), target)


def flush_to_disk(path: str) -> None:
    """Wait until a file, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def naming_target(target: str) -> Iterator[None]:
    """Let an error of creating something beside a target name the target, within a `with` block."""
    try:
        yield
    except OSError as error:
        folder = os.path.dirname(target)
        raise OSError(
            error.errno,
            f"Cannot write {target!r}: nothing can be created in the directory {folder!r} ({error.strerror}). Choose "
            "another directory",
        ) from error


def _temporary_name(target: str) -> str:
    folder, name = os.path.split(target)
    unique = f"{_prefix(name)}{os.getpid()}-{uuid.uuid4().hex[:8]}"
    _in_use.add(unique)
    return os.path.join(folder, unique + _ENDING)


def _end_use(temporary: str) -> None:
    _in_use.discard(os.path.basename(temporary).removesuffix(_ENDING))


def _prefix(name: str) -> str:
    """Return the beginning of the temporary names for a target; a long name is cut, and told apart by its hash."""
    is_long = len(os.fsencode(name)) > _MAX_NAME
    short = f"{name[: _MAX_NAME // 4]}.{zlib.crc32(os.fsencode(name)):08x}" if is_long else name
    return f".{short}.{_HOST}-"


def _remove_remains(target: str) -> None:
    """Remove what killed processes of this machine have left of the same target."""
    folder = os.path.dirname(target)
    for entry in _remains_of_killed(target):
        remains = os.path.join(folder, entry)
        if os.path.isdir(remains) and not os.path.islink(remains):
            shutil.rmtree(remains, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.remove(remains)


def _remains_of_killed(target: str) -> list[str]:
    """Return the names of what killed processes of this machine have left of a target.

    Raises:
        FileNotFoundError: when the folder of the target does not exist.
        NotADirectoryError: when it is a file.
    """
    folder, name = os.path.split(target)
    prefix = _prefix(name)
    try:
        entries = os.listdir(folder)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"Cannot write {target!r}: the directory {folder!r} does not exist.") from error
    except NotADirectoryError as error:
        raise NotADirectoryError(f"Cannot write {target!r}: {folder!r} is a file, not a directory.") from error
    except PermissionError:  # names may be added to a directory whose names may not be listed
        return []
    remains = [entry for entry in entries if entry.startswith(prefix) and entry.endswith((_ENDING, _OLD_ENDING))]
    processes = [entry.removeprefix(prefix).split("-")[0] for entry in remains]
    return [
        entry
        for entry, process in zip(remains, processes, strict=True)
        if process.isdigit() and not _is_in_use(entry, int(process))
    ]


def _is_in_use(entry: str, process: int) -> bool:
    """Return True if the process of a temporary name is running."""
    if process == os.getpid():  # or one before it: containers often give every process the same number
        return any(map(entry.startswith, list(_in_use)))
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
