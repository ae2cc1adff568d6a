"""The weights of a model between its objects and a file: what goes where, and what does not fit.

Loading is strict: all differences are reported in one error, and then nothing has changed.
"""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import jax.numpy as jnp

from jaxlayers.core import donation
from jaxlayers.core.random import SeedGenerator
from jaxlayers.saving import _optimizer_states
from jaxlayers.saving._content import Content, Layout
from jaxlayers.saving._places import places

_MAX_PROBLEMS = 50  # listed in one error


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which paths of a file are loaded, and into which objects.

    Attributes:
        include: regular expressions; if there are any, only objects whose paths match one of them are loaded.
        exclude: regular expressions; objects whose paths match one of them are not loaded.
        rename: a function, or pairs (regular expression, replacement), from paths of the model to paths of the file.
        skip_mismatch: if True, objects that do not fit are left as they are, with a warning.
        skipped: objects that are left as they are, with everything inside.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rename: Callable[[str], str] | tuple[tuple[str, str], ...] = ()
    skip_mismatch: bool = False
    skipped: Collection[Any] = ()

    @property
    def is_partial(self) -> bool:
        """True if some paths are left out."""
        return bool(self.include or self.exclude)

    def selects(self, path: str) -> bool:
        """True if the object at a path is loaded."""
        if self.include and not any(re.search(pattern, path) for pattern in self.include):
            return False
        return not any(re.search(pattern, path) for pattern in self.exclude)

    def path_in_file(self, path: str) -> str:
        """Return the path in the file of the object at a path of the model."""
        if callable(self.rename):
            return self.rename(path)
        for pattern, replacement in self.rename:
            path = re.sub(pattern, replacement, path)
        return path


def save(root: Any, make_store: Callable[[str, str | None], Any], skipped: Iterable[Any] = ()) -> None:
    """Write the variables of a model and of everything inside.

    Args:
        root: the model or layer.
        make_store: called with the path and the name of each object; returns the mapping that takes its variables.
        skipped: objects that are left out, with everything inside.
    """
    for path, owner in _saved_places(root, skipped).items():
        name = getattr(owner, "name", None)
        store = make_store(path, name if isinstance(name, str) and _is_named(owner) else None)
        owner.save_own_variables(_store_for(owner, store))
    _optimizer_states.save_parameters(root, _saved_places(root, skipped), make_store)


def load(root: Any, stored: Content, what: str, selection: Selection) -> None:
    """Assign the variables of a file to those of a model, all or none.

    Args:
        root: the model or layer.
        stored: the variables of each object by path, which are checked first.
        what: the file, to begin a message with.
        selection: what is loaded.

    Raises:
        ValueError: when something does not fit.
    """
    owners = _saved_places(root, selection.skipped)
    selected = {path: owner for path, owner in owners.items() if selection.selects(path)}
    entries = {
        path: _store_for(owner, stored.get(selection.path_in_file(path), {})) for path, owner in selected.items()
    }
    problems: dict[str, str] = {}
    held = _Held(root, owners.values())
    try:
        stored.read_and_check(map(selection.path_in_file, selected), held.layouts())
        for path, store in entries.items():
            try:
                if not _optimizer_states.is_optimizer(owners[path]):
                    _load_one(owners[path], store)
            except Exception as error:  # the author's own method may raise anything
                problems[path] = str(error) or type(error).__name__
                held.put_back(owners[path]._saved_variables())  # it may have failed half-way
        used = {selection.path_in_file(path) for path in owners}
        extra = [] if selection.is_partial or selection.skipped else _unused(root, stored, used)
        if problems or extra:
            _report(root, what, problems, extra, selection)
        for path, store in entries.items():  # not before the weights: to build an optimizer cannot be undone
            if _optimizer_states.is_optimizer(owners[path]):
                names = stored.get(f"{selection.path_in_file(path)}/{_optimizer_states.PARAMETERS}", {})
                _optimizer_states.load(root, owners[path], owners.values(), store, names)
    except BaseException:
        held.put_back()
        raise


def _store_for(owner: Any, store: Any) -> Any:
    """Return the store of an object with the keys that the object uses: a format may have names in place of numbers."""
    return store.of(owner) if hasattr(store, "of") else store


def _report(root: Any, what: str, problems: dict[str, str], extra: list[str], selection: Selection) -> None:
    lines = [f"  {path or root.name}: {problem}" for path, problem in problems.items()]
    lines += [f"  {path}: the model has nothing at this path" for path in extra]
    more = f"\n  ... and {len(lines) - _MAX_PROBLEMS} more" if len(lines) > _MAX_PROBLEMS else ""
    text = "\n".join(lines[:_MAX_PROBLEMS]) + more
    if selection.skip_mismatch:
        warnings.warn(
            f"{what} does not fit {root.name!r} everywhere; these were left as they are:\n{text}", stacklevel=5
        )
        return
    raise ValueError(
        f"{what} does not fit {root.name!r}; nothing has been loaded:\n{text}\nUse skip_mismatch=True to load what "
        "fits, or include=, exclude= and rename= to choose by path."
    )


def _load_one(owner: Any, store: Mapping[str, Any]) -> None:
    if isinstance(owner, SeedGenerator) and not store:  # files by Keras do not hold the states of generators
        return
    if store and not getattr(owner, "built", True) and not owner._saved_variables():
        raise ValueError("the layer is not built, so it has no variables yet. Call it, or build(), first")
    owner.load_own_variables(store)


def optimizers(root: Any) -> list[Any]:
    """Return the objects of a model whose variables are no weights of it."""
    return [owner for owner in places(root).values() if _optimizer_states.is_optimizer(owner)]


def _saved_places(root: Any, skipped: Iterable[Any]) -> dict[str, Any]:
    """Return the objects that write variables, by path."""
    left_out = {id(below) for owner in skipped for below in places(owner).values()}
    found = {path: owner for path, owner in places(root).items() if id(owner) not in left_out}
    return {path: owner for path, owner in found.items() if hasattr(owner, "save_own_variables")}


def _is_named(owner: Any) -> bool:
    """True for the objects whose names Keras writes as well: layers and optimizers."""
    return not isinstance(owner, SeedGenerator)


def _unused(root: Any, stored: Mapping[str, Any], used: set[str]) -> list[str]:
    """Return the paths of the file that no object of the model has; the optimizer of a model without one is none."""
    used = used | {f"{path}/{_optimizer_states.PARAMETERS}" for path in used}
    has_optimizer = getattr(root, "optimizer", None) is not None
    return [
        path
        for path, store in stored.items()
        if len(store) and path not in used and (has_optimizer or path.split("/")[0] != "optimizer")
    ]


class _Held:
    """The arrays that the variables of a model hold, to be put back after a failure."""

    def __init__(self, root: Any, owners: Iterable[Any]):
        walks: Iterator[Any] = (owner._tracked_walk for owner in (root, *owners) if hasattr(owner, "_tracked_walk"))
        variables = [variable for walk in walks for _, variable in walk.entries]
        for variable in variables:
            donation.wait_for(variable)
        self._arrays = {variable: variable._value for variable in variables}  # also those that are lost, or not made

    def layouts(self) -> set[Layout]:
        """Return the layouts of the variables."""
        return {(tuple(variable.shape), jnp.dtype(variable.dtype).itemsize) for variable in self._arrays}

    def put_back(self, variables: Iterable[Any] | None = None) -> None:
        """Put the arrays back, of all variables or of some."""
        for variable in self._arrays if variables is None else variables:
            array = self._arrays[variable]
            if variable._value is not array:
                variable.store(None)  # from now on the array counts as shared
                variable._value = array
