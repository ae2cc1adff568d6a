"""Files with the weights of a model: Keras's `.weights.h5`, in one file or in shards, and safetensors.

Each format is a module with two functions: `write(path, fill)` calls `fill` with what makes a store for each object,
and `opened(path)` is a `with` block around the checked content of a file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jaxlayers.files import kinds
from jaxlayers.saving import _weights
from jaxlayers.saving._content import Content
from jaxlayers.saving._weights import Selection

_KINDS = {  # of files, by format
    "hdf5": ("hdf5",),
    "legacy": ("hdf5",),
    "shards": (),
    "safetensors": ("safetensors",),
    "model": ("keras", "model directory", "directory"),
}
_ENDINGS = "'.weights.h5', '.weights.json' (shards), '.safetensors', '.keras' or '.h5'"
_DIRECTORY_HINT = (
    " It is a directory. Open the directory of a whole model by load_model, and a checkpoint of OrbaxCheckpoint by "
    "model.train_state = jaxlayers.checkpoint.restore(jaxlayers.checkpoint.latest(path), model.train_state)."
)


def save_weights(
    model: Any, filepath: str | os.PathLike[str], overwrite: bool = True, max_shard_size: float | None = None
) -> None:
    """Write the weights of a model, and the state of its optimizer, to a file that Keras reads as well.

    The file is written beside its target and then put in its place: after a failure the old file is as it was.

    Args:
        model: a model or layer that is built.
        filepath: a path that ends in `.weights.h5`; in `.weights.json` for shards, the index of which it names; or in
            `.safetensors`, for the weights alone, by their paths.
        overwrite: if True, the default, replace a file of that name; if False, refuse to.
        max_shard_size: the largest size of a shard in GB (2^30 bytes); None, the default, for a single file.

    Raises:
        ValueError: when the model is not built, or the path has another ending.
        FileExistsError: when there is a file of that name, and `overwrite` is False.
        OSError: when the file cannot be written.

    Example:
        >>> import tempfile, numpy as np, jaxlayers as jl
        >>> layer = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
        >>> path = tempfile.mkdtemp() + "/layer.weights.h5"
        >>> layer.save_weights(path)
        >>> other = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
        >>> other.load_weights(path)
        >>> bool(np.all(other.get_weights()[0] == layer.get_weights()[0]))
        True
    """
    path = os.fspath(filepath)
    if not model.built:
        raise ValueError(
            f"{model.name!r} is not built, so it has no weights to save. Call it on data, or call build(), first."
        )
    if max_shard_size is not None and path.endswith(".weights.h5"):
        path = path.removesuffix(".h5") + ".json"
    check_overwrite(path, overwrite)
    skipped = _weights.optimizers(model) if path.endswith(".safetensors") else ()

    def fill(make_store: Callable[[str, str | None], Any]) -> None:
        _weights.save(model, make_store, skipped)

    write(path, fill, max_shard_size)


def load_weights(
    model: Any,
    filepath: str | os.PathLike[str],
    skip_mismatch: bool = False,
    *,
    include: str | Iterable[str] = (),
    exclude: str | Iterable[str] = (),
    rename: Mapping[str, str] | Callable[[str], str] | None = None,
    objects_to_skip: Iterable[Any] = (),
    by_name: bool = False,
) -> None:
    """Load weights that jaxlayers or Keras wrote into a model; all of them, or none if something does not fit.

    The paths of the arguments are those of the objects in the file, such as `layers/dense_1`, which the error messages
    show.

    Args:
        model: a model or layer that is built.
        filepath: the path of a file that `save_weights`, `model.save` or Keras wrote. A legacy `.h5` file of Keras is
            read as well.
        skip_mismatch: if True, leave objects that do not fit as they are, with a warning that lists them. False by
            default.
        include: regular expressions (not in Keras): only objects whose paths match one of them (`re.search`) are
            loaded. All by default.
        exclude: regular expressions (not in Keras): objects whose paths match one of them are not loaded.
        rename: from the paths in the model to those in the file (not in Keras): a dict from regular expressions to
            their replacements, or a function of the path.
        objects_to_skip: layers of the model that are left as they are.
        by_name: for legacy `.h5` files: if True, layers are found by their names, and others are left as they are.

    Raises:
        ValueError: when the file is damaged, not of a known format, or does not fit: what is missing, too much or of
            another shape is listed by path in one error, and nothing has changed.
        FileNotFoundError: when there is no such file.

    Example:
        >>> import tempfile, jaxlayers as jl
        >>> def make(classes):
        ...     return jl.Sequential([jl.Input((3,)), jl.layers.Dense(8), jl.layers.Dense(classes)])
        >>> path = tempfile.mkdtemp() + "/model.weights.h5"
        >>> make(10).save_weights(path)
        >>> make(2).load_weights(path, exclude="layers/dense_1")  # all but the last layer
    """
    path = os.fspath(filepath)
    if not model.built:
        raise ValueError(f"{model.name!r} is not built, so it has no weights to load. Call it, or build(), first.")
    kind = _format(path)
    if kind == "legacy":
        kinds.check(path, "weights", _KINDS[kind])
        if objects_to_skip or include or exclude or rename:
            raise ValueError(f"{path!r} is a legacy file: it takes by_name and skip_mismatch, not patterns of paths.")
        from jaxlayers.saving import legacy

        legacy.load_weights(model, path, skip_mismatch=skip_mismatch, by_name=by_name)
        return
    if by_name:
        raise ValueError(f"by_name is for legacy '.h5' files; {path!r} is none. Use include= and rename=.")
    selection = Selection(
        _patterns(include),
        _patterns(exclude),
        tuple(rename.items()) if isinstance(rename, Mapping) else rename or (),
        skip_mismatch,
        tuple(objects_to_skip),
    )
    with opened(path) as stored:
        _weights.load(model, stored, f"The file {path!r}", selection)


@contextlib.contextmanager
def opened(path: str) -> Iterator[Content]:
    """A `with` block around the content of a file of weights; its arrays may be used once it has been checked."""
    kind = _format(path)
    kinds.check(path, "weights", _KINDS[kind])
    if kind == "shards":
        from jaxlayers.saving import _shards

        with _shards.opened(path) as stored:
            yield Content(stored)
    elif kind == "safetensors":
        from jaxlayers.saving import _safetensors

        with _safetensors.opened(path) as content:
            yield content
    elif kind == "model":
        from jaxlayers.saving import _model_archive

        with _model_archive.opened(path) as archive, archive.weights() as stored:
            yield Content(stored)
    else:
        from jaxlayers.saving import _hdf5_files

        with _hdf5_files.opened(path) as stored:
            yield Content(stored)


def write(
    path: str, fill: Callable[[Callable[[str, str | None], Any]], None], max_shard_size: float | None = None
) -> None:
    """Write a file of weights in the format of its ending, whole or not at all.

    Args:
        path: the path.
        fill: receives a function from the path and the name of an object to a mapping, which takes its arrays.
        max_shard_size: the largest size of a shard, in GB.

    Raises:
        ValueError: when no format has this ending.
    """
    _format(path, writing=True)
    if path.endswith(".weights.json"):
        from jaxlayers.saving import _shards

        _shards.write(path, fill, max_shard_size)
    elif path.endswith(".safetensors"):
        from jaxlayers.saving import _safetensors

        _safetensors.write(path, fill)
    else:
        from jaxlayers.saving import _hdf5_files

        _hdf5_files.write(path, fill)


def check_overwrite(path: str, overwrite: bool) -> None:
    """Check that a file may be written.

    Raises:
        FileExistsError: when it exists, and `overwrite` is False.
    """
    if not overwrite and os.path.exists(path):
        raise FileExistsError(f"There is a file {path!r} already. Choose another name, or pass overwrite=True.")


def _format(path: str, writing: bool = False) -> str:
    if path.endswith(".weights.h5"):
        return "hdf5"
    if path.endswith(".weights.json"):
        return "shards"
    if path.endswith(".safetensors"):
        return "safetensors"
    if path.endswith(".keras") and not writing:
        return "model"
    if path.endswith((".h5", ".hdf5")) and not writing:
        return "legacy"
    if not writing:
        hint = _DIRECTORY_HINT if os.path.isdir(path) else kinds.advice(path)
        raise ValueError(f"The path of a file of weights must end in {_ENDINGS}; received {path!r}.{hint}")
    raise ValueError(
        "The path of a file of weights must end in '.weights.h5', '.weights.json' (shards) or '.safetensors'; received "
        f"{path!r}. Use {replace_ending(path, '.weights.h5')!r}, or model.save for the whole model."
    )


def replace_ending(path: str, ending: str) -> str:
    """Return a path with another ending, in place of one of the endings of files of models and weights."""
    for other in (".weights.h5", ".weights.json", ".safetensors", ".keras", ".h5", ".hdf5"):
        if path.endswith(other):
            return path.removesuffix(other) + ending
    return path + ending


def _patterns(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
