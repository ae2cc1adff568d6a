"""Weights in several HDF5 files, shards, and an index that says which of them holds each object: Keras's format.

The shards of each save have names of their own, which Keras takes from the index. So the old set stays whole until the
new index, which is written last, takes the place of the old one; only then are the old shards removed. The index holds
the seal of each shard, and its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import numpy as np

from jaxlayers.common import placement
from jaxlayers.common.array_like import unwrap
from jaxlayers.files import seals
from jaxlayers.files.atomic import flush_to_disk, replacing
from jaxlayers.saving import _hdf5, _hdf5_files
from jaxlayers.saving._model_archive import parse_json

DEFAULT_SIZE = 5.0  # GB
_MAX_INDEX = 32 << 20  # bytes
_SEAL, _SHARDS = "jaxlayers_seal", "jaxlayers_shards"  # in the metadata of the index
_ENDING = ".weights.h5"


def write(path: str, fill: Callable[[Callable[[str, str | None], Any]], None], max_size: float | None = None) -> None:
    """Write an index and its shards, all of them or none.

    Args:
        path: the path of the index.
        fill: receives a function from path and name to a store.
        max_size: the largest size of a shard, in GB. 5 by default.

    Raises:
        ValueError: when an array is larger than a shard may be.
    """
    limit = (DEFAULT_SIZE if max_size is None else float(max_size)) * 2**30
    if not limit > 0:
        raise ValueError(f"max_shard_size must be a positive number of GB; received {max_size}.")
    folder, base = os.path.dirname(os.path.realpath(path)), _base_name(path)
    first = os.path.join(folder, f"{base}_00000{_ENDING}")
    former = _old_shards(path, base)
    with replacing(path) as index:
        writer = _ShardWriter(index.removesuffix(".partial"), f"{base}_{uuid.uuid4().hex[:12]}", limit)
        try:
            fill(writer.store)
            writer.close()
            with open(index, "wb") as file:
                file.write(writer.index())
            if not os.path.exists(first):  # Keras opens it before it looks at the index
                _hdf5_files.write(first, lambda make_store: None)
            writer.move_to(folder)
        except BaseException:
            writer.discard(folder)
            raise
    for name in former:
        if name == os.path.basename(first):
            _hdf5_files.write(first, lambda make_store: None)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(folder, name))


@contextlib.contextmanager
def opened(path: str) -> Iterator[dict[str, Any]]:
    """A `with` block around the checked content of an index and its shards."""
    index = _read_index(path)
    named = {owner: [names] if isinstance(names, str) else names for owner, names in index["weight_map"].items()}
    metadata = index.get("metadata")
    hashes = metadata.get(_SHARDS) if isinstance(metadata, dict) else None
    found: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        for name in sorted({name for names in named.values() for name in names}):
            shard = _path_of_shard(path, name)
            stored = stack.enter_context(_hdf5_files.opened(shard))
            if isinstance(hashes, dict) and _seal_of(shard) != hashes.get(name):
                raise ValueError(f"The file {shard!r} is not the one that was saved with the index {path!r}.")
            for owner, variables in stored.items():
                if name in named.get(f"/{owner}/vars" if owner else "/vars", ()):
                    found[owner] = found[owner].joined(variables) if owner in found else variables
        for group in named:
            if group.removesuffix("vars").strip("/") not in found:
                raise ValueError(f"The shards of {path!r} do not have {group!r}, which the index names.")
        yield found


class _ShardWriter:
    """The shards that are being written, with temporary names.

    Args:
        temporary: the beginning of the temporary paths.
        name: the beginning of the final names.
        limit: the largest size of a shard, in bytes.
    """

    def __init__(self, temporary: str, name: str, limit: float):
        self._temporary, self._name, self._limit = temporary, name, limit
        self._paths: dict[str, str] = {}  # final name -> temporary path
        self._map: dict[str, list[str]] = {}
        self._file: Any = None
        self._open = contextlib.ExitStack()
        self._size, self._total = 0, 0

    def store(self, path: str, name: str | None) -> _Store:
        """Return the store for the variables of an object."""
        return _Store(self, path, name)

    def put(self, path: str, name: str | None, key: str, array: np.ndarray) -> Any:
        """Write an array to the current shard, or to a new one if it is full; return the mapping that holds it."""
        if array.nbytes > self._limit:
            raise ValueError(
                f"The array {key!r} of {path!r} has {array.nbytes} bytes, more than a shard of {self._limit:.0f} bytes "
                "can hold. Pass a larger max_shard_size."
            )
        if self._file is None or self._size + array.nbytes > self._limit:
            self._next_shard()
        self._size += array.nbytes
        self._total += array.nbytes
        variables = _hdf5.VariableWriter(self._file, path, name)
        variables[key] = array
        shards = self._map.setdefault(f"/{path}/vars" if path else "/vars", [])
        if (current := list(self._paths)[-1]) not in shards:
            shards.append(current)
        return variables

    def _next_shard(self) -> None:
        self.close()
        number = len(self._paths)
        temporary = self._paths[f"{self._name}_{number:05}{_ENDING}"] = f"{self._temporary}-{number}.partial"
        self._file = self._open.enter_context(_hdf5_files.sealing(temporary))
        self._size = 0

    def close(self) -> None:
        """Seal the current shard."""
        if self._file is not None:
            self._file = None
            self._open.close()
            flush_to_disk(list(self._paths.values())[-1])

    def index(self) -> bytes:
        """Return the index."""
        seal = seals.PLACEHOLDER.decode()
        hashes = {name: _seal_of(path) for name, path in self._paths.items()}
        metadata = {"total_size": self._total, _SEAL: seal, _SHARDS: hashes}
        weight_map = {group: names if len(names) > 1 else names[0] for group, names in self._map.items()}
        return seals.seal_text(json.dumps({"metadata": metadata, "weight_map": weight_map}, indent=1).encode())

    def move_to(self, folder: str) -> None:
        """Give the shards their final names."""
        for name, temporary in self._paths.items():
            os.replace(temporary, os.path.join(folder, name))
        flush_to_disk(folder)

    def discard(self, folder: str) -> None:
        """Remove the shards after a failure."""
        self._open.close()
        for name, temporary in self._paths.items():
            for remains in (temporary, os.path.join(folder, name)):
                with contextlib.suppress(FileNotFoundError):
                    os.remove(remains)


class _Store(MutableMapping[str, Any]):
    """The variables of one object, which may go to several shards."""

    def __init__(self, writer: _ShardWriter, path: str, name: str | None):
        self._writer, self._path, self._name = writer, path, name
        self._arrays: dict[str, np.ndarray] = {}

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self._arrays:
            raise ValueError(f"The array {key!r} of {self._path!r} is stored twice.")
        array = placement.to_host(unwrap(value))
        self._writer.put(self._path, self._name, key, array)
        self._arrays[key] = array

    def __getitem__(self, key: str) -> np.ndarray:
        return self._arrays[key]

    def __delitem__(self, key: str) -> None:
        raise TypeError("An array that went to a shard cannot be removed.")

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def _base_name(path: str) -> str:
    return os.path.basename(os.path.realpath(path)).removesuffix(".json").removesuffix(".weights")


def _seal_of(path: str) -> str:
    """Return the last digits of a file, which are those of its seal."""
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 64))
        return file.read().decode("ascii", "replace")


def _read_index(path: str) -> Any:
    with open(path, "rb") as file:
        text = file.read(_MAX_INDEX + 1)
    if len(text) > _MAX_INDEX:
        raise ValueError(f"The file {path!r} has more than {_MAX_INDEX} bytes, too many for an index of shards.")
    if seals.has_mark(text, _SEAL):
        seals.check_text(text, path)
    index = parse_json(text, f"The file {path!r}")
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not all(
        isinstance(name, str) and name
        for names in weight_map.values()
        for name in (names if isinstance(names, list) and names else [names])
    ):
        raise ValueError(f"The file {path!r} is no index of shards: it has no 'weight_map' from groups to files.")
    return index


def _path_of_shard(index: str, name: str) -> str:
    """Return the path of a shard, which lies beside its index.

    Raises:
        ValueError: when it does not, or there is none.
    """
    if not name.endswith(_ENDING) or re.search(r"[/\\:\x00-\x1f]", name):
        raise ValueError(f"{index!r} names {name!r}, which is no name of a shard beside it.")
    path = os.path.join(os.path.dirname(index), name)
    if not os.path.isfile(path):
        raise ValueError(f"The shard {path!r}, which the index {index!r} names, is missing.")
    folders = {os.path.realpath(os.path.dirname(index) or "."), os.path.dirname(os.path.realpath(index))}
    if (
        os.path.dirname(os.path.realpath(path)) not in folders
    ):  # a link; caches of downloads have them, beside the index
        raise ValueError(f"The shard {path!r} is a link that leads away from the index {index!r}.")
    return path


def _old_shards(path: str, base: str) -> list[str]:
    """Return the names of the shards of an index that is to be replaced, as far as they look like shards of it."""
    try:
        weight_map = _read_index(path)["weight_map"]
    except (OSError, ValueError):
        return []
    names = {name for names in weight_map.values() for name in ([names] if isinstance(names, str) else names)}
    return sorted(
        name for name in names if re.fullmatch(rf"{re.escape(base)}_([0-9a-f]{{12}}_)?\d{{5}}{_ENDING}", name)
    )
