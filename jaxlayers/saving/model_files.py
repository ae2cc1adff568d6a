"""Whole models in files: Keras 3's `.keras` archives, with architecture, weights, optimizer, and compile arguments."""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jaxlayers.common import assets
from jaxlayers.core import making, scope
from jaxlayers.files import kinds
from jaxlayers.files.atomic import recover_directory, replacing, replacing_directory
from jaxlayers.saving import _weights
from jaxlayers.saving._content import Content
from jaxlayers.saving._places import places
from jaxlayers.saving._weights import Selection
from jaxlayers.saving.objects import deserialize_keras_object, of_file, serialize_shared, sharing
from jaxlayers.saving.weight_files import check_overwrite, replace_ending


def save_model(
    model: Any, filepath: str | os.PathLike[str], overwrite: bool = True, zipped: bool | None = None
) -> None:
    """Write a model to a file that Keras reads as well: architecture, weights, optimizer, arguments of `compile`.

    The states of seed generators are in the file too, so that training goes on as if nothing had happened. The file is
    written beside its target and then put in its place: after a failure the old file is as it was.

    Args:
        model: the model.
        filepath: the path of the file, which ends in `.keras`; or of a directory.
        overwrite: if True, the default, replace a file of that name; if False, refuse to.
        zipped: True for a file, False for a directory with the same content; None, the default, to decide by the
            ending of the path.

    Raises:
        ValueError: when the path has another ending.
        TypeError: when something in the model has no config, such as a layer of yours without `get_config`.
        FileExistsError: when there is a file of that name, and `overwrite` is False; when a directory holds other
            files than a model's.
        OSError: when the file cannot be written.

    Example:
        >>> import tempfile, numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
        >>> path = tempfile.mkdtemp() + "/model.keras"
        >>> model.save(path)
        >>> twin = jl.models.load_model(path)
        >>> x = np.ones((1, 3), "float32")
        >>> bool(np.all(twin.predict(x, verbose=0) == model.predict(x, verbose=0)))
        True
    """
    from jaxlayers.saving import _model_archive

    path = os.fspath(filepath)
    zipped = not os.path.isdir(path) and os.path.splitext(path)[1] != "" if zipped is None else zipped
    if zipped != path.endswith(".keras"):
        raise ValueError(
            f"The path of a model must end in '.keras', or with zipped=False name a directory; received {path!r}. "
            f"Use {replace_ending(path, '.keras')!r}, or model.save_weights for the weights alone. (Legacy '.h5' files "
            "of models are read, not written.)"
        )
    check_overwrite(path, overwrite)
    if not path:
        raise ValueError("The path of a model must not be empty.")
    inside = os.path.realpath(path)
    if os.path.isdir(inside) and os.listdir(inside) and "config.json" not in os.listdir(inside):
        raise FileExistsError(
            f"The directory {path!r} holds other files than a model's, which saving would delete. Choose another name."
        )
    if not model.built:
        warnings.warn(
            f"{model.name!r} is saved before it is built, so the file holds no weights for it. Call it on data first.",
            stacklevel=3,
        )
    with assets.apart():
        config = serialize_shared(model)

    def fill(make_store: Callable[[str, str | None], Any]) -> None:
        _weights.save(model, make_store)

    with (replacing if zipped else replacing_directory)(path) as temporary, tempfile.TemporaryDirectory() as folder:
        inside = os.path.join(temporary if not zipped else folder, _model_archive.ASSETS)
        _save_assets(model, inside)
        _model_archive.write(temporary, config, fill, inside, zipped)


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Return the model that jaxlayers or Keras wrote to a file.

    Nothing in the file can run, import, fetch or open anything: names are looked up in tables. The file is checked
    whole before anything is made from it.

    Args:
        filepath: the path of a `.keras` file, of a directory with the same content, or of a legacy `.h5` file.
        custom_objects: your own classes and functions by name, unless they are registered.
        compile: if True, the default, compile the model as the saved one was.
        safe_mode: if False, a Python lambda in the file, which is code that can do anything, is opened. True by
            default.

    Raises:
        ValueError: when the file is damaged, has something that such a file must not have, names something unknown, or
            holds code in safe mode.
        FileNotFoundError: when there is no such file.

    Example:
        See `save_model`.
    """
    path = os.fspath(filepath)
    if not os.path.exists(path):
        recover_directory(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no file {path!r}.")
    if path.endswith((".h5", ".hdf5")):
        kinds.check(path, "a model", ("hdf5",))
        from jaxlayers.saving import legacy

        return legacy.load_model(path, custom_objects=custom_objects, compile=compile, safe_mode=safe_mode)
    if not path.endswith(".keras") and not os.path.isdir(path):
        raise ValueError(
            f"The path of a model must end in '.keras' or '.h5', or be a directory; received {path!r}."
            + kinds.advice(path)
        )
    kinds.check(path, "a model", ("keras", "model directory", "directory"))
    from jaxlayers.saving import _model_archive

    with _model_archive.opened(path) as archive:
        config = archive.config()
        if not isinstance(config, dict) or "class_name" not in config:
            raise ValueError(f"The config in {path!r} describes no model.")
        if not compile:
            config.pop("compile_config", None)
        with _without_arrays():
            model = _revive(config, path, custom_objects, safe_mode)
            with archive.weights() as stored:
                _weights.load(model, Content(stored), f"The file {path!r}", Selection())
        if archive.has_assets and any(hasattr(owner, "load_assets") for owner in places(model).values()):
            with tempfile.TemporaryDirectory() as folder:
                archive.extract_assets(folder)
                _load_assets(model, os.path.join(folder, _model_archive.ASSETS))
    making.make(variable for _, variable in model._tracked_walk.entries)  # those that the file does not have
    return model


@contextlib.contextmanager
def _without_arrays() -> Iterator[None]:
    """Let builds make no arrays within a `with` block: those of the file come instead."""
    token = scope.postponing.set(True)
    try:
        yield
    finally:
        scope.postponing.reset(token)


def _revive(config: Any, path: str, custom_objects: Any, safe_mode: bool) -> Any:
    try:
        with sharing(), of_file(safe_mode):
            return deserialize_keras_object(config, custom_objects, safe_mode)
    except RecursionError:
        raise ValueError(f"The config in {path!r} is nested too deeply.") from None
    except Exception as error:
        kind = "" if isinstance(error, ValueError | TypeError) else f"{type(error).__name__}: "
        raise ValueError(f"The model in {path!r} cannot be made from its 'config.json'. {kind}{error}") from error


def _save_assets(model: Any, folder: str) -> None:
    """Let each object with assets write them below a folder, at its path."""
    for path, owner in places(model).items():
        if hasattr(owner, "save_assets"):
            inside = os.path.join(folder, *path.split("/")) if path else folder
            os.makedirs(inside, exist_ok=True)
            owner.save_assets(inside)


def _load_assets(model: Any, folder: str) -> None:
    for path, owner in places(model).items():
        inside = os.path.join(folder, *path.split("/")) if path else folder
        if hasattr(owner, "load_assets") and os.path.isdir(inside):
            owner.load_assets(inside)
