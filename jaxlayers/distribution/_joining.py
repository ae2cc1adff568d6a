"""Batches to which each process contributes samples of its own (`process_local=True`).

Parts of equal sizes that the devices divide go to the devices of their process: nothing is exchanged. Otherwise, as for
the last batch of files of different lengths, every process gets the samples of all, and the batch is placed as one that
all processes have. So each sample counts once, whatever the sizes are.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from jaxlayers.common import processes


class Joiner:
    """Joins the parts that the processes have of each batch. All processes call `join` for each batch.

    Args:
        order: the numbers of the processes in the order of their samples in a batch.
        devices: the number of devices of each process along the axis of the samples.
        place_parts: a function that places a batch of which each process has its part.
        place_whole: a function that places a batch that each process has whole.
    """

    def __init__(
        self,
        order: list[int],
        devices: int,
        place_parts: Callable[[Any], Any],
        place_whole: Callable[[Any], Any],
    ):
        self._order, self._devices = order, devices
        self._place_parts, self._place_whole = place_parts, place_whole
        self._empty: Any = None  # a part without samples

    def join(self, part: Any, is_known: bool = False) -> tuple[Any, slice] | None:
        """Return a batch on the devices, and the place of the samples of this process in it.

        Args:
            part: the samples of this process, NumPy arrays in any structure; None if it has no more.
            is_known: if True, the parts are known to have the same size in all processes, and no meeting is needed.

        Returns:
            None if no process has any samples.

        Raises:
            ValueError: in all processes, when the structures, shapes or dtypes of the parts differ, or a process has
                had no batch at all.
        """
        sizes = self._known_sizes(part) if is_known else self._meet(part)
        if not sizes.any():
            return None
        own = int(np.sum([sizes[each] for each in self._order[: self._order.index(jax.process_index())]]))
        rows = slice(own, own + int(sizes[jax.process_index()]))
        if (sizes == sizes[0]).all() and sizes[0] % self._devices == 0:
            return self._place_parts(part), rows
        most = int(sizes.max())
        part = self._empty if part is None else part
        return self._place_whole(jax.tree.map(lambda leaf: self._gather(np.asarray(leaf), sizes, most), part)), rows

    def _known_sizes(self, part: Any) -> np.ndarray:
        return np.full(jax.process_count(), 0 if part is None else _samples(part))

    def _meet(self, part: Any) -> np.ndarray:
        """Return the number of samples of each process."""
        if part is not None and self._empty is None:
            self._empty = jax.tree.map(lambda leaf: np.asarray(leaf)[:0], part)
        form = "" if self._empty is None else str(jax.tree.map(lambda leaf: (leaf.shape[1:], leaf.dtype), self._empty))
        found = processes.gather([0 if part is None else _samples(part), bool(form), zlib.crc32(form.encode())])
        sizes, has_form, forms = found.T
        if sizes.any() and not has_form.all():
            raise ValueError(
                f"Processes {np.flatnonzero(has_form == 0).tolist()} have no batches, but the others have. With "
                "process_local=True each process needs at least one batch of its own."
            )
        if (forms != forms[0]).any():
            raise ValueError(
                f"The batches of processes {np.flatnonzero(forms != forms[0]).tolist()} differ from those of process 0 "
                f"in their structure, shapes or dtypes; the shapes here (process {jax.process_index()}), without the "
                f"axis of the samples, are {form}."
            )
        return sizes.astype(int)

    def _gather(self, leaf: np.ndarray, sizes: np.ndarray, most: int) -> np.ndarray:
        """Return the samples of all processes: each sends as many as the largest part has."""
        padded = np.zeros((most, *leaf.shape[1:]), leaf.dtype)
        padded[: len(leaf)] = leaf
        found = np.asarray(multihost_utils.process_allgather(padded)).reshape(jax.process_count(), *padded.shape)
        return np.concatenate([found[each, : sizes[each]] for each in self._order])


def processes_along(mesh: Mesh, axis: str) -> tuple[list[int], int]:
    """Return the processes in the order of their devices along an axis of a mesh, and the devices of each along it.

    Raises:
        ValueError: when the devices of a process are not next to each other, are also those of another one, or are not
            as many as those of another one.
    """
    number = mesh.axis_names.index(axis)
    lines = np.moveaxis(mesh.devices, number, 0).reshape(mesh.devices.shape[number], -1)
    owners = [{device.process_index for device in line} for line in lines]
    order: list[int] = []
    for each in owners:
        if len(each) > 1:
            raise ValueError(
                f"With process_local=True each position along the axis {axis!r} of the mesh must belong to one "
                f"process; processes {sorted(each)} share one, so their samples would have to be the same. Order the "
                "devices so that the other axes lie within a process, or pass process_local=False."
            )
        if not order or order[-1] not in each:
            order += each
    counts = {process: sum(process in each for each in owners) for process in order}
    if len(counts) != len(order) or len(set(counts.values())) > 1 or len(order) != jax.process_count():
        raise ValueError(
            f"With process_local=True each process must have the same number of devices, next to each other along the "
            f"axis {axis!r} of the mesh; their processes are {[sorted(each)[0] for each in owners]}."
        )
    return order, len(lines) // len(order)


def _samples(part: Any) -> int:
    leaves = jax.tree.leaves(part)
    return int(np.shape(leaves[0])[0]) if leaves and np.ndim(leaves[0]) else 1
