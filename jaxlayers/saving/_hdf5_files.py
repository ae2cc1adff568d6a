"""Single HDF5 files of weights, with a seal at their end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import h5py

from jaxlayers.files import seals
from jaxlayers.files.archive import Window
from jaxlayers.files.atomic import replacing
from jaxlayers.files.sums import Sums
from jaxlayers.saving import _hdf5


def write(path: str, fill: Callable[[Callable[[str, str | None], Any]], None]) -> None:
    """Write a file whole or not at all; `fill` receives a function from path and name to a store."""
    with replacing(path) as temporary:
        write_sealed(temporary, fill)


def write_sealed(path: str, fill: Callable[[Callable[[str, str | None], Any]], None]) -> None:
    """Write a file at a path, with its seal."""
    with sealing(path) as file:
        fill(lambda place, name: _hdf5.VariableWriter(file, place, name))


@contextlib.contextmanager
def sealing(path: str) -> Iterator[h5py.File]:
    """A `with` block around a new file, which has a seal at the end of the block."""
    with open(path, "w+b", buffering=0) as raw, Sums(raw.fileno()) as sums:
        with _hdf5.writing_to(Window(raw, 0, None, sums)) as file:
            file.attrs[_hdf5.SEAL_MARK] = True
            yield file
        seals.seal(raw, sums)


@contextlib.contextmanager
def opened(path: str) -> Iterator[dict[str, Any]]:
    """A `with` block around the checked content of a file."""
    with open(path, "rb", buffering=0) as file:
        if sealed := seals.is_sealed(file):
            seals.check(file, path)
        size = os.fstat(file.fileno()).st_size
        opened_file, stored = _hdf5.read(Window(file, 0, size), f"The file {path!r}")
        with opened_file:
            if _hdf5.is_marked_as_sealed(opened_file) and not sealed:
                seals.check(file, path)
            yield stored
