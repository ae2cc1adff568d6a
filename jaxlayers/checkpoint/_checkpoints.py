"""Single checkpoints: save one, restore it, find the newest that is whole."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import jax

from jaxlayers.checkpoint import _files, _plain, _trees, failures
from jaxlayers.common import processes


def save(path: str | os.PathLike[str], tree: Any, extra: Any = None, overwrite: bool = False) -> None:
    """Save a pytree as a checkpoint, in Orbax's format.

    The checkpoint appears under its path when it is complete and on the disk. If the process is killed before, or the
    disk is full, there is nothing at the path.

    Several processes that train together must all call this, with the same path on a file system that they share: each
    writes its part, and the first one commits the checkpoint. `extra` is that of the first process. If one of them
    fails to write its part, it ends, and so do the others: see `distribution.initialize`.

    Args:
        path: the path of the directory to create, such as `"checkpoints/100"`. A number as the last part makes `latest`
            find it.
        tree: a pytree of arrays and numbers, such as `model.train_state`.
        extra: plain data beside the tree: None, booleans, numbers, text, bytes and arrays, nested in lists, tuples and
            dicts; None by default.
        overwrite: if True, an existing checkpoint at the path is replaced; if False (default), that is an error.

    Raises:
        FileExistsError: if the path exists, and `overwrite` is False, or it is no checkpoint.
        OSError: if the checkpoint cannot be written.
        TypeError: if `extra` holds an object of another kind.

    Example:
        >>> import tempfile, numpy as np, jaxlayers as jl
        >>> path = tempfile.mkdtemp() + "/1"
        >>> jl.checkpoint.save(path, {"weights": np.arange(3)})
        >>> jl.checkpoint.restore(path)["weights"].tolist()
        [0, 1, 2]
    """
    if not os.fspath(path):
        raise ValueError("The path of a checkpoint must not be empty.")
    target = Path(os.path.abspath(path))
    if target.exists() and not overwrite:
        raise FileExistsError(f"{str(target)!r} exists. Choose another path, or pass overwrite=True.")
    if target.exists() and not _files.may_be_replaced(target):
        raise FileExistsError(
            f"{str(target)!r} holds other files than a checkpoint's, which saving would delete. Choose another path."
        )
    write(target, tree, _plain.detach(extra, "extra"))


def write(path: Path, tree: Any, extra: Any) -> None:
    """Write and commit a checkpoint. With several processes, each writes its part, and the first one commits."""
    if jax.process_count() == 1:
        _files.commit(path, lambda partial: _trees.write(partial, tree, extra))
        return
    is_made, is_written, failure = False, False, None

    def write_part(partial: Path) -> None:
        nonlocal is_made, is_written
        if processes.is_any(False):  # the first process could not make the directory
            return
        is_made = True
        with failures.noting(True):  # the other processes may wait for this one inside of Orbax
            _trees.write(partial, tree, extra)
        is_written = True

    try:
        if jax.process_index() == 0:
            _files.commit(path, write_part)
        else:
            write_part(_files.partial_path(path))
    except Exception as error:
        failure = error
        if not is_made:
            processes.is_any(True)
        if not is_written:
            raise
    if not is_made or processes.is_any(failure is not None):
        raise failure or OSError(f"The checkpoint {str(path)!r} was not saved: another process failed to write it.")


def restore(path: str | os.PathLike[str], like: Any = None, verify: bool = True) -> Any:
    """Return the tree of a checkpoint, after a check of the hashes of all of its files.

    Args:
        path: the path of the checkpoint.
        like: a tree with the structure, the shapes and the dtypes of the one that was saved, such as
            `model.train_state`. Each array is restored into the layout that the leaf of `like` has: a NumPy array, or a
            JAX array with its sharding; a `jax.ShapeDtypeStruct` with a sharding stands for an array. By default the
            result has NumPy arrays in nested dicts and lists.
        verify: if True (default), the hashes are checked; False is for a path that `latest` has just returned.

    Raises:
        FileNotFoundError: if there is no checkpoint at the path.
        DamagedError: if a file is missing or has changed.
        ValueError: if the tree differs from `like`; the message lists all differences by path.

    Example:
        >>> import tempfile, numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.Input((2,)), jl.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> path = tempfile.mkdtemp() + "/1"
        >>> jl.checkpoint.save(path, model.train_state)
        >>> model.train_state = jl.checkpoint.restore(path, model.train_state)
    """
    source = Path(os.path.abspath(path))
    if verify:
        _files.check(source)
    return _trees.read(source, like)


def extra(path: str | os.PathLike[str], verify: bool = True) -> Any:
    """Return the plain data that was saved beside the tree of a checkpoint, after a check of the hashes.

    Arrays in it are NumPy arrays.

    Args:
        path: the path of the checkpoint.
        verify: see `restore`.

    Raises:
        FileNotFoundError: if there is no checkpoint at the path.
        DamagedError: if a file is missing or has changed.

    Example:
        >>> import tempfile, jaxlayers as jl
        >>> path = tempfile.mkdtemp() + "/1"
        >>> jl.checkpoint.save(path, {}, extra={"epoch": 3})
        >>> jl.checkpoint.extra(path)
        {'epoch': 3}
    """
    source = Path(os.path.abspath(path))
    if verify:
        _files.check(source)
    return _trees.read_extra(source)["extra"]


def latest(directory: str | os.PathLike[str]) -> Path | None:
    """Return the path of the newest checkpoint in a directory that is whole; None if there is none.

    The newest is the one with the highest number as its name. For each damaged one that is skipped, a warning says what
    is damaged.

    Args:
        directory: the directory that holds the checkpoints.

    Example:
        >>> import tempfile, jaxlayers as jl
        >>> directory = tempfile.mkdtemp()
        >>> for step in (9, 10):
        ...     jl.checkpoint.save(f"{directory}/{step}", {"step": step})
        >>> jl.checkpoint.latest(directory).name
        '10'
    """
    for path in _files.steps(Path(os.path.abspath(directory))):
        damage = _files.find_damage(path)
        if not damage:
            return path
        warnings.warn(f"The checkpoint {str(path)!r} is damaged and is skipped: {damage}.", stacklevel=2)
    return None
