"""An editor for files of weights: list what they hold, compare it with a model, rename, remove and add."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from jaxlayers.core.random import SeedGenerator
from jaxlayers.core.tracking import kept_apart
from jaxlayers.files import kinds
from jaxlayers.saving import _weights, weight_files
from jaxlayers.saving._content import Content
from jaxlayers.saving._places import places


class KerasFileEditor:
    """A file of weights whose objects and arrays can be changed, in memory, and written to a new file.

    An object is named by its path in the file, such as `"layers/dense_1"`, or by the last part of it if no other object
    has the same.

    Args:
        filepath: the path of a `.weights.h5`, `.keras`, `.weights.json` or `.safetensors` file.

    Attributes:
        filepath: the path.
        weights_dict: the arrays by key, and the objects inside by name, as nested dicts.
        object_metadata: by path of an object, its name in the model: `{"name": ...}`.
        config: of a `.keras` file, the config of the model; otherwise None.
        metadata: of a `.keras` file, the version and the date; otherwise None.

    Raises:
        ValueError: when the file is damaged, or has another ending.

    Example:
        >>> import tempfile, numpy as np, jaxlayers as jl
        >>> path = tempfile.mkdtemp() + "/model.weights.h5"
        >>> jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)]).save_weights(path)
        >>> editor = KerasFileEditor(path)
        >>> editor.rename_object("dense", "dense_1")
        >>> editor.add_object("layers/dense", {"0": np.ones((3, 3)), "1": np.zeros(3)})
        >>> editor.summary()
        layers
            dense
                0: shape=(3, 3), dtype=float64
                1: shape=(3,), dtype=float64
            dense_1 ('dense')
                0: shape=(3, 2), dtype=float32
                1: shape=(2,), dtype=float32
        >>> editor.save(path)
        >>> model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(3), jl.layers.Dense(2)])
        >>> model.load_weights(path)
    """

    def __init__(self, filepath: str | os.PathLike[str]):
        self.filepath = os.fspath(filepath)
        self.config: Any = None
        self.metadata: Any = None
        self.weights_dict: dict[str, Any] = {}
        self.object_metadata: dict[str, dict[str, str]] = {}
        if self.filepath.endswith(".keras"):
            kinds.check(self.filepath, "a model", ("keras",))
            from jaxlayers.saving import _model_archive

            with _model_archive.ModelArchive(self.filepath) as archive, archive.weights() as stored:
                self.config, self.metadata = archive.config(), archive.metadata()
                self._read(Content(stored))
        else:
            with weight_files.opened(self.filepath) as stored:
                self._read(stored)

    def _read(self, stored: Content) -> None:
        stored.check()
        for path, arrays in stored.items():
            if arrays.name is not None:
                self.object_metadata[path] = {"name": arrays.name}
            if len(arrays):
                self._make(path).update({key: np.array(array) for key, array in arrays.items()})

    def _make(self, path: str) -> dict[str, Any]:
        """Return the dict of an object, made if there is none."""
        place = self.weights_dict
        for part in path.split("/") if path else ():
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ValueError(f"{self.filepath!r} has an array {part!r} where {path!r} has an object.")
        return place

    def summary(self) -> None:
        """Print the objects and arrays."""
        for path, key, value in _walk(self.weights_dict):
            margin = "    " * (path.count("/") + 1 if path else 0)
            inside = f"{path}/{key}" if path else key
            name = self.object_metadata.get(inside, {}).get("name", key)
            if isinstance(value, dict):
                print(f"{margin}{key}" + (f" ({name!r})" if name != key else ""))
            else:
                print(f"{margin}{key}: shape={np.shape(value)}, dtype={np.asarray(value).dtype}")

    def compare(self, reference_model: Any) -> dict[str, Any]:
        """Print the differences between the file and the weights of a model.

        Args:
            reference_model: the model, which is built.

        Returns:
            A dict with `"status"`, which is `"success"` or `"error"`; `"error_count"`, the number of differences; and
            `"match_count"`, the number of weights of the model that the file has with the same shape. An object that
            one side lacks is one difference. Each weight counts once; Keras counts it again for each object around it.
        """
        stored, expected = dict(self.weights_dict), self._weights_of(reference_model)
        if getattr(reference_model, "optimizer", None) is None:
            stored.pop("optimizer", None)
        differences = list(_differences(stored, expected))
        matches = _count_matches(stored, expected)
        print("\n".join([*differences, f"{len(differences)} differences, {matches} matching weights."]))
        return {
            "status": "error" if differences else "success",
            "error_count": len(differences),
            "match_count": matches,
        }

    def _weights_of(self, model: Any) -> dict[str, Any]:
        """Return the variables of a model in the form of `weights_dict`, without those that a file may lack."""
        owners = places(model)
        optional = (SeedGenerator, *kept_apart())
        skipped = [owner for path, owner in owners.items() if isinstance(owner, optional) and not self._has(path)]
        arrays: dict[str, dict[str, Any]] = {}
        if self.filepath.endswith(".safetensors"):
            from jaxlayers.saving._safetensors import TensorWriter

            tensors: dict[str, Any] = {}
            _weights.save(model, lambda path, name: TensorWriter(tensors, path), skipped)
            for name, tensor in tensors.items():
                path, _, key = name.rpartition("/")
                arrays.setdefault(path, {})[key] = tensor
        else:
            _weights.save(model, lambda path, name: arrays.setdefault(path, {}), skipped)
        result: dict[str, Any] = {}
        for path in filter(arrays.get, arrays):
            place = result
            for part in path.split("/") if path else ():
                place = place.setdefault(part, {})
            place.update(arrays[path])
        return result

    def _has(self, path: str) -> bool:
        place: Any = self.weights_dict
        for part in path.split("/"):
            place = place.get(part) if isinstance(place, dict) else None
        return place is not None

    def rename_object(self, object_name: str, new_name: str) -> None:
        """Give an object another name, in the same place.

        Args:
            object_name: its path, or its name if there is one of this name.
            new_name: the last part of its new path.
        """
        if "/" in new_name:
            raise ValueError(
                f"new_name is the last part of the new path, such as {new_name.rpartition('/')[2]!r}, since an object "
                f"is renamed in its place; received {new_name!r}."
            )
        around, name, path = self._find(object_name)
        if new_name in around and new_name != name:
            raise ValueError(f"There is an object {new_name!r} beside {object_name!r} already.")
        around[new_name] = around.pop(name)
        new_path = path.removesuffix(name) + new_name
        self.object_metadata = {
            new_path + old[len(path) :] if f"{old}/".startswith(f"{path}/") else old: value
            for old, value in self.object_metadata.items()
        }

    def delete_object(self, object_name: str) -> None:
        """Remove an object with everything inside.

        Args:
            object_name: its path, or its name if there is one of this name.
        """
        around, name, path = self._find(object_name)
        del around[name]
        self.object_metadata = {
            old: value for old, value in self.object_metadata.items() if not f"{old}/".startswith(f"{path}/")
        }

    def add_object(self, object_path: str, weights: Mapping[str, Any]) -> None:
        """Add an object.

        Args:
            object_path: its path.
            weights: its arrays by key.
        """
        _check_weights(weights)
        *around, name = object_path.split("/")
        place = self.weights_dict
        for part in around:
            if not isinstance(place.get(part), dict):
                raise ValueError(f"There is no object {'/'.join(around)!r} in {self.filepath!r}.")
            place = place[part]
        place[name] = dict(weights)
        self.object_metadata.pop(object_path, None)

    def delete_weight(self, object_name: str, weight_name: str) -> None:
        """Remove an array of an object.

        Args:
            object_name: the path of the object, or its name if there is one of this name.
            weight_name: the key of the array.
        """
        around, name, path = self._find(object_name)
        if weight_name not in around[name]:
            raise ValueError(f"{path!r} has no array {weight_name!r}; it has {sorted(around[name])}.")
        del around[name][weight_name]

    def add_weights(self, object_name: str, weights: Mapping[str, Any]) -> None:
        """Add arrays to an object.

        Args:
            object_name: the path of the object, or its name if there is one of this name.
            weights: the arrays by key.
        """
        _check_weights(weights)
        around, name, _ = self._find(object_name)
        around[name].update(weights)

    def save(self, filepath: str | os.PathLike[str]) -> None:
        """Write the weights to a file, whole or not at all.

        Args:
            filepath: a path that ends in `.weights.h5`, `.weights.json` (shards) or `.safetensors`.
        """

        def fill(make_store: Callable[[str, str | None], Any]) -> None:
            stores: dict[str, Any] = {}
            for path, key, value in _walk(self.weights_dict):
                if not isinstance(value, dict):
                    if path not in stores:
                        stores[path] = make_store(path, self.object_metadata.get(path, {}).get("name"))
                    stores[path][key] = value

        weight_files.write(os.fspath(filepath), fill)

    def resave_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Write the weights to a file; see `save`."""
        self.save(filepath)

    def _find(self, name: str) -> tuple[dict[str, Any], str, str]:
        """Return the dict around an object, its name there and its path.

        Raises:
            ValueError: when there is no such object, or several.
        """
        found = []
        for path, key, value in _walk(self.weights_dict):
            inside = f"{path}/{key}" if path else key
            if isinstance(value, dict) and name in ((inside,) if "/" in name else (inside, key)):
                found.append((self._make(path), key, inside))
        if len(found) != 1:
            problem = f"several objects {name!r}: {', '.join(f[2] for f in found)}" if found else f"no object {name!r}"
            raise ValueError(f"{self.filepath!r} has {problem}. Pass a whole path; summary() lists them.")
        return found[0]


