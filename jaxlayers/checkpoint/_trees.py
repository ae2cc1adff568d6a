"""Pytrees in Orbax's format: write the tree of a checkpoint, and read it in the layout of another tree.

Orbax's `CheckpointManager` can read the checkpoints too: the tree is the item `state`, and the data beside it the items
`extra`, as JSON, and `extra_arrays`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.checkpoint import _plain
from jaxlayers.checkpoint._files import DamagedError
from jaxlayers.common import trees

_saving = threading.Lock()  # Orbax mixes up the directories of checkpoints that two threads save at the same time
_LONGEST_ERROR = 500  # characters of an error of Orbax


def write(path: Path, tree: Any, extra: Any) -> None:
    """Write a tree of arrays and the detached plain data beside it."""
    import orbax.checkpoint as ocp

    leaves, structure = jax.tree.flatten(tree)
    empty = {}  # Orbax refuses arrays without elements
    for number, (keys, leaf) in enumerate(jax.tree_util.tree_leaves_with_path(tree)):
        leaves[number] = _as_stored(leaf, "/".join(_path(keys)))
        if np.size(leaf) == 0:
            empty["/".join(_path(keys))] = np.empty(leaf.shape, leaf.dtype)
            leaves[number] = None
    large: dict[str, np.ndarray] = {}
    items = {"extra": ocp.args.JsonSave(_plain.encode({"extra": extra, "empty": empty}, large))}
    if any(leaf is not None for leaf in leaves):  # Orbax refuses trees without arrays, too
        items["state"] = ocp.args.PyTreeSave(jax.tree.unflatten(structure, leaves))
    if large:
        items["extra_arrays"] = ocp.args.PyTreeSave(large)
    with _saving, _checkpointer(items) as checkpointer:
        checkpointer.save(path, args=ocp.args.Composite(**items))


def _checkpointer(items: Iterable[str]) -> Any:
    """Return an object that writes items with Orbax.

    In several processes, they meet in Orbax through JAX's coordination service. By default they meet on the devices. If
    one of them has failed, its next operation with the others would then be combined with such a meeting.
    """
    import orbax.checkpoint as ocp

    if jax.process_count() == 1:
        return ocp.Checkpointer(ocp.CompositeCheckpointHandler())
    together = ocp.options.MultiprocessingOptions(active_processes=set(range(jax.process_count())))
    handlers = {
        name: ocp.JsonCheckpointHandler(multiprocessing_options=together)
        if name == "extra"
        else ocp.PyTreeCheckpointHandler(multiprocessing_options=together)
        for name in items
    }
    composite = ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(multiprocessing_options=together), **handlers
    )
    return ocp.Checkpointer(composite, multiprocessing_options=together)


def read_extra(path: Path) -> dict[str, Any]:
    """Return the plain data of a checkpoint: what was saved as `extra`, and the arrays without elements by path."""
    import orbax.checkpoint as ocp

    args = {"extra": ocp.args.JsonRestore()}
    with _explaining(path):
        if (path / "extra_arrays").is_dir():
            as_numpy = _restore_args(path / "extra_arrays", {})
            args["extra_arrays"] = ocp.args.PyTreeRestore(restore_args=as_numpy)
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
            items = checkpointer.restore(path, args=ocp.args.Composite(**args))
        stored = _plain.decode(items.extra, items.get("extra_arrays") or {})
        if not isinstance(stored, dict) or "extra" not in stored or not isinstance(stored.get("empty"), dict):
            raise ValueError("its extra data is not in the form that jl.checkpoint.save writes")
    return stored


@contextlib.contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """Let errors of Orbax, which are of many classes, name the checkpoint within a `with` block."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, MemoryError):  # of the devices
        raise
    except Exception as error:
        raise DamagedError(
            f"The checkpoint {str(path)!r} cannot be read: {type(error).__name__}: {str(error)[:_LONGEST_ERROR]}. "
            "Restore another one, see latest()."
        ) from error


