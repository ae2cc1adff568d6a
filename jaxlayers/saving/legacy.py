"""Read the `.h5` files of Keras 2, which Keras 3 writes as well: whole models, or weights alone.

Attributes at the root hold the architecture and the arguments of `compile` as JSON. The group `model_weights`, or the
root of a file of weights, lists its layers in an attribute. The group of each layer lists its arrays, trainable ones
first. Only what these lists name is read, after it has been checked.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import h5py

from jaxlayers.common.own_variables import compare
from jaxlayers.core import making
from jaxlayers.files.archive import Window
from jaxlayers.saving import _hdf5, _optimizer_states, _weights, legacy_configs, model_files
from jaxlayers.saving._hdf5_guard import GuardedFile, open_file
from jaxlayers.saving._model_archive import parse_json

_MAX_TEXT = 32 << 20  # bytes of an attribute
_MAX_LISTED = 1 << 20  # bytes of a list of names in an attribute
_TOP_LEVEL = "top_level_model_weights"


def load_model(
    path: str, custom_objects: Mapping[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """Return the model in a file; see `saving.load_model`."""
    with _opened(path) as file:
        described = file.json("model_config")
        if not isinstance(described, dict) or not isinstance(described.get("class_name"), str):
            raise ValueError(
                f"The file {path!r} holds no model. If it holds weights, make the model first and call "
                "model.load_weights()."
            )
        described = _converted(legacy_configs.convert, described, path)
        training = file.json("training_config") if compile else None
        if isinstance(training, dict):
            described["compile_config"] = _converted(_compile_config, training, path)
        with model_files._without_arrays():
            model = model_files._revive(described, path, custom_objects, safe_mode)
            if not model.built:
                raise ValueError(f"The model in {path!r} is not built by its config, so its weights have no place.")
            _load(model, file.group("model_weights"), skip_mismatch=False, by_name=False)
            if getattr(model, "optimizer", None) is not None and "optimizer_weights" in file.names():
                stored = file.group("optimizer_weights").variables("the optimizer")
                _optimizer_states.load(model, model.optimizer, [model], stored, {})
    making.make(variable for _, variable in model._tracked_walk.entries)
    return model


def load_weights(model: Any, path: str, skip_mismatch: bool = False, by_name: bool = False) -> None:
    """Load the weights of a file into a model, all of them or none; see `saving.load_weights`.

    Layers are matched by their order, or with `by_name` by their names.
    """
    with _opened(path) as file:
        group = file.group("model_weights") if "model_weights" in file.names() else file
        _load(model, group, skip_mismatch, by_name)


def _load(model: Any, group: _Group, skip_mismatch: bool, by_name: bool) -> None:
    """Assign the arrays of a group to the weights of a model."""
    pairs = (_pairs_by_name if by_name else _pairs_in_order)(model, group)
    if _TOP_LEVEL in group.names():
        stored = group.group(_TOP_LEVEL).variables("the model itself")
        own = model._saved_variables()
        if stored or own:
            pairs.append((model.name, own, stored))
    problems = {name: problem for name, weights, stored in pairs if (problem := "; ".join(compare(weights, stored)))}
    if problems:
        listed = "\n".join(f"  {name}: {problem}" for name, problem in problems.items())
        if not skip_mismatch:
            raise ValueError(
                f"{group.place} does not fit {model.name!r}; nothing has been loaded:\n{listed}\nUse "
                "skip_mismatch=True to load the layers that fit, or by_name=True to find layers by their names."
            )
        warnings.warn(
            f"{group.place} does not fit {model.name!r} everywhere; these were left as they are:\n{listed}",
            stacklevel=5,
        )
    held = _weights._Held(model, [])
    try:
        for name, weights, stored in pairs:
            for number, variable in enumerate(() if name in problems else weights):
                variable.assign(stored[str(number)])
    except BaseException:
        held.put_back()
        raise


def _pairs_in_order(model: Any, group: _Group) -> list[tuple[str, list[Any], Any]]:
    """Return for each layer with weights its name, its weights and the arrays for them."""
    layers = [(layer.name, weights) for layer in model.layers if (weights := _ordered_weights(layer))]
    groups = [(name, group.group(name).variables(f"layer {name!r}")) for name in group.layers()]
    stored = [(name, arrays) for name, arrays in groups if arrays]
    if len(layers) != len(stored):
        raise ValueError(
            f"{group.place} has {len(stored)} layers with weights, and {model.name!r} has {len(layers)}; nothing has "
            f"been loaded.\n  In the file: {', '.join(dict(stored))}\n  In the model: {', '.join(dict(layers))}\nUse "
            "by_name=True to load the layers that both have."
        )
    return [(name, weights, arrays) for (name, weights), (_, arrays) in zip(layers, stored, strict=True)]


def _pairs_by_name(model: Any, group: _Group) -> list[tuple[str, list[Any], Any]]:
    """Return the same for the layers whose names are in the file."""
    names = set(group.layers())
    return [
        (layer.name, _ordered_weights(layer), group.group(layer.name).variables(f"layer {layer.name!r}"))
        for layer in model.layers
        if layer.name in names
    ]


def _ordered_weights(layer: Any) -> list[Any]:
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _converted(convert: Callable[[Any], Any], config: Any, path: str) -> Any:
    """Convert a config of Keras 2, which may be anything."""
    try:
        return convert(config)
    except (TypeError, KeyError, AttributeError, IndexError, ValueError, RecursionError) as error:
        raise ValueError(f"The config in {path!r} cannot be read: {error}") from error


def _compile_config(training: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `compile`; classes that do not name a module get the one of their argument."""
    modules = {"loss": "keras.losses", "metrics": "keras.metrics", "weighted_metrics": "keras.metrics",
               "optimizer": "keras.optimizers", "loss_weights": ""}  # fmt: skip
    arguments = legacy_configs.convert_compile_config(training)
    return {key: _with_modules(value, modules[key]) for key, value in arguments.items()}


