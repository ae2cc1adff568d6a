"""The members of a `.keras` file: metadata, config, weights and assets. A directory can have the same content.

The zip comment of a file that jaxlayers wrote is a seal, and its metadata says so: a changed byte anywhere is found.
In a file of Keras, the check sums of the members are compared.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from typing import Any

from jaxlayers.files import seals
from jaxlayers.files.archive import Archive, ArchiveWriter, Window
from jaxlayers.saving import _hdf5, limits
from jaxlayers.saving.limits import parse_json

CONFIG, METADATA, WEIGHTS, ASSETS = "config.json", "metadata.json", "model.weights.h5", "assets"
KERAS_VERSION = "3.15.0"  # the version of Keras whose format this is
_SEALED = "jaxlayers_sealed"  # in the metadata
_HASHES, _HASH = "jaxlayers_hashes", "jaxlayers_hash"  # in the metadata of a directory: of its files, and of the rest
_MAX_JSON = limits.MAX_TEXT


def write(
    path: str, config: Any, fill: Callable[[Callable[[str, str | None], Any]], None], assets: str, zipped: bool = True
) -> None:
    """Write a model to a file or an empty directory.

    Args:
        path: the file or directory.
        config: plain data.
        fill: receives a function from path and name to a store for variables.
        assets: a folder with the assets; nothing is written if it is empty.
        zipped: if True, the default, write a file.
    """
    config_text = json.dumps(config).encode()
    try:
        limits.check_text(config_text)
    except ValueError as error:
        raise ValueError(f"The config of the model is too large for a file: {error}.") from None
    texts = {CONFIG: config_text, METADATA: json.dumps(_metadata(zipped)).encode()}
    if not zipped:
        with open(os.path.join(path, CONFIG), "xb") as file:
            file.write(config_text)
        with _hdf5.creating(os.path.join(path, WEIGHTS)) as weights:
            fill(lambda place, name: _hdf5.VariableWriter(weights, place, name))
        with open(os.path.join(path, METADATA), "xb") as file:
            file.write(_hashed({**_metadata(zipped), _HASHES: _hashes(path)}))
        return
    with ArchiveWriter(path) as archive:
        for name, text in texts.items():
            archive.add(name, text)
        with archive.writing(WEIGHTS) as window, _hdf5.writing_to(window) as weights:
            fill(lambda place, name: _hdf5.VariableWriter(weights, place, name))
        archive.add_folder(assets, ASSETS)


def _metadata(zipped: bool) -> dict[str, Any]:
    now = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    return {"keras_version": KERAS_VERSION, "date_saved": now} | ({_SEALED: True} if zipped else {})


def _hashes(folder: str) -> dict[str, str]:
    """Return the hash of each file of a directory but the metadata, by path."""
    found = {}
    for place, directories, names in os.walk(folder):
        directories.sort()
        for name in sorted(names):
            inside = os.path.relpath(os.path.join(place, name), folder).replace(os.sep, "/")
            if inside != METADATA:
                with open(os.path.join(place, name), "rb", buffering=0) as file:
                    size = os.fstat(file.fileno()).st_size
                    found[inside] = seals.hash_range(file, size).decode()
    return found


def _hashed(metadata: dict[str, Any]) -> bytes:
    """Return the text of metadata, with a hash of the rest at its beginning."""
    digest = hashlib.sha256(json.dumps(metadata).encode()).hexdigest()
    return json.dumps({_HASH: digest, **metadata}).encode()


class ModelArchive:
    """A checked `.keras` file, open for reading.

    Args:
        path: the path of the file.

    Raises:
        ValueError: when the file is damaged, or has members that such a file must not have.
    """

    def __init__(self, path: str):
        self._archive = Archive(path, _is_member)
        self._name = f"The file {path!r}"
        try:
            self._check_content()
        except BaseException:
            self._archive.close()
            raise

    def _check_content(self) -> None:
        archive = self._archive
        sealed = archive.is_sealed
        if sealed:
            archive.check_seal()
        metadata = self._json(METADATA) if METADATA in archive.members else {}
        if isinstance(metadata, dict) and metadata.get(_SEALED) and not sealed:
            archive.check_seal()
        if not sealed:
            archive.check_sums()

    def __enter__(self) -> ModelArchive:
        return self

    def __exit__(self, *exc: object) -> None:
        self._archive.close()

    def config(self) -> Any:
        """Return the config of the model as plain data."""
        return self._json(CONFIG)

    def metadata(self) -> Any:
        """Return the version of Keras's format and the date, as plain data."""
        return self._json(METADATA)

    @contextlib.contextmanager
    def weights(self) -> Iterator[dict[str, Any]]:
        """A `with` block around the variables of each object by path."""
        with self._archive.window(WEIGHTS) as window:
            file, stored = _hdf5.read(window, f"{self._name}, member {WEIGHTS!r}")
            with file:
                yield stored

    @property
    def has_assets(self) -> bool:
        """True if the file has assets."""
        return any(name.startswith(f"{ASSETS}/") for name in self._archive.members)

    def extract_assets(self, folder: str) -> None:
        """Write the assets below a folder."""
        self._archive.extract(folder, f"{ASSETS}/")

    def _json(self, name: str) -> Any:
        return parse_json(self._archive.read(name, _MAX_JSON), f"{self._name}, member {name!r}")


