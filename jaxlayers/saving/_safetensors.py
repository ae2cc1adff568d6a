"""Weights in safetensors files, which other libraries read: one named tensor for each variable.

The name of a tensor is the path of the object, which is the one in `.weights.h5` files, and the name of the variable in
its object: `layers/dense/kernel`. HDF5 files number the variables of an object instead, which would tell users of other
libraries nothing. In a container, the keys follow after dots: `layers/mine/kernels.0`. An object that stores its
variables by a method of its own chooses the last part of the name.

A file ends with its last tensor, so the seal is in the metadata: the hash of the whole file, taken with zeros in its
place. Both the key and the value show that there is a seal, so that no single changed byte can hide it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import struct
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from typing import Any

import ml_dtypes
import numpy as np
import safetensors

from jaxlayers.common import host_memory, placement
from jaxlayers.common.array_like import unwrap
from jaxlayers.files import seals
from jaxlayers.files.archive import Window
from jaxlayers.files.atomic import replacing
from jaxlayers.files.sums import Sums
from jaxlayers.files.verified import Verified
from jaxlayers.saving._content import READ_AHEAD_FROM, Content, Layout
from jaxlayers.saving.limits import MAX_PARTS, parse_json

_MAX_HEADER = 32 << 20  # bytes
_SEAL = "jaxlayers_seal"  # a key of the metadata
_DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
}  # fmt: skip


def names_of(owner: Any) -> dict[str, str]:
    """Return the names of the variables of an object by their numbers; none if its author stores them differently."""
    if not type(owner).save_own_variables.__module__.startswith("jaxlayers."):
        return {}
    paths, variables = owner._tracked_walk.paths, numbered_variables(owner)
    return {str(number): ".".join(paths[id(variable)]) for number, variable in enumerate(variables)}


def numbered_variables(owner: Any) -> list[Any]:
    """Return the variables that have numbers in HDF5 files; layers with low-rank weights have names for these."""
    return (
        owner._saved_variables_without_factors() if getattr(owner, "lora_enabled", False) else owner._saved_variables()
    )


def write(path: str, fill: Callable[[Callable[[str, str | None], Any]], None]) -> None:
    """Write a file whole or not at all; `fill` receives a function from path and name to a store."""
    tensors: dict[str, Any] = {}
    fill(lambda place, name: TensorWriter(tensors, place))
    arrays = {name: _storable(placement.to_host(unwrap(value)), name) for name, value in tensors.items()}
    # The widest dtypes come first, so that each tensor is aligned; then by name, as the library sorts them.
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    header = _header(ordered)
    with replacing(path) as temporary, open(temporary, "w+b", buffering=0) as file, Sums(file.fileno()) as sums:
        window = Window(file, 0, None, sums)
        window.write(header)
        for _, array in ordered:
            window.write(np.ascontiguousarray(array).reshape(-1).view("uint8"))
        digest = sums.hash(window.tell())
        os.pwrite(file.fileno(), digest, seals.digits_in(header, path).start)


def _header(arrays: list[tuple[str, np.ndarray]]) -> bytes:
    """Return the beginning of a file, with the place of each array in it; the library writes files in one slow pass."""
    entries: dict[str, Any] = {"__metadata__": {_SEAL: seals.PLACEHOLDER.decode()}}
    names = {dtype: name for name, dtype in _DTYPES.items()}
    start = 0
    for name, array in arrays:
        stop = start + array.nbytes
        entries[name] = {"dtype": names[array.dtype.name], "shape": list(array.shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


@contextlib.contextmanager
def opened(path: str) -> Iterator[Content]:
    """A `with` block around the content of a file, whose header is checked."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open(path, "rb", buffering=0))
        raw = _raw_header(file, path)
        header = parse_json(raw[8:], f"The header of {path!r}")
        verified = stack.enter_context(_verified(file, raw, header, path))
        try:
            with safetensors.safe_open(path, "np"):  # checks dtypes, shapes, and that the tensors fill the file
                pass
        except (safetensors.SafetensorError, ValueError, OverflowError) as error:
            raise ValueError(f"The file {path!r} is damaged, or no safetensors file: {error}.") from error
        found: dict[str, dict[str, _Tensor]] = {}
        for name, entry in header.items():
            if name != "__metadata__":
                if name.count("/") > MAX_PARTS:
                    raise ValueError(
                        f"The file {path!r} has a tensor in more than {MAX_PARTS} objects: {name[:100]!r}..."
                    )
                owner, _, key = name.rpartition("/")
                found.setdefault(owner, {})[key] = _Tensor(verified, f"{path!r}, tensor {name!r}", len(raw), entry)
        yield Content({owner: StoredTensors(owner, tensors) for owner, tensors in found.items()}, verified.check)