def _with_modules(value: Any, module: str) -> Any:
    if isinstance(value, list):
        return [_with_modules(item, module) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_name" in value and "config" in value:
        return {"module": module, **value}
    return {key: _with_modules(item, module) for key, item in value.items()}


@contextlib.contextmanager
def _opened(path: str) -> Iterator[_Group]:
    """A `with` block around the root of a file."""
    place = f"The file {path!r}"
    with open(path, "rb", buffering=0) as raw:
        guarded = GuardedFile(Window(raw, 0, os.fstat(raw.fileno()).st_size))
        with _explaining(place):
            file = open_file(guarded)
        with file:
            with _explaining(place):
                root = file["/"]
            yield _Group(root, place, guarded)


@contextlib.contextmanager
def _explaining(place: str) -> Iterator[None]:
    """Let errors of HDF5 name the place within a `with` block."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError, OverflowError, ValueError) as error:
        if str(error).startswith(place):
            raise
        raise ValueError(f"{place} is damaged, or no HDF5 file of a model: {error}.") from error


class _Group:
    """A group of a file that is being read; everything in it is checked before it is used.

    Args:
        group: the group.
        place: the file, for messages.
        guarded: the file as HDF5 reads it.
    """

    def __init__(self, group: h5py.Group, place: str, guarded: GuardedFile):
        self._group, self.place, self._guarded = group, place, guarded

    def names(self) -> list[str]:
        """Return the names of what is directly in the group."""
        with _explaining(self.place):
            return list(self._group)

    def group(self, name: str) -> _Group:
        """Return a group below this one."""
        return _Group(self._find(name, h5py.Group), self.place, self._guarded)

    def variables(self, label: str) -> _hdf5.StoredVariables:
        """Return the arrays that the group lists, numbered."""
        found = {}
        for number, name in enumerate(self._listed("weight_names")):
            dataset = found[str(number)] = self._find(name, h5py.Dataset)
            with _explaining(self.place):
                _hdf5.check_dataset(dataset, f"{self.place}: {name!r}", self._guarded)
        return _hdf5.StoredVariables(f"{self.place}, {label}", found)

    def layers(self) -> list[str]:
        """Return the names of the layers that the group lists."""
        names = self._listed("layer_names")
        if not names and not self._has_attribute("layer_names"):
            raise ValueError(
                f"{self.place} lists no layers, so it holds no weights in the format of Keras 2. A file of weights of "
                "Keras 3 has a name that ends in '.weights.h5'."
            )
        return names

    def json(self, name: str) -> Any:
        """Return the plain data in an attribute, or None."""
        if not self._has_attribute(name):
            return None
        with _explaining(self.place):
            text = self._attribute(name, _MAX_TEXT)
            text = text.encode() if isinstance(text, str) else bytes(text)
        if len(text) > _MAX_TEXT:
            raise ValueError(f"{self.place} has {len(text)} bytes in {name!r}; at most {_MAX_TEXT} are allowed.")
        return parse_json(text, f"{self.place}, attribute {name!r}")

    def _has_attribute(self, name: str) -> bool:
        with _explaining(self.place):
            return name in self._group.attrs

    def _attribute(self, name: str, limit: int) -> Any:
        with self._guarded.checking_heaps():
            attribute = self._group.attrs.get_id(name)
            if math.prod(attribute.shape or ()) * attribute.dtype.itemsize > limit:
                raise ValueError(f"{self.place} has an attribute {name!r} that is too large.")
            self._guarded.check_texts(self._group, name, limit)
            return self._group.attrs[name]

    def _listed(self, name: str) -> list[str]:
        """Return the names in an attribute, which is cut into several if it is long: `name0`, `name1`, ..."""
        with _explaining(self.place):
            parts = [name] if name in self._group.attrs else (f"{name}{number}" for number in itertools.count())
            present = itertools.takewhile(lambda part: part in self._group.attrs, parts)
            values = [value for part in present for value in self._attribute(part, _MAX_LISTED)]
            return [value if isinstance(value, str) else bytes(value).decode() for value in values]

    def _find(self, name: str, kind: type) -> Any:
        """Return what has a name, without following links."""
        item: Any = self._group
        for part in name.split("/"):
            with _explaining(f"{self.place}: {name!r}"):
                if part in ("", ".") or not isinstance(item, h5py.Group):
                    raise KeyError(f"there is no {part!r} in it")
                if item.id.links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:
                    raise ValueError(f"{self.place}: {name!r} is a link, which such a file must not have.")
                item = item[part]
        if not isinstance(item, kind):
            raise ValueError(f"{self.place}: {name!r} is no {'group' if kind is h5py.Group else 'array'}.")
        return item
