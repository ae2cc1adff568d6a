"""Tell from its first bytes what kind of file a path leads to, for errors that say how to read it instead.

A file is opened for reading once before its own reader opens it: a missing one, a directory, an empty file, a pipe or
a file of another program each get a clear error. A file of unknown kind is left to the reader.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Collection

# By kind: a description, and how to read such a file.
_KINDS = {
    "empty": ("is empty", "Its writing was interrupted, or the disk was full: use a copy."),
    "special": ("is a pipe or a device", "Copy its content to a file."),
    "directory": ("is a directory", "Pass the path of the file in it."),
    "saved model": (
        "is a directory in TensorFlow's SavedModel format",
        "Load it with TensorFlow, and save the model or its weights with Keras, as '.keras' or '.weights.h5'.",
    ),
    "checkpoint": ("is a checkpoint of a training", "Read it with jaxlayers.checkpoint.restore."),
    "model directory": ("is a directory with a model", "Read it with jaxlayers.models.load_model."),
    "keras": ("is a model of Keras", "Read it with jaxlayers.models.load_model, under a name that ends in '.keras'."),
    "export": ("is a file of model.export", "Read it with jaxlayers.export.load."),
    "hdf5": (
        "is an HDF5 file",
        "If Keras wrote it, its name must end in '.weights.h5' for the weights of Keras 3, and in '.h5' for older ones "
        "and for whole models.",
    ),
    "safetensors": (
        "is a safetensors file",
        "Read it with model.load_weights, under a name that ends in '.safetensors'.",
    ),
    "pytorch": (
        "is a PyTorch file",
        "Read it with PyTorch, and assign its arrays with set_weights(), or save them with safetensors.",
    ),
    "npz": ("has arrays of NumPy", "Read them with numpy.load, and assign them with set_weights()."),
    "pickle": (
        "is a pickle",
        "A pickle can run any code, so it is not opened here. If you trust it, read it with the program that wrote it, "
        "and assign its arrays with set_weights().",
    ),
    "gzip": ("is compressed by gzip", "Unpack it first."),
}
_MEMBERS = {"config.json": "keras", "metadata.json": "keras", "model.weights.h5": "keras", "manifest.json": "export"}
_START = 1024  # bytes that are looked at


def kind_of(path: str | os.PathLike[str]) -> str | None:
    """Return the kind of a file or directory, or None if it is not known.

    Raises:
        OSError: if there is no such file, or it cannot be read.

    Example:
        >>> import os, tempfile, numpy as np
        >>> path = os.path.join(tempfile.mkdtemp(), "arrays.npz")
        >>> np.savez(path, a=np.ones(3))
        >>> kind_of(path)
        'npz'
    """
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        return _kind_of_directory(path)
    if not stat.S_ISREG(status.st_mode):
        return "special"
    with open(path, "rb") as file:
        start = file.read(_START)
    return _kind_of_bytes(start, status.st_size)


def check(path: str | os.PathLike[str], what: str, allowed: Collection[str]) -> None:
    """Check that a file may be of the kind that its reader expects.

    Args:
        path: the path of the file.
        what: what is read from it, for the message, such as `"a model"`.
        allowed: the kinds that are no error.

    Raises:
        FileNotFoundError: if there is no such file.
        IsADirectoryError: if it is a directory, which is not allowed.
        ValueError: if it is of another known kind.
    """
    name = os.fspath(path)
    try:
        kind = kind_of(path)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"There is no file {name!r}.") from None
    if kind is None or kind in allowed:
        return
    message = f"Cannot read {what} from {name!r}: it {'. '.join(_KINDS[kind])}"
    raise IsADirectoryError(message) if os.path.isdir(path) else ValueError(message)


def advice(path: str | os.PathLike[str]) -> str:
    """Return a sentence on what a file is and how to read it, with a space before it; empty if that is not known."""
    try:
        kind = kind_of(path)
    except OSError:
        return ""
    return "" if kind is None else f" This one {'. '.join(_KINDS[kind])}"


def _kind_of_directory(path: str | os.PathLike[str]) -> str:
    names = {"saved_model.pb": "saved model", "hashes.json": "checkpoint", "config.json": "model directory"}
    found = (kind for name, kind in names.items() if os.path.lexists(os.path.join(path, name)))
    return next(found, "directory")


def _kind_of_bytes(start: bytes, size: int) -> str | None:
    if size == 0:
        return "empty"
    # First: the length of the header, with which the file begins, may look like the beginning of another kind.
    if len(start) > 8 and struct.unpack_from("<Q", start)[0] <= size - 8 and start[8:9] == b"{":
        return "safetensors"
    if start.startswith(b"PK\x03\x04") and len(start) >= 30:
        (length,) = struct.unpack_from("<H", start, 26)
        return _kind_of_archive(start[30 : 30 + length].decode("utf-8", "replace"))
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if start.startswith(b"\x93NUMPY"):
        return "npz"
    if start.startswith(b"\x1f\x8b"):
        return "gzip"
    if start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "pickle"
    return None


def _kind_of_archive(first: str) -> str | None:
    """Return the kind of a zip archive by the name of its first member."""
    if first.endswith("/data.pkl"):
        return "pytorch"
    if first.endswith(".npy"):
        return "npz"
    return "export" if first.startswith(("programs/", "arrays/")) else _MEMBERS.get(first)
