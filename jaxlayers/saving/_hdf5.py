"""Weights in HDF5 files, as Keras 3 lays them out: the group `<path>/vars` holds the variables of one object.

A file that is read is checked whole before an array is read: only plain links to groups and data sets of numbers, no
storage outside of the file, no plug-ins, and no data set that declares more than is stored.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import h5py
import ml_dtypes
import numpy as np

from jaxlayers.common import host_memory, placement
from jaxlayers.common.array_like import unwrap
from jaxlayers.files.archive import Window
from jaxlayers.saving._hdf5_guard import GuardedFile, open_file
from jaxlayers.saving.limits import MAX_PARTS

_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
_MAX_EXPANSION = 100  # of compressed arrays; numbers hardly shrink, and Keras does not compress
_FREE_EXPANSION = 1 << 20  # bytes that a compressed array may have in any case
_MAX_OBJECTS = 50_000  # groups and arrays of a file: several times as many as the largest models have
_LARGE = 1 << 20  # bytes
_MAX_NAME = 1 << 10  # bytes of an attribute that is read
VARIABLES = "vars"  # the name of the group with the variables of an object
SEAL_MARK = "jaxlayers_sealed"  # an attribute of the root: the file ends with a seal
_OTHER_DTYPES = ("bfloat16", "float8_", "float4_", "float6_", "int4", "uint4", "int2", "uint2", "int1", "uint1")


class StoredVariables(Mapping[str, np.ndarray]):
    """The variables of one object in a file that is being read; an array is read when it is asked for.

    Args:
        place: the file and the path, for messages.
        datasets: the checked data sets by name.
        name: the name of the object in the file, or None.
    """

    def __init__(self, place: str, datasets: dict[str, h5py.Dataset], name: str | None = None):
        self._place, self._datasets, self.name = place, datasets, name

    def __getitem__(self, key: str) -> np.ndarray:
        dataset = self._datasets[key]
        try:
            array = host_memory.empty(dataset.shape, dataset.dtype)
            if array.size:
                dataset.read_direct(array)
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{self._place}: the array {key!r} cannot be read: {error}.") from error
        return host_memory.hand_over(array.view(_dtype(dataset)) if array.dtype.kind == "V" else array)

    def __iter__(self) -> Iterator[str]:
        return iter(self._datasets)

    def __len__(self) -> int:
        return len(self._datasets)

    def joined(self, other: StoredVariables) -> StoredVariables:
        """Return these variables and others of the same object, which are in another file.

        Raises:
            ValueError: when one of them is in both.
        """
        if twice := set(self) & set(other):
            raise ValueError(f"{self._place}: the arrays {sorted(twice)} are there twice, also in {other._place}.")
        return StoredVariables(self._place, self._datasets | other._datasets, self.name)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array, without reading it."""
        return {key: dataset.shape for key, dataset in self._datasets.items()}


class VariableWriter(MutableMapping[str, Any]):
    """The variables of one object in a file that is being written; the group is made with the first of them."""

    def __init__(self, file: h5py.File, path: str, name: str | None):
        self._file, self._path = file, f"{path}/{VARIABLES}" if path else VARIABLES
        self._group: Any = {}
        if name is not None:
            self._make_group().attrs["name"] = name

    def _make_group(self) -> Any:
        if not isinstance(self._group, h5py.Group):
            self._group = self._file.require_group(self._path)
        return self._group

    def __setitem__(self, key: str, value: Any) -> None:
        array = placement.to_host(unwrap(value))
        if array.nbytes > _LARGE:
            dataset = self._make_group().create_dataset(key, array.shape, array.dtype, dcpl=_allocated_at_once())
            self._file.flush()  # nothing that was written, and perhaps hashed, before the data is changed after it
            dataset.write_direct(array)
        else:
            dataset = self._make_group().create_dataset(key, data=array)
        if array.dtype.kind == "V":  # a dtype that HDF5 lacks
            dataset.attrs["dtype"] = array.dtype.name

    def __getitem__(self, key: str) -> Any:
        return self._group[key][()]

    def __delitem__(self, key: str) -> None:
        del self._group[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._group)

    def __len__(self) -> int:
        return len(self._group)


@contextlib.contextmanager
def creating(path: str) -> Iterator[h5py.File]:
    """A `with` block around a new file, which Python writes: so a full disk is an `OSError`, wherever it is noticed."""
    with open(path, "w+b", buffering=0) as raw, writing_to(Window(raw, 0, None)) as file:
        yield file


@contextlib.contextmanager
def writing_to(window: Window) -> Iterator[h5py.File]:
    """A `with` block around a new HDF5 file in a window; an error of the disk is raised at its end."""
    window.keeps_errors = True
    try:
        with h5py.File(window, "w") as file:
            yield file
    except Exception as error:
        if window.failure is not None:
            raise window.failure from error
        raise
    if window.failure is not None:
        raise window.failure