def _walk(weights: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield the path of the object around it, the name, and the dict or array, for everything in nested dicts."""
    for key in sorted(weights):
        yield path, key, weights[key]
        if isinstance(weights[key], dict):
            yield from _walk(weights[key], f"{path}/{key}" if path else key)


def _differences(stored: Any, expected: Any, path: str = "") -> Iterator[str]:
    """Yield a line for each difference; an object that one side lacks is one."""
    for key in sorted({*stored, *expected}):
        inside = f"{path}/{key}" if path else key
        if key not in stored or key not in expected:
            side = "file" if key in stored else "model"
            yield f"{inside}: in the {side} alone"
        elif isinstance(stored[key], dict) and isinstance(expected[key], dict):
            yield from _differences(stored[key], expected[key], inside)
        elif isinstance(stored[key], dict) or isinstance(expected[key], dict):
            yield f"{inside}: an array on one side, an object on the other"
        elif np.shape(stored[key]) != np.shape(expected[key]):
            yield f"{inside}: shape {np.shape(stored[key])} in the file, {np.shape(expected[key])} in the model"


def _count_matches(stored: Any, expected: Any) -> int:
    pairs = [(stored[key], expected[key]) for key in expected if key in stored]
    inside = sum(_count_matches(a, b) for a, b in pairs if isinstance(a, dict) and isinstance(b, dict))
    arrays = [(a, b) for a, b in pairs if not isinstance(a, dict) and not isinstance(b, dict)]
    return inside + sum(np.shape(a) == np.shape(b) for a, b in arrays)


def _check_weights(weights: Any) -> None:
    if not isinstance(weights, Mapping):
        raise ValueError(f"weights must be a dict from keys ('0', '1', ...) to arrays; received {type(weights)}.")
