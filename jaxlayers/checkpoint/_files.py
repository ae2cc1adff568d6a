"""The directories of checkpoints: commit them, find damage in them, list them, and delete old ones.

A checkpoint is written to a directory whose name ends in `.partial`, gets the list of the hashes of its files, is
flushed to the disk, and is renamed to its final name: that is the moment from which it exists. It is deleted in the
reverse order. So a directory with a final name is whole, unless the disk or somebody has changed it, and every
directory named `.partial` is the rest of an interrupted operation.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jaxlayers.files import kinds
from jaxlayers.files.atomic import naming_target

HASHES = "hashes.json"  # two lines: the hashes of all other files as JSON, and the hash of that line
_ORBAX = "_CHECKPOINT_METADATA"  # a file that Orbax puts into each checkpoint
_PARTIAL = ".partial"
_ALGORITHM = "sha256"
_FLUSHES = 8  # files that are flushed at the same time
_ATTEMPTS = 20  # to replace a checkpoint, while other processes look for it
_MAX_DIGITS = 100  # of the number of a checkpoint
_LARGEST_LIST = 32 << 20  # bytes of the hashes


class DamagedError(ValueError):
    """Raised when a file of a checkpoint is missing or is not what was saved."""


def commit(path: Path, write: Callable[[Path], None]) -> None:
    """Make a checkpoint directory: call `write` with a path for it, and give it its final name when it is complete.

    Args:
        path: the final path. A checkpoint that has this name is replaced.
        write: a function that writes the checkpoint to the path it is given, whose parent exists.
    """
    _clean(path)
    new, old = partial_path(path), _replaced_path(path)
    with naming_target(str(path)):
        new.parent.mkdir(parents=True)
    try:
        write(new)
        _write_hashes(new)
        _exchange(path, new, old)
        _flush(path.parent)
    finally:
        _clean(path)


def partial_path(path: Path) -> Path:
    """Return the path to which a checkpoint is written before it is committed."""
    return path.with_name(path.name + _PARTIAL) / "new"


def _replaced_path(path: Path) -> Path:
    """Return the path that a checkpoint has for the moment in which another one takes its name."""
    return path.with_name(path.name + _PARTIAL) / "old"


def _exchange(path: Path, new: Path, old: Path) -> None:
    """Give a new directory its final name, and one that has this name another one.

    A process that looks for the checkpoint between the two renames puts the old one back: then they are repeated.
    """
    for attempt in range(_ATTEMPTS):
        if path.exists():
            path.rename(old)
        try:
            new.rename(path)
        except OSError:
            if attempt == _ATTEMPTS - 1 or not path.exists():
                raise
        else:
            return


def recover(path: Path) -> None:
    """Put a checkpoint back that a killed process had renamed, to replace it, and did not replace."""
    old = _replaced_path(path)
    if old.is_dir() and not path.exists():
        with contextlib.suppress(OSError):  # the process is alive, and has just given the new one its name
            old.rename(path)


def find_damage(path: Path) -> str:
    """Return a description of the damage of a checkpoint; an empty string if it is whole.

    A directory without the list of hashes was not committed, and counts as damaged.
    """
    try:
        expected = _read_hashes(path / HASHES)
        found = _files_in(path)
    except OSError as error:
        return f"{HASHES} cannot be read ({error.strerror})"
    except ValueError as error:
        return str(error)
    missing = sorted(expected.keys() - found.keys())
    foreign = sorted(found.keys() - expected.keys() - {HASHES})
    changed = []
    for name in expected.keys() & found.keys():
        try:
            if not found[name] or _hash(path / name) != expected[name]:
                changed.append(name)
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    kinds = ((missing, "missing"), (sorted(changed), "changed"), (foreign, "not part of it"))
    return "; ".join(f"{_listed(names)} {what}" for names, what in kinds if names)


def _read_hashes(path: Path) -> dict[str, str]:
    """Return the hashes of all other files by their paths in the checkpoint.

    Raises:
        OSError: if the list cannot be read.
        ValueError: if it has changed, or is no list of hashes.
    """
    if not path.is_file() or path.is_symlink():
        raise OSError(errno.ENOENT, "No such file")
    if path.stat().st_size > _LARGEST_LIST:
        raise ValueError(f"{HASHES} has more than {_LARGEST_LIST} bytes")
    listed, _, digest = path.read_bytes().rpartition(b"\n")
    if hashlib.new(_ALGORITHM, listed).hexdigest().encode() != digest:
        raise ValueError(f"{HASHES} has changed since it was saved")
    try:
        files = json.loads(listed)["files"]
    except (ValueError, KeyError, TypeError, RecursionError):
        files = None
    if not isinstance(files, dict):
        raise ValueError(f"{HASHES} is no list of hashes")
    return files


def _files_in(folder: Path) -> dict[str, bool]:
    """Return the paths of all files below a folder, and True for each that is a regular file, not a link or device."""
    found = {}
    for place, directories, names in os.walk(folder):
        links = [name for name in directories if os.path.islink(os.path.join(place, name))]
        for name in (*names, *links):
            file = Path(place, name)
            found[file.relative_to(folder).as_posix()] = stat.S_ISREG(file.lstat().st_mode)
    return found


def _listed(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def check(path: Path) -> None:
    """Verify a checkpoint.

    Raises:
        FileNotFoundError: if there is none at the path.
        DamagedError: if it is damaged.
    """
    recover(path)
    if not path.is_dir():
        hint = f" {str(path)!r} is no directory.{kinds.advice(path)}" if path.exists() else ""
        others = ", ".join(other.name for other in reversed(steps(path.parent))) or "none"
        raise FileNotFoundError(f"There is no checkpoint {str(path)!r}. Checkpoints beside it: {others}.{hint}")
    damage = find_damage(path)
    if damage:
        inside = steps(path)
        hint = f" It is a directory of checkpoints: restore one of them, such as {str(inside[0])!r}." if inside else ""
        if not hint and kinds.kind_of(path) in ("saved model", "model directory"):
            hint = kinds.advice(path)
        raise DamagedError(
            f"The checkpoint {str(path)!r} is damaged: {damage}.{hint or ' Restore another one, see latest().'}"
        )


def may_be_replaced(path: Path) -> bool:
    """True for an empty directory, and for a checkpoint, damaged or not."""
    names = {entry.name for entry in path.iterdir()} if path.is_dir() else {""}
    return not names or HASHES in names or _ORBAX in names


def steps(directory: Path) -> list[Path]:
    """Return the checkpoints in a directory that have a number as their name, the highest number first."""
    if not directory.is_dir():
        return []
    for partial in directory.glob(f"*{_PARTIAL}"):
        if _is_number(partial.stem):
            recover(directory / partial.stem)
    found = [path for path in directory.iterdir() if _is_number(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: int(path.name), reverse=True)


def _is_number(name: str) -> bool:
    """True for the name of a numbered checkpoint. Longer numbers, which Python refuses to read, are no steps."""
    return name.isascii() and name.isdigit() and len(name) <= _MAX_DIGITS


def prune(directory: Path, max_to_keep: int) -> None:
    """Delete all but the checkpoints with the highest numbers. If none of these is whole, keep the newest that is."""
    found = steps(directory)
    old = found[max_to_keep:]
    if old and all(map(find_damage, found[:max_to_keep])):
        newest = next((path for path in old if not find_damage(path)), None)
        old = [path for path in old if path != newest]
    for path in old:
        delete(path)


def delete(path: Path) -> None:
    """Delete a checkpoint; if that is interrupted, no part of it is left under its name."""
    _clean(path)
    partial = path.with_name(path.name + _PARTIAL)
    path.rename(partial)
    _remove(partial)


def remove_partial(directory: Path) -> None:
    """Delete what interrupted operations on numbered checkpoints have left in a directory."""
    for partial in directory.glob(f"*{_PARTIAL}"):
        if _is_number(partial.stem):
            _clean(directory / partial.stem)


def _clean(path: Path) -> None:
    """Delete what interrupted operations have left of a checkpoint. One that was being replaced gets its name back."""
    recover(path)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        _remove(path.with_name(path.name + _PARTIAL))


def _remove(path: Path) -> None:
    """Delete a directory, or a link or file of its name."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _write_hashes(folder: Path) -> None:
    """Write the list of hashes, and flush everything in a folder to the disk."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    with ThreadPoolExecutor(_FLUSHES) as pool:  # the file system writes what is flushed together in one go
        hashes = list(pool.map(lambda path: _hash(path, flush=True), paths))
        files = {path.relative_to(folder).as_posix(): found for path, found in zip(paths, hashes, strict=True)}
        listed = json.dumps({"format": 1, "algorithm": _ALGORITHM, "files": files}).encode()
        path = folder / HASHES
        path.write_bytes(listed + b"\n" + hashlib.new(_ALGORITHM, listed).hexdigest().encode())
        list(pool.map(_flush, [path, *{folder, *(path.parent for path in paths)}]))


def _hash(path: Path, flush: bool = False) -> str:
    with path.open("rb") as file:
        if flush:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, _ALGORITHM).hexdigest()


def _flush(path: Path) -> None:
    """Flush a file or a directory to the disk, where the system can."""
    if os.name == "nt":  # Windows cannot open directories
        return
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