class TensorWriter(MutableMapping[str, Any]):
    """The variables of one object in a file that is being written.

    Args:
        tensors: the tensors of the file by name, which are added to.
        path: the path of the object.
        owner: the object, if its variables have names.
    """

    def __init__(self, tensors: dict[str, Any], path: str, owner: Any = None):
        self._tensors, self._path, self._owner = tensors, path, owner
        self._full: dict[str, str] = {}  # from keys to names of tensors

    def of(self, owner: Any) -> TensorWriter:
        """Return the same mapping for an object whose variables have names."""
        return TensorWriter(self._tensors, self._path, owner)

    def __setitem__(self, key: str, value: Any) -> None:
        names = {} if self._owner is None else names_of(self._owner)
        is_variable = key in names and value is numbered_variables(self._owner)[int(key)]
        last = names[key] if is_variable else key
        full = f"{self._path}/{last}" if self._path else last
        if "/" in last or full == "__metadata__" or full in self._tensors:
            raise ValueError(f"{full!r} cannot be the name of a tensor: it is taken, or has a slash in its last part.")
        self._full[key] = full
        self._tensors[full] = value

    def __getitem__(self, key: str) -> Any:
        return self._tensors[self._full[key]]

    def __delitem__(self, key: str) -> None:
        del self._tensors[self._full.pop(key)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._full)

    def __len__(self) -> int:
        return len(self._full)


class StoredTensors(Mapping[str, np.ndarray]):
    """The variables of one object in a file that is being read; an array is read when it is asked for.

    Args:
        path: the path of the object.
        tensors: the tensors by key.
    """

    name = None  # of the object, which this format does not keep

    def __init__(self, path: str, tensors: dict[str, _Tensor]):
        self._path, self._tensors = path, tensors

    def of(self, owner: Any) -> StoredTensors:
        """Return the mapping with the numbers that an object gives its variables in the place of their names."""
        names = {name: number for number, name in names_of(owner).items() if number not in self._tensors}
        tensors = {names.get(key, key): tensor for key, tensor in self._tensors.items()}
        return StoredTensors(self._path, tensors)

    def __getitem__(self, key: str) -> np.ndarray:
        return self._tensors[key].read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def read_ahead(self, layouts: Collection[Layout]) -> None:
        """Read the large arrays that have one of these layouts."""
        for tensor in self._tensors.values():
            tensor.read_ahead(layouts)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array, without reading it."""
        return {key: tensor.shape for key, tensor in self._tensors.items()}


class _Tensor:
    """A tensor in an open file."""

    def __init__(self, file: Verified, what: str, data_start: int, entry: Any):
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"The file {what} has the dtype {entry['dtype']!r}, which no weight has.")
        self.dtype = np.dtype(_DTYPES[entry["dtype"]])
        self.shape = tuple(entry["shape"])
        self._file, self._what, self._start = file, what, data_start + entry["data_offsets"][0]
        self._ahead: np.ndarray | None = None

    def read_ahead(self, layouts: Collection[Layout]) -> None:
        """Read the array if it is large and has one of these layouts."""
        size = math.prod(self.shape) * self.dtype.itemsize
        if size >= READ_AHEAD_FROM and (self.shape, self.dtype.itemsize) in layouts:
            self._ahead = self.read()

    def read(self) -> np.ndarray:
        """Return the array."""
        if self._ahead is not None:
            array, self._ahead = self._ahead, None
            return array
        array = host_memory.empty(self.shape, self.dtype)
        view = memoryview(array.reshape(-1).view(np.uint8)) if array.size else memoryview(b"")  # type: ignore[arg-type]
        start = self._start
        while len(view):
            if not (count := self._file.read_into(view, start)):
                raise ValueError(f"The file {self._what} ends too early.")
            view, start = view[count:], start + count
        return host_memory.hand_over(array)


def _storable(array: np.ndarray, name: str) -> np.ndarray:
    """Return an array in memory order, in a dtype that the format has: small numbers that it lacks are widened."""
    if array.dtype.name not in _DTYPES.values():
        narrow = array.dtype.kind == "V" or array.dtype.name in ("int4", "uint4", "int2", "uint2")
        if not narrow or not hasattr(ml_dtypes, array.dtype.name):
            raise ValueError(
                f"{name!r} has the dtype {array.dtype}, which safetensors files lack. Save to .weights.h5."
            )
        array = array.astype(np.int8 if "int" in array.dtype.name else np.float16)
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


def _raw_header(file: Any, path: str) -> bytes:
    """Return the length of the header, eight bytes, and the header."""
    file.seek(0)
    start = file.read(8)
    (length,) = struct.unpack("<Q", start) if len(start) == 8 else (0,)
    size = os.fstat(file.fileno()).st_size
    if not 2 <= length <= min(_MAX_HEADER, size - 8):
        raise ValueError(f"The file {path!r} is damaged, or no safetensors file: its header has {length} bytes.")
    return start + file.read(length)


def _verified(file: Any, raw: bytes, header: Any, path: str) -> Verified:
    """Return the file, to be compared with the hash in its metadata, if it has one: other programs write none."""
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not seals.has_mark(json.dumps(metadata).encode(), _SEAL):
        return Verified(file, path, 0, None)
    digits, size = seals.digits_in(raw, path), os.fstat(file.fileno()).st_size
    return Verified(file, path, size, raw[digits], seals.without_digits(raw, digits))