def read(path: Path, like: Any) -> Any:
    """Return the tree of a checkpoint; see `restore`."""
    import orbax.checkpoint as ocp

    empty = {tuple(name.split("/")): array for name, array in read_extra(path)["empty"].items()}
    wanted = {} if like is None else {_path(keys): leaf for keys, leaf in jax.tree_util.tree_leaves_with_path(like)}
    if like is not None:
        with _explaining(path):
            stored = {_path(keys): leaf for keys, leaf in _metadata(path / "state")} | empty
        _check_same(stored, wanted, path)
    tree: Any = {}
    if (path / "state").is_dir():
        with _explaining(path), ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
            args = ocp.args.PyTreeRestore(restore_args=_restore_args(path / "state", wanted))
            tree = checkpointer.restore(path, args=ocp.args.Composite(state=args)).state
    if like is None:
        return _with_empty(tree, empty)
    found = {_path(keys): leaf for keys, leaf in jax.tree_util.tree_leaves_with_path(tree)} | empty
    leaves = [_in_form_of(leaf, found[place]) for place, leaf in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _as_stored(leaf: Any, name: str) -> Any:
    """Return a leaf in the form in which Orbax is given it: arrays on one device as NumPy arrays, keys as integers.

    Raises:
        TypeError: if it is no array, number or text.
    """
    if isinstance(leaf, jax.Array):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        return np.asarray(leaf) if leaf.is_fully_replicated and leaf.is_fully_addressable else leaf
    if isinstance(leaf, np.ndarray | np.generic) and leaf.dtype.kind not in "OSUMm":
        return np.asarray(leaf)
    if isinstance(leaf, bool | int | float | str):
        return leaf
    raise TypeError(
        f"{name} is a {type(leaf).__name__}, which cannot be saved in a tree. Allowed are arrays, numbers and text; "
        "other plain data can be saved as `extra`."
    )


def _in_form_of(like: Any, leaf: Any) -> Any:
    """Return a restored leaf in the form of the leaf it replaces."""
    if not isinstance(like, jax.Array | jax.ShapeDtypeStruct):
        return leaf
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        like = like if isinstance(like, jax.Array) else jnp.empty((), like.dtype)
        return jax.random.wrap_key_data(jnp.asarray(leaf), impl=jax.random.key_impl(like))
    # A copy: XLA may reuse the memory of an array that is donated to it.
    return leaf if isinstance(leaf, jax.Array) else jax.device_put(leaf, may_alias=False)


def _restore_args(path: Path, wanted: trees.Flat) -> Any:
    """Return Orbax's arguments for each leaf: the sharding if the wanted leaf has a fixed one, else a NumPy array."""
    import orbax.checkpoint as ocp

    def args_of(keys: Any, stored: Any) -> Any:
        like: Any = wanted.get(_path(keys))
        sharding = getattr(like, "sharding", None)
        if isinstance(like, jax.Array) and not like.committed:
            sharding = None
        if sharding is not None and not jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
            return ocp.ArrayRestoreArgs(sharding=sharding, global_shape=like.shape, dtype=like.dtype)
        return ocp.RestoreArgs(restore_type=np.ndarray if _is_array(stored) else None)

    return jax.tree_util.tree_map_with_path(args_of, _metadata_tree(path), is_leaf=_is_metadata)


def _metadata(path: Path) -> list[tuple[Any, Any]]:
    return jax.tree_util.tree_leaves_with_path(_metadata_tree(path), is_leaf=_is_metadata) if path.is_dir() else []


def _metadata_tree(path: Path) -> Any:
    import orbax.checkpoint as ocp

    return ocp.PyTreeCheckpointHandler().metadata(path).tree


def _is_metadata(node: Any) -> bool:
    return hasattr(node, "directory") and hasattr(node, "name")


def _is_array(stored: Any) -> bool:
    return type(stored).__name__ == "ArrayMetadata"


def _check_same(stored: trees.Flat, wanted: trees.Flat, path: Path) -> None:
    """Compare the leaves of a checkpoint with those wanted.

    Raises:
        ValueError: if they differ in their paths, shapes or dtypes.
    """
    problems = []
    for place in [*wanted, *(place for place in stored if place not in wanted)]:
        name = "/".join(place) or "the tree itself"
        if place not in stored:
            problems.append(f"{name} is missing in the checkpoint")
        elif place not in wanted:
            problems.append(f"{name} is in the checkpoint only")
        else:
            expected, received = _describe(wanted[place]), _describe(stored[place])
            if expected != received:
                problems.append(f"{name} must be {expected}, but is {received} in the checkpoint")
    if problems:
        raise ValueError(
            f"The checkpoint {str(path)!r} does not fit: {'; '.join(problems)}. Restore it into the model, compiled as "
            "it was when it was saved; restore(path) without `like` returns the tree as it is. Generated names such as "
            "auc and auc_1 are counted within a process: pass name=, or call jl.utils.clear_session() before the model "
            "is made again."
        )


def _describe(leaf: Any) -> str:
    if isinstance(leaf, jax.Array | jax.ShapeDtypeStruct) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.eval_shape(jax.random.key_data, leaf)
    if hasattr(leaf, "dtype") and hasattr(leaf, "shape"):
        is_number = _is_metadata(leaf) and not _is_array(leaf)
        return f"a number, {leaf.dtype}" if is_number else f"{leaf.dtype}{list(leaf.shape)}"
    return "text" if isinstance(leaf, str) or _is_metadata(leaf) else f"a number, {np.asarray(leaf).dtype}"


def _with_empty(tree: Any, empty: trees.Flat) -> Any:
    """Put the arrays without elements into a tree of nested dicts and lists."""
    for place, array in empty.items():
        inside = tree
        for key in place[:-1]:
            inside = inside[int(key)] if isinstance(inside, list) else inside.setdefault(key, {})
        last = place[-1] if place else ""
        if not place:
            return array
        inside[int(last) if isinstance(inside, list) else last] = array
    return tree


def _path(keys: Any) -> trees.Path:
    """Return a path of JAX as text: names of attributes, keys of dicts, and indices."""
    return tuple(str(getattr(key, "name", getattr(key, "key", getattr(key, "idx", key)))) for key in keys)
