"""Small values that the processes of a training exchange, so that all of them decide alike.

Each function here, unless it says otherwise, is a meeting of all processes: it returns when all have called it, in the
same order. They are called when a run begins or an epoch ends. `add_up` is called in each step, and does not wait.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def gather(values: Sequence[int]) -> np.ndarray:
    """Return the integers of all processes, `[process, value]`.

    Args:
        values: integers from 0 to 2**32 - 1, of the same number in each process.
    """
    own = np.asarray(values, np.uint32)
    return np.asarray(multihost_utils.process_allgather(own)).reshape(jax.process_count(), own.size)


def is_any(flag: bool) -> bool:
    """Return True in all processes if a flag is True in one of them."""
    return bool(gather([int(flag)]).any())


def add_up(flag: bool) -> jax.Array:
    """Return the number of processes whose flag is True, as a scalar array that each process has.

    This is no meeting: the sum is computed on the devices, after what they have been given before. All processes must
    call it, in the same order.
    """
    total, flags = _adder()
    return total(flags[bool(flag)])


@functools.cache
def _adder() -> tuple[Callable[[jax.Array], jax.Array], list[jax.Array]]:
    """Return the compiled sum over one device of each process, and its inputs: False and True in this process."""
    devices = {device.process_index: device for device in reversed(jax.devices())}
    mesh = Mesh([devices[process] for process in sorted(devices)], ("process",))
    split, whole = NamedSharding(mesh, PartitionSpec("process")), NamedSharding(mesh, PartitionSpec())
    own = [np.full(1, flag, np.int32) for flag in (0, 1)]
    flags = [jax.make_array_from_process_local_data(split, flag) for flag in own]
    return jax.jit(lambda values: values.sum(), out_shardings=whole), flags


def from_first(value: float) -> float:
    """Return the number that the first process has, rounded to float32."""
    return float(multihost_utils.broadcast_one_to_all(np.float32(value)))


def print_once(text: str) -> None:
    """Print a line in the first process alone. This is no meeting."""
    if jax.process_index() == 0:
        print(text)


def sum_of(data: bytes) -> int:
    """Return a checksum of bytes. This is no meeting."""
    return zlib.crc32(data)


def find_differences(sums: Mapping[str, int]) -> dict[str, list[int]]:
    """Return the names whose checksums differ, each with the processes that differ from the first one.

    Args:
        sums: the checksums of this process, by names that are the same in all processes.
    """
    found = gather(list(sums.values()))
    return {
        name: np.flatnonzero(column != column[0]).tolist()
        for name, column in zip(sums, found.T, strict=True)
        if (column != column[0]).any()
    }
