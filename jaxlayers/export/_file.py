"""The exported file: a sealed zip archive of plain data.

`manifest.json` describes the endpoints, weights and collections. Programs are members below `programs`, arrays are
members below `arrays`: raw bytes in C order, least significant byte first. Nothing in a file is imported or run when it
is opened. The hash of the whole file, and the size of each member, are checked before anything is made from it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.files import kinds
from jaxlayers.files.archive import Archive, ArchiveWriter
from jaxlayers.files.atomic import replacing
from jaxlayers.saving.limits import MAX_TEXT, parse_json

FORMAT, VERSION = "jaxlayers.export", 1
_MANIFEST = "manifest.json"
_MEMBER = re.compile(r"(programs|arrays)/\d+")
_LARGEST_MANIFEST = MAX_TEXT  # bytes
# The exceptions of data that is not in the form that was written.
_MALFORMED = (KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError, NotImplementedError)


class Writer:
    """The members of a file that is being written."""

    def __init__(self, archive: ArchiveWriter):
        self._archive = archive
        self._count = 0

    def add_bytes(self, folder: str, data: Any) -> str:
        """Write a member; return its name."""
        name = f"{folder}/{self._count}"
        self._count += 1
        self._archive.add(name, data)
        return name

    def add_array(self, array: Any) -> dict[str, Any]:
        """Write an array; return its description. A key of `jax.random` is written as its data."""
        key = None
        if isinstance(array, jax.Array) and jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
            array, key = jax.random.key_data(array), str(jax.random.key_impl(array))
        host = np.asarray(array)
        if host.dtype.kind in "iufc" and host.dtype.itemsize > 1:
            host = host.astype(host.dtype.newbyteorder("<"), copy=False)
        flat: Any = np.ascontiguousarray(host).reshape(-1).view("uint8")
        member = self.add_bytes("arrays", memoryview(flat))
        return {"member": member, "shape": list(host.shape), "dtype": host.dtype.name, "key": key}

    def add_manifest(self, manifest: dict[str, Any]) -> None:
        """Write the manifest."""
        self._archive.add(_MANIFEST, json.dumps({"format": FORMAT, "version": VERSION, **manifest}).encode())


@contextlib.contextmanager
def writing(path: Any) -> Iterator[Writer]:
    """Write a file beside its target, and put it in the place of the target once it is complete and on the disk."""
    with replacing(path) as temporary, ArchiveWriter(temporary) as archive:
        yield Writer(archive)


class Reader:
    """A file that has been checked, and its manifest.

    Attributes:
        path: the path of the file.
        manifest: the content of `manifest.json`.
    """

    def __init__(self, archive: Archive):
        self.path = archive.name
        self._archive = archive
        self.manifest: dict[str, Any] = parse_json(
            archive.read(_MANIFEST, _LARGEST_MANIFEST), f"The file {archive.name!r}, member {_MANIFEST!r}"
        )
        if not isinstance(self.manifest, dict) or self.manifest.get("format") != FORMAT:
            raise ValueError(f"its member {_MANIFEST!r} does not say that it has the format {FORMAT!r}")
        if self.manifest.get("version") != VERSION:
            raise ValueError(
                f"it has version {self.manifest.get('version')!r} of the format, and this version of jaxlayers reads "
                f"version {VERSION}"
            )

    def read(self, name: str) -> bytes:
        """Return the bytes of a member."""
        return self._archive.read(name, os.path.getsize(self.path))

    def read_array(self, description: Any) -> np.ndarray:
        """Return the array that `Writer.add_array` has written, or the data of a key."""
        shape, name = tuple(description["shape"]), description["member"]
        if not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError(f"the array in its member {name!r} has the shape {shape}")
        dtype = dtype_of(description["dtype"])
        data = self.read(name)
        if math.prod(shape) * dtype.itemsize != len(data):
            raise ValueError(
                f"its member {name!r} has {len(data)} bytes, which are no array of shape {shape} and dtype {dtype.name}"
            )
        return np.frombuffer(data, dtype).reshape(shape)


@contextlib.contextmanager
def reading(path: Any) -> Iterator[Reader]:
    """Open a file and check it.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is no exported file, or is damaged; the message names the file and the member.
    """
    kinds.check(path, "an exported file", ("export",))
    with Archive(path, lambda name: name == _MANIFEST or _MEMBER.fullmatch(name)) as archive:
        _check_hash(archive)
        try:
            yield Reader(archive)
        except _MALFORMED as error:
            raise ValueError(
                f"The file {archive.name!r} cannot be loaded: its member {_MANIFEST!r} is malformed "
                f"({type(error).__name__}: {error})."
            ) from None
        except ValueError as error:
            message = str(error)
            if archive.name not in message:
                message = f"The file {archive.name!r} cannot be loaded: {message.rstrip('.')}."
            raise ValueError(message) from error.__cause__


def _check_hash(archive: Archive) -> None:
    try:
        archive.check_seal()
    except ValueError:
        archive.check_sums()  # names the damaged member
        raise


def dtype_of(name: Any) -> np.dtype:
    """Return the dtype of arrays with a name.

    Raises:
        ValueError: when JAX has no arrays of such a dtype, or none until 64-bit numbers are turned on.
    """
    try:
        dtype = jnp.dtype(name) if type(name) is str else None
    except TypeError:
        dtype = None
    if dtype is None or dtype.name != name or not (name == "bool" or jnp.issubdtype(dtype, jnp.number)):
        raise ValueError(f"it has arrays of dtype {name!r}, which this version of JAX does not have")
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise ValueError(
            f"it has arrays of dtype {name}, and 64-bit numbers are turned off: call "
            "jax.config.update('jax_enable_x64', True) first"
        )
    return dtype
