"""MNIST: 70,000 handwritten digits, 28 by 28 pixels.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", Proceedings of
the IEEE 86 (1998), doi:10.1109/5.726791. The four original files are gzipped arrays in the idx format: two zero bytes,
a byte for the dtype (8: uint8), a byte for the number of axes, a big-endian 32-bit size for each, then the values.
"""

from __future__ import annotations

import gzip
import math
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from jaxlayers.datasets import _files

Arrays = tuple[np.ndarray, np.ndarray]

SOURCES = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
FILES = {  # SHA-256 hashes of the files as they were first published
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
_ARCHIVE = ("x_train", "y_train", "x_test", "y_test")


def load_data(path: str | os.PathLike[str] = "mnist.npz") -> tuple[Arrays, Arrays]:
    """Return the images and labels of MNIST, for training and for testing.

    The files are searched in the folder in the environment variable `JAXLAYERS_DATA` and in its subfolder `mnist`, as
    the four original `.gz` files or as a NumPy archive; then in the download cache. If they are in neither, they are
    downloaded and checked by hash.

    Args:
        path: the name of a NumPy archive with `x_train`, `y_train`, `x_test` and `y_test`, as Keras has it. A path with
            a folder is read directly; a name without a folder (`"mnist.npz"` by default) is searched as above.

    Returns:
        `(x_train, y_train), (x_test, y_test)`, uint8: images `[60000, 28, 28]` and `[10000, 28, 28]`, 0 the
        background and 255 the ink; labels `[60000]` and `[10000]`, 0 to 9.

    Raises:
        FileNotFoundError: if `path` has a folder and does not exist, or a folder has only some of the four files.
        ValueError: if a file is damaged, or is not MNIST; the message names it.
        ConnectionError: if the files are not on disk and no download works; without a network within seconds.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data()  # doctest: +SKIP
        >>> x_train.shape, str(x_train.dtype)  # doctest: +SKIP
        ((60000, 28, 28), 'uint8')
    """
    paths = find(path)
    return _read_archive(paths[0]) if len(paths) == 1 else _read_originals(paths)


def find(path: str | os.PathLike[str] = "mnist.npz") -> list[Path]:
    """Return the paths of the files that `load_data` reads, downloading them if they are not on disk.

    Args:
        path: as for `load_data`.

    Returns:
        The path of one archive, or those of the four original files.
    """
    path = Path(path)
    if len(path.parts) > 1:
        if not path.exists():
            raise FileNotFoundError(
                f"There is no {path}. Call load_data() without a path to search other folders and to download."
            )
        return [path]
    folder = _files.data_folder()
    for place in [] if folder is None else [folder / "mnist", folder]:
        originals = [place / name for name in FILES]
        missing = [original.name for original in originals if not original.exists()]
        if not missing:
            return originals
        if len(missing) < len(originals):
            raise FileNotFoundError(
                f"{place} has only some of MNIST's files. Add {', '.join(missing)}, or remove the others."
            )
        if (place / path).exists():
            return [place / path]
    try:
        return _files.fetch(FILES, SOURCES, _files.cache_folder("mnist"))
    except ConnectionError as error:
        setting = "JAXLAYERS_DATA is not set" if folder is None else f"JAXLAYERS_DATA={folder} has no MNIST"
        raise ConnectionError(
            f"MNIST was not found: {setting}, and {error}\nPut the four files into a folder 'mnist' and set "
            "JAXLAYERS_DATA to its parent folder; or use jaxlayers.datasets.digits, which needs no network."
        ) from None


def _read_originals(paths: list[Path]) -> tuple[Arrays, Arrays]:
    x_train, y_train, x_test, y_test = (read_idx(path) for path in paths)
    return _check(x_train, y_train, *paths[:2]), _check(x_test, y_test, *paths[2:])


def _read_archive(path: Path) -> tuple[Arrays, Arrays]:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            x_train, y_train, x_test, y_test = (archive[name] for name in _ARCHIVE)
    except (EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is damaged, or no NumPy archive of {', '.join(_ARCHIVE)}: {error}") from error
    return _check(x_train, y_train, path, path), _check(x_test, y_test, path, path)


def _check(x: np.ndarray, y: np.ndarray, x_path: Path, y_path: Path) -> Arrays:
    """Check the dtypes, shapes and labels of MNIST, and return both arrays.

    Raises:
        ValueError: if they are others.
    """
    if x.dtype != np.uint8 or x.ndim != 3 or x.shape[1:] != (28, 28) or not len(x):
        raise ValueError(
            f"{x_path}: expected images, uint8 of shape (n, 28, 28); received {x.dtype} of shape {x.shape}."
        )
    if y.dtype != np.uint8 or y.shape != x.shape[:1] or y.max() > 9:
        raise ValueError(
            f"{y_path}: expected labels from 0 to 9, uint8 of shape {x.shape[:1]} for as many images; received "
            f"{y.dtype} of shape {y.shape}" + (f", up to {y.max()}." if y.size else ".")
        )
    return x, y


def read_idx(path: Path) -> np.ndarray:
    """Return the uint8 array of a gzipped file in the idx format.

    Raises:
        ValueError: if the file is damaged, or has another format; the message names it.
    """
    try:
        with gzip.open(path) as file:
            data = file.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged, or not gzipped: {error}") from error
    axes = data[3] if data[:3] == b"\x00\x00\x08" and len(data) > 3 else 0
    start = 4 + 4 * axes
    if not axes or len(data) < start:
        raise ValueError(
            f"{path} is not an idx file of uint8: it starts with the bytes {data[:4].hex(' ') or 'of nothing'}."
        )
    shape = tuple(np.frombuffer(data, ">u4", axes, offset=4).tolist())
    if len(data) - start != math.prod(shape):
        raise ValueError(
            f"{path} is damaged: its shape {shape} has {math.prod(shape)} values, but the file has {len(data) - start}."
        )
    return np.frombuffer(bytearray(data), np.uint8, offset=start).reshape(shape)