class ModelDirectory:
    """A directory with the content of a `.keras` file, open for reading.

    Args:
        path: the path of the directory.
    """

    def __init__(self, path: str):
        self._path = path
        for place, directories, files in os.walk(path):
            for name in (*directories, *files):
                self._member(os.path.relpath(os.path.join(place, name), path))
        if os.path.isfile(os.path.join(path, METADATA)):
            self._check_hashes()

    def _check_hashes(self) -> None:
        """Compare the files with the hashes in the metadata, which are not in directories that Keras wrote."""
        text = self._read(METADATA)
        metadata = parse_json(text, f"The file {os.path.join(self._path, METADATA)!r}")
        if not isinstance(metadata, dict) or not {_HASH, _HASHES} & metadata.keys():
            return
        digest = metadata.pop(_HASH, None)
        found = _hashes(self._path)
        expected = metadata.get(_HASHES)
        if not isinstance(expected, dict) or _hashed(metadata) != text or digest is None:
            damaged = [METADATA]
        else:
            damaged = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
        if damaged:
            raise ValueError(
                f"The directory {self._path!r} is damaged, or was changed after it was saved: the hashes saved "
                f"with it do not belong to {', '.join(map(repr, damaged[:10]))}. Use a copy of the original."
            )

    def __enter__(self) -> ModelDirectory:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def config(self) -> Any:
        """Return the config of the model as plain data."""
        return parse_json(self._read(CONFIG), f"The file {os.path.join(self._path, CONFIG)!r}")

    def _read(self, member: str) -> bytes:
        name = self._member(member)
        with open(name, "rb") as file:
            text = file.read(_MAX_JSON + 1)
        if len(text) > _MAX_JSON:
            raise ValueError(f"The file {name!r} has more than {_MAX_JSON} bytes.")
        return text

    @contextlib.contextmanager
    def weights(self) -> Iterator[dict[str, Any]]:
        """A `with` block around the variables of each object by path."""
        name = self._member(WEIGHTS)
        with open(name, "rb", buffering=0) as file:
            opened_file, stored = _hdf5.read(Window(file, 0, os.fstat(file.fileno()).st_size), f"The file {name!r}")
            with opened_file:
                yield stored

    @property
    def has_assets(self) -> bool:
        """True if the directory has assets."""
        return os.path.isdir(os.path.join(self._path, ASSETS))

    def extract_assets(self, folder: str) -> None:
        """Copy the assets below a folder."""
        import shutil

        shutil.copytree(os.path.join(self._path, ASSETS), os.path.join(folder, ASSETS))

    def _member(self, name: str) -> str:
        path = os.path.join(self._path, name)
        if not os.path.lexists(path):
            raise ValueError(f"The directory {self._path!r} has no {name!r}, so it holds no model.")
        mode = os.lstat(path).st_mode
        is_directory = stat.S_ISDIR(mode) and name not in (CONFIG, METADATA, WEIGHTS)
        if not stat.S_ISREG(mode) and not is_directory:
            raise ValueError(
                f"{path!r} is no file, as each member of a model must be, but a link, a device or the like."
            )
        return path


def opened(path: str) -> ModelArchive | ModelDirectory:
    """Open a file or directory with a model."""
    return ModelDirectory(path) if os.path.isdir(path) else ModelArchive(path)


def _is_member(name: str) -> bool:
    return name in (CONFIG, METADATA, WEIGHTS) or name.startswith(f"{ASSETS}/")
