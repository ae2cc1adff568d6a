"""How an object finds what was assigned to it, at any depth.

Assigning to an attribute of a `Tracked` object turns lists and dicts into ones that notice changes. `walk` lists all
that can be reached, each thing once, under the path where it was first found; its result is kept until something is
assigned anywhere, so that no call walks a graph.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import jax

from jaxlayers.core.variable import Variable

Path = tuple[str, ...]
_versions = itertools.count(1)
_version = 0


def structure_changed() -> None:
    """Make every kept walk out of date."""
    global _version
    _version = next(_versions)


class Tracked:
    """The base of everything that owns variables: layers, metrics, seed generators, optimizers."""

    kind = "seed"  # what its own variables count as: "weight", "metric", "seed" or "slot"
    _walk_cache: tuple[int, Walk] | None = None
    _owner: weakref.ref[Tracked] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, CHILDREN):
            structure_changed()
            value = track(value, self)
        elif name in self.__dict__ and isinstance(self.__dict__[name], CHILDREN):
            structure_changed()
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        structure_changed()
        object.__delattr__(self, name)

    def tracked_children(self) -> Iterator[tuple[str, Any]]:
        """What is assigned to this object, with the key it has in the tree."""
        seen: set[str] = set()
        for name, value in self.__dict__.items():
            if isinstance(value, CHILDREN) and name not in _BOOKKEEPING:
                key = name.lstrip("_") or name
                yield (name if key in seen else key), value
                seen.add(key)

    def adopt(self, owner: Any) -> None:
        """Remember the first object that this one was assigned to."""
        if self._owner is None or self._owner() is None:
            object.__setattr__(self, "_owner", weakref.ref(owner))

    @property
    def walk(self) -> Walk:
        """Everything that can be reached from here; kept until something is assigned."""
        version = _version
        cached = self._walk_cache
        if cached is None or cached[0] != version:
            cached = (version, Walk(self))
            object.__setattr__(self, "_walk_cache", cached)
        return cached[1]

    def root(self) -> Tracked:
        """The outermost object that this one was assigned into."""
        owner = None if self._owner is None or isinstance(self, _UNOWNING) else self._owner()
        return self if owner is None else owner.root()

    def find_path(self, thing: Any) -> Path | None:
        """Where something sits below this object, or None."""
        return self.walk.paths.get(id(thing))

    def path_of(self, thing: Any) -> Path:
        """Where something sits below this object; its own name when it was never assigned."""
        if thing is self:
            return ()
        found = self.find_path(thing)
        return (thing.name,) if found is None else found

    def path_to(self, thing: Any) -> str:
        """The path of something from the outermost object on, joined by slashes."""
        root = self.root()
        return "/".join((getattr(root, "name", type(root).__name__), *root.path_of(thing)))

    @property
    def path(self) -> str:
        """Where it sits: the outermost object's name, then attribute names, list indices, dict keys."""
        return self.path_to(self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_walk_cache", "_owner", "_blueprint")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            (object.__setattr__ if name in _BOOKKEEPING else setattr)(self, name, value)


class Walk:
    """What a walk found: variables and objects in the order of Keras's `weights`, and the path of each."""

    def __init__(self, root: Tracked):
        self.paths: dict[int, Path] = {id(root): ()}
        self.variables: list[tuple[Path, Variable, str]] = []  # path, variable, the kind of its owner
        self.objects: list[Tracked] = [root]
        self._visit(root, ())

    def _visit(self, owner: Tracked, path: Path) -> None:
        mine: list[tuple[Path, Variable]] = []
        below: list[tuple[Path, Tracked]] = []
        for key, value in owner.tracked_children():
            self._sort(value, (*path, key), mine, below)
        mine.sort(key=lambda entry: not entry[1].was_trainable)
        self.variables += [(where, variable, owner.kind) for where, variable in mine]
        for where, child in below:
            self.objects.append(child)
            self._visit(child, where)

    def _sort(self, value: Any, path: Path, mine: list[Any], below: list[Any]) -> None:
        if isinstance(value, tuple | list | dict):
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                if isinstance(item, CHILDREN):
                    self._sort(item, (*path, str(key)), mine, below)
        elif isinstance(value, _UNOWNING) or id(value) in self.paths:
            return
        else:
            self.paths[id(value)] = path
            (mine if isinstance(value, Variable) else below).append((path, value))


def track(value: Any, owner: Any) -> Any:
    """Make containers notice changes, and let what is in them know its owner."""
    if isinstance(value, Variable | Tracked):
        value.adopt(owner)
        return value
    if isinstance(value, tuple):
        items = [track(item, owner) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if type(value) is list:
        return TrackedList(value, owner)
    if type(value) is dict:
        return TrackedDict(value, owner)
    if isinstance(value, TrackedList | TrackedDict):
        value.adopt(owner)
    return value


class TrackedList(list):
    """A list whose owner hears of what is put into it."""

    def __init__(self, values: Iterable[Any] = (), owner: Any = None):
        self._owner = None if owner is None else weakref.ref(owner)
        super().__init__(track(value, owner) for value in values)

    def adopt(self, owner: Any) -> None:
        if self._owner is None or self._owner() is None:
            self._owner = weakref.ref(owner)
            super().__init__([track(value, owner) for value in self])

    def _track(self, value: Any) -> Any:
        structure_changed()
        owner = None if self._owner is None else self._owner()
        return value if owner is None else track(value, owner)

    def append(self, value: Any) -> None:
        super().append(self._track(value))

    def insert(self, index: Any, value: Any) -> None:
        super().insert(index, self._track(value))

    def extend(self, values: Iterable[Any]) -> None:
        super().extend([self._track(value) for value in values])

    def __iadd__(self, values: Any) -> TrackedList:  # type: ignore[override,misc]
        self.extend(values)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        new = [self._track(item) for item in value] if isinstance(index, slice) else self._track(value)
        super().__setitem__(index, new)

    def __delitem__(self, index: Any) -> None:
        structure_changed()
        super().__delitem__(index)

    def pop(self, index: Any = -1) -> Any:
        structure_changed()
        return super().pop(index)

    def remove(self, value: Any) -> None:
        for index, item in enumerate(self):
            if item is value or (not isinstance(item, Variable) and item == value):
                del self[index]
                return
        raise ValueError(f"{value!r} is not in the list")

    def clear(self) -> None:
        structure_changed()
        super().clear()

    def reverse(self) -> None:
        structure_changed()
        super().reverse()

    def sort(self, **kwargs: Any) -> None:
        structure_changed()
        super().sort(**kwargs)

    def copy(self) -> list[Any]:
        return list(self)

    def __reduce__(self) -> Any:
        return (TrackedList, (list(self),))


class TrackedDict(dict):
    """A dict whose owner hears of what is put into it."""

    def __init__(self, values: Any = (), owner: Any = None):
        self._owner = None if owner is None else weakref.ref(owner)
        super().__init__({key: track(value, owner) for key, value in dict(values).items()})

    def adopt(self, owner: Any) -> None:
        if self._owner is None or self._owner() is None:
            self._owner = weakref.ref(owner)
            for key, value in list(self.items()):
                super().__setitem__(key, track(value, owner))

    def __setitem__(self, key: Any, value: Any) -> None:
        structure_changed()
        owner = None if self._owner is None else self._owner()
        super().__setitem__(key, value if owner is None else track(value, owner))

    def __delitem__(self, key: Any) -> None:
        structure_changed()
        super().__delitem__(key)

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __ior__(self, other: Any) -> TrackedDict:  # type: ignore[override,misc]
        self.update(other)
        return self

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, *args: Any) -> Any:
        structure_changed()
        return super().pop(*args)

    def popitem(self) -> Any:
        structure_changed()
        return super().popitem()

    def clear(self) -> None:
        structure_changed()
        super().clear()

    def copy(self) -> dict[Any, Any]:
        return dict(self)

    def __reduce__(self) -> Any:
        return (TrackedDict, (dict(self),))


CHILDREN = (Variable, Tracked, list, dict, tuple)
_BOOKKEEPING = frozenset(["_walk_cache", "_loose_weights", "_made_with", "_kept_losses", "_blueprint"])  # not the author's
_UNOWNING: tuple[type, ...] = ()  # classes whose objects keep themselves to themselves when assigned to a layer


def keep_apart(cls: type) -> type:
    """Class decorator: what is assigned to a layer as one of these is not part of the layer (optimizers)."""
    global _UNOWNING
    _UNOWNING = (*_UNOWNING, cls)
    return cls


def kept_apart() -> tuple[type, ...]:
    """The classes that `keep_apart` was applied to."""
    return _UNOWNING


jax.tree_util.register_pytree_node(
    TrackedList, lambda values: (tuple(values), None), lambda _, values: list(values)
)
jax.tree_util.register_pytree_with_keys(
    TrackedDict,
    lambda values: (tuple((jax.tree_util.DictKey(k), values[k]) for k in sorted(values)), tuple(sorted(values))),
    lambda keys, values: dict(zip(keys, values, strict=True)),
)