def _allocated_at_once() -> Any:
    """Return the properties of a data set whose place in the file is known before its data."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return properties


def read(file: Window, place: str) -> tuple[h5py.File, dict[str, StoredVariables]]:
    """Open a file and check all of it.

    Args:
        file: the file, open for reading.
        place: its name, for messages.

    Returns:
        The open file, to be closed by the caller, and the variables of each object by path.

    Raises:
        ValueError: when it is no HDF5 file of weights, is damaged, or has something that such a file must not have.
    """
    opened, guarded = None, GuardedFile(file)
    try:
        with guarded.checking_heaps():
            opened = open_file(guarded)
            return opened, _check_group(opened, place, guarded)
    except (OSError, RuntimeError, KeyError, TypeError, OverflowError) as error:
        problem: Exception = ValueError(f"{place} is damaged, or no HDF5 file of weights: {error}.")
        problem.__cause__ = error
    except ValueError as error:
        is_clear = str(error).startswith(place)
        problem = error if is_clear else ValueError(f"{place} is damaged, or no HDF5 file of weights: {error}.")
    if opened is not None:
        opened.close()
    raise problem


def is_marked_as_sealed(opened: h5py.File) -> bool:
    """True if a file says that it ends with a seal."""
    return SEAL_MARK in opened.attrs


def _check_group(root: h5py.File, place: str, guarded: GuardedFile) -> dict[str, StoredVariables]:
    """Walk through a file without following anything out of it; return the variables by the paths of their objects."""
    found: dict[str, StoredVariables] = {}
    seen: set[Any] = set()
    stored, size = 0, root.id.get_filesize()
    waiting: list[tuple[str, Any]] = [("", root["/"])]
    while waiting:
        path, group = waiting.pop()
        is_variables = path.rsplit("/", 1)[-1] == VARIABLES
        datasets: dict[str, h5py.Dataset] = {}
        if len(seen) + len(group) > _MAX_OBJECTS or path.count("/") > MAX_PARTS:
            raise ValueError(
                f"{place} has more than {_MAX_OBJECTS} groups and arrays, or groups more than {MAX_PARTS} deep."
            )
        for name in group:
            if not isinstance(name, str):
                raise ValueError(f"{place}: {path!r} has the name {name!r}, which is no text.")
            inside = f"{path}/{name}" if path else name
            if group.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
                raise ValueError(f"{place}: {inside!r} is a link, which a file of weights must not have.")
            item = group[name]
            info = h5py.h5o.get_info(item.id)
            identity = (info.fileno, info.addr)
            if identity in seen:
                raise ValueError(f"{place}: {inside!r} can be reached in two ways, as no object of a file may be.")
            seen.add(identity)
            if isinstance(item, h5py.Group):
                waiting.append((inside, item))
            elif isinstance(item, h5py.Dataset):
                check_dataset(item, f"{place}: {inside!r}", guarded)
                datasets[name] = item
                stored += item.id.get_storage_size()
                if stored > size:
                    raise ValueError(f"{place}: arrays share their place in the file, which has only {size} bytes.")
            else:
                raise ValueError(f"{place}: {inside!r} is neither a group nor an array.")
        if is_variables:
            owner = path[: -len(VARIABLES)].rstrip("/")
            found[owner] = StoredVariables(
                f"{place}, {owner or 'the model itself'!r}", datasets, _text(group, "name", guarded)
            )
        elif datasets:
            names = ", ".join(sorted(datasets))
            raise ValueError(
                f"{place}: the arrays {names} lie outside of a group {VARIABLES!r}, so this is no file of weights of "
                "Keras 3."
            )
    return found


def check_dataset(dataset: h5py.Dataset, place: str, guarded: GuardedFile) -> None:
    """Check that a data set holds numbers, all of them in this file.

    Raises:
        ValueError: otherwise.
    """
    properties = dataset.id.get_create_plist()
    if dataset.is_virtual or properties.get_external_count():
        raise ValueError(f"{place} is stored outside of the file, which is not allowed.")
    filters = [properties.get_filter(number)[0] for number in range(properties.get_nfilters())]
    if not set(filters) <= _FILTERS:
        raise ValueError(f"{place} needs a plug-in of HDF5 (filters {filters}), which is not allowed.")
    if dataset.shape is None or dataset.dtype.kind not in "biufcV" or dataset.dtype.names or dataset.dtype.hasobject:
        raise ValueError(f"{place} does not hold numbers, but {dataset.dtype}.")
    if dataset.dtype.kind == "V":
        _dtype(dataset, place, guarded)
    declared, stored = dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size()
    limit = max(_FREE_EXPANSION, stored * _MAX_EXPANSION) if filters and stored else stored
    if declared > limit:
        raise ValueError(
            f"{place} declares the shape {dataset.shape} of {declared} bytes, but only {stored} are stored."
        )


def _dtype(dataset: h5py.Dataset, place: str = "", guarded: GuardedFile | None = None) -> np.dtype:
    """Return the dtype of an array whose dtype HDF5 lacks: it is named in an attribute. `guarded` checks this one."""
    name = _text(dataset, "dtype", guarded) or ""
    if name.startswith(_OTHER_DTYPES) and hasattr(ml_dtypes, name):
        dtype = np.dtype(getattr(ml_dtypes, name))
        if dtype.itemsize == dataset.dtype.itemsize:
            return dtype
    raise ValueError(f"{place or repr(dataset.name)} has the unknown dtype {name or str(dataset.dtype)!r}.")


def _text(item: Any, name: str, guarded: GuardedFile | None) -> str | None:
    """Return a short string attribute, or None."""
    if name not in item.attrs or item.attrs.get_id(name).get_storage_size() > _MAX_NAME:
        return None
    if guarded is not None:
        guarded.check_texts(item, name, _MAX_NAME)
    value = item.attrs[name]
    return value if isinstance(value, str) and len(value) <= _MAX_NAME else None
