"""`Manager`: the numbered checkpoints of a training in one directory, saved in the background."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np

from jaxlayers.checkpoint import _checkpoints, _files, _plain
from jaxlayers.common import processes


class Manager:
    """Saves the numbered checkpoints of a training into one directory, and deletes old ones.

    Saving in the background copies the arrays, and returns before they are written. The next `save`, `wait` and `close`
    wait for that, and raise the error if it has failed. Old checkpoints are deleted after a new one is committed; the
    newest that is whole is never deleted. With several processes, saving is not in the background.

    Args:
        directory: the directory, which is created when it is needed.
        max_to_keep: the number of newest checkpoints to keep, 1 by default; None for all.
        in_background: if True (default), a thread writes the checkpoints.

    Raises:
        ValueError: if `max_to_keep` is less than 1.

    Example:
        >>> import tempfile, numpy as np, jaxlayers as jl
        >>> with jl.checkpoint.Manager(tempfile.mkdtemp(), max_to_keep=2) as manager:
        ...     for step in range(5):
        ...         manager.save(step, {"weights": np.full(3, step)})
        >>> manager.latest().name, manager.steps()
        ('4', [3, 4])
    """

    def __init__(self, directory: str | os.PathLike[str], max_to_keep: int | None = 1, in_background: bool = True):
        if max_to_keep is not None and max_to_keep < 1:
            raise ValueError(f"max_to_keep must be at least 1, or None for all; received {max_to_keep}.")
        self.directory = Path(os.path.abspath(directory))
        self.max_to_keep, self.in_background = max_to_keep, in_background
        self._pool: ThreadPoolExecutor | None = None
        self._saving: Future[None] | None = None

    def save(self, step: int, tree: Any, extra: Any = None, copy: bool = True) -> None:
        """Save a checkpoint, which replaces one with the same number.

        Args:
            step: the number of the checkpoint.
            tree: see `jl.checkpoint.save`.
            extra: see `jl.checkpoint.save`.
            copy: if True (default), arrays that are saved in the background are copied first. With False, nobody may
                change or donate them before the end of saving.

        Raises:
            Exception: the error of the save before, if that has failed in the background.
        """
        self.wait()
        extra = _plain.detach(extra, "extra")
        if not self.in_background or jax.process_count() > 1:
            self._write(step, tree, extra)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="jaxlayers_checkpoint")
        self._saving = self._pool.submit(self._write, step, _copy(tree) if copy else tree, extra)

    def check(self, extra: Any) -> None:
        """Check that `extra` can be saved.

        Args:
            extra: see `jl.checkpoint.save`.

        Raises:
            TypeError: if it holds an object of a kind that cannot be saved.
        """
        _plain.detach(extra, "extra")

    def _write(self, step: int, tree: Any, extra: Any) -> None:
        is_first = jax.process_index() == 0
        if is_first:
            _files.remove_partial(self.directory)
        _checkpoints.write(self.directory / str(step), tree, extra)
        if is_first and self.max_to_keep is not None:
            _files.prune(self.directory, self.max_to_keep)

    def wait(self) -> None:
        """Wait for the end of saving.

        Raises:
            Exception: the error of the last save, if that has failed. It is raised once.
        """
        saving, self._saving = self._saving, None
        if saving is not None:
            saving.result()

    def close(self) -> None:
        """Wait for the end of saving, and end the thread; `save` starts a new one."""
        try:
            self.wait()
        finally:
            pool, self._pool = self._pool, None
            if pool is not None:
                pool.shutdown()

    def latest(self) -> Path | None:
        """Return the path of the newest checkpoint that is whole; see `jl.checkpoint.latest`.

        Several processes must all call this, and get the path that the first one has found.

        Raises:
            FileNotFoundError: if the checkpoint is not on a file system that all processes share.
        """
        self.wait()
        if jax.process_count() == 1:
            return _checkpoints.latest(self.directory)
        found = _checkpoints.latest(self.directory) if jax.process_index() == 0 else None
        number = int(processes.gather([0 if found is None else int(found.name) + 1])[0, 0]) - 1
        path = self.directory / str(number)
        lacking = np.flatnonzero(processes.gather([number < 0 or path.is_dir()]).ravel() == 0).tolist()
        if lacking:
            raise FileNotFoundError(
                f"The checkpoint {str(path)!r} is not there for the processes {lacking}. Choose a directory on a file "
                "system that all processes share."
            )
        return None if number < 0 else path

    def steps(self) -> list[int]:
        """Return the numbers of the checkpoints, the lowest first; damaged ones are not left out."""
        self.wait()
        return [int(path.name) for path in reversed(_files.steps(self.directory))]

    def delete_all(self) -> None:
        """Delete all checkpoints, and the directory if nothing else is in it."""
        self.wait()
        if jax.process_count() > 1:
            processes.is_any(False)  # no process reads any more
        if jax.process_index() == 0:
            self._delete_all()
        if jax.process_count() > 1:
            processes.is_any(False)  # no process finds what is being deleted

    def _delete_all(self) -> None:
        _files.remove_partial(self.directory)
        for path in reversed(_files.steps(self.directory)):  # if this is interrupted, the newest one is left
            _files.delete(path)
        if self.directory.is_dir() and not any(self.directory.iterdir()):
            self.directory.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _copy(tree: Any) -> Any:
    """Return a tree with copies of its arrays."""
    leaves, structure = jax.tree.flatten(tree)
    on_device = [index for index, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)]
    copies = jax.device_put([leaves[index] for index in on_device], may_alias=False)
    leaves = [leaf.copy() if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]
    for index, array in zip(on_device, copies, strict=True):
        leaves[index] = array
    return jax.tree.unflatten(structure, leaves)
