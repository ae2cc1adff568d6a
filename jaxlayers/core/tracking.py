"""Objects that find the variables and objects assigned to them, at any depth.

Assigning to an attribute of a `Tracked` object turns lists and dicts into ones that notice changes. A `Walk` lists
everything that can be reached from an object, each variable and object once, under the path where it was first found.
It is cached until something is assigned to any object, so that no call walks a graph.
"""

from __future__ import annotations

import collections
import functools
import itertools
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import jax

from jaxlayers.common import changes, copies
from jaxlayers.core import scope
from jaxlayers.core.protocols import Role
from jaxlayers.core.variable import Variable

Path = tuple[str, ...]
_versions = itertools.count(1)
_version = 0


def structure_changed() -> None:
    """Make every cached walk out of date."""
    global _version
    _version = next(_versions)
    changes.note()


class Tracked:
    """The base of everything that owns variables: layers, metrics, seed generators, optimizers."""

    _variable_role = Role.SEED  # the role of the variables assigned to it that have none
    _walk_cache: tuple[int, Walk] | None = None
    _tracking_owners: tuple[weakref.ref[Tracked], ...] = ()
    _set_in_runs: frozenset[str] = frozenset()  # the attributes that were set last by a run, as `call` may do
    _container_changes = 0  # the number of changes of containers in attributes, those by runs not included
    _outside_programs: frozenset[str] = frozenset()  # the attributes that no traced function depends on
    _child_order: Mapping[
        int, weakref.ref[Any]
    ] = {}  # the things assigned to it, in the order of their first assignment

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, _TRACKED):
            structure_changed()
            value = track(value, self)
        elif name in self.__dict__ and isinstance(self.__dict__[name], CHILDREN):
            structure_changed()
        object.__setattr__(self, name, value)
        if name in self.__dict__ and name not in self._outside_programs:  # a property notes what it sets itself
            self._note_change(name)

    def __delattr__(self, name: str) -> None:
        structure_changed()
        object.__delattr__(self, name)

    def _note_change(self, name: str) -> None:
        """Note that an attribute was set: compiled functions may have to be traced again, unless a run has set it."""
        if not scope.is_running():
            changes.note()
            if name in self._set_in_runs:
                object.__setattr__(self, "_set_in_runs", self._set_in_runs - {name})
        elif name not in self._set_in_runs:
            object.__setattr__(self, "_set_in_runs", self._set_in_runs | {name})

    def _program_attributes(self) -> Iterator[tuple[str, Any]]:
        """Yield the attributes that traced functions depend on, with their names."""
        left_out = BOOKKEEPING | self._set_in_runs | self._outside_programs
        return ((name, value) for name, value in self.__dict__.items() if name not in left_out)

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """Yield everything assigned to this object, with its key in the tree."""
        children = {
            name: value
            for name, value in self.__dict__.items()
            if isinstance(value, CHILDREN) and name not in BOOKKEEPING
        }
        taken = {name for name in children if not name.startswith("_")}
        for name, value in children.items():
            key = name.lstrip("_") or name
            if key != name:  # without the leading underscore, unless that makes two keys equal
                key = name if key in taken else key
                taken.add(key)
            yield key, value

    def _add_owner(self, owner: Tracked) -> None:
        """Remember an object that this one was assigned to."""
        owner._record_child(self)
        living = tuple(ref for ref in self._tracking_owners if ref() is not None)
        if self not in owner._self_and_owners() and all(ref() is not owner for ref in living):
            object.__setattr__(self, "_tracking_owners", (*living, weakref.ref(owner)))

    def _record_child(self, child: Any) -> None:
        """Remember a child after those that were assigned to this object before it."""
        if not self._has_child(child):
            order: Any = self.__dict__.setdefault("_child_order", {})
            order.pop(id(child), None)  # of a child that is gone
            order[id(child)] = weakref.ref(child)

    def _has_child(self, child: Any) -> bool:
        """True if a child was assigned to this object before."""
        ref = self._child_order.get(id(child))
        return ref is not None and ref() is child

    def _self_and_owners(self) -> list[Tracked]:
        """This object and all objects that it is a part of."""
        above = [self]
        for thing in above:  # the list grows during the loop
            above += [owner for owner in thing._living_owners if all(owner is not other for other in above)]
        return above

    @property
    def _living_owners(self) -> list[Tracked]:
        """The objects that this one was assigned to and that still exist, in the order of assignment."""
        return [owner for ref in self._tracking_owners if (owner := ref()) is not None]

    @property
    def _tracked_walk(self) -> Walk:
        """The walk from this object; cached until something is assigned."""
        version = _version
        cached = self._walk_cache
        if cached is None or cached[0] != version:
            cached = (version, Walk(self))
            object.__setattr__(self, "_walk_cache", None if cached[1].changes_unnoticed else cached)
        return cached[1]

    @property
    def _tracked_objects(self) -> list[Tracked]:
        """This object and all that can be reached from it."""
        return [self, *self._tracked_walk.below]

    def _outermost_owner(self) -> Tracked:
        """The outermost object that this one was assigned into."""
        owners = [] if isinstance(self, _KEPT_APART) else self._living_owners
        return owners[0]._outermost_owner() if owners else self

    def _find_path(self, thing: Any) -> Path | None:
        """The path of something below this object, or None."""
        return self._tracked_walk.paths.get(id(thing))

    def _path_of(self, thing: Any) -> Path:
        """The path of something below this object; its own name when it was never assigned."""
        if thing is self:
            return ()
        path = self._find_path(thing)
        return (thing.name,) if path is None else path

    def _path_to(self, thing: Any) -> str:
        """The path of something from the outermost object on, joined by slashes."""
        root = self._outermost_owner()
        return "/".join((getattr(root, "name", type(root).__name__), *root._path_of(thing)))

    @property
    def path(self) -> str:
        """The path of this object: the outermost object's name, then attribute names, list indices, dict keys."""
        return self._path_to(self)

    def __getstate__(self) -> dict[str, Any]:
        state = copies.portable({name: value for name, value in self.__dict__.items() if name not in _NOT_COPIED})
        return {**state, "_child_order": [ref() for ref in self._child_order.values()]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for child in state.pop("_child_order"):
            if child is not None:
                child._add_owner(self)
        for name, value in state.items():
            (object.__setattr__ if name in BOOKKEEPING else setattr)(self, name, value)


class Walk:
    """Everything that can be reached from an object, in the order of Keras's `weights`.

    Attributes:
        entries: the (path, variable) pairs.
        below: the objects, without the one that the walk starts from: it caches the walk, so this would be a cycle.
        paths: the path of each variable and object by its identity.
        changes_unnoticed: True if the walk passed a container that does not notice changes, so it cannot be cached.
    """

    def __init__(self, root: Tracked):
        self.paths: dict[int, Path] = {}
        self.entries: list[tuple[Path, Variable]] = []
        self.below: list[Tracked] = []
        self.changes_unnoticed = False
        self._visit(root, ())
        del self.below[0]
        paths = ["/".join(path) for path, _ in self.entries]
        if len(set(paths)) < len(paths):
            duplicates = sorted({path for path in paths if paths.count(path) > 1})
            raise ValueError(
                f"Two weights of {root!r} have the same path: {', '.join(duplicates)}. Give their keys other names."
            )

    def _visit(self, owner: Tracked, path: Path) -> None:
        self.paths[id(owner)] = path
        self.below.append(owner)
        variables: list[tuple[Path, Variable]] = []
        children: list[tuple[Path, Tracked]] = []
        for key, value in owner._tracked_children():
            self._sort(value, (*path, key), variables, children)
        order = {key: number for number, key in enumerate(owner._child_order)}
        variables.sort(key=lambda entry: (not entry[1].was_trainable, order.get(id(entry[1]), len(order))))
        children.sort(key=lambda entry: order.get(id(entry[1]), len(order)))
        self.entries += variables
        for child_path, child in children:
            if id(child) not in self.paths:
                self._visit(child, child_path)

    def _sort(self, value: Any, path: Path, variables: list[Any], children: list[Any]) -> None:
        """Append the variables and the objects in a value to their lists; search containers at any depth."""
        if isinstance(value, Variable):
            if id(value) not in self.paths:
                self.paths[id(value)] = path
                variables.append((path, value))
        elif isinstance(value, Tracked):
            if not isinstance(value, _KEPT_APART):
                children.append((path, value))
        else:
            self.changes_unnoticed |= not isinstance(value, _Container | tuple)
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                if isinstance(item, CHILDREN):
                    self._sort(item, (*path, str(key)), variables, children)


def track(value: Any, owner: Any) -> Any:
    """Return a value with lists and dicts that notice changes; set the owner of the variables and objects in it."""
    if isinstance(value, Variable | Tracked):
        if not owner._has_child(value):
            value._add_owner(owner)
        return value
    if isinstance(value, tuple):
        items = [track(item, owner) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, set | frozenset):
        if any(isinstance(item, Variable | Tracked) for item in value):
            raise TypeError(
                f"{getattr(owner, 'name', owner)!r}: layers and variables in a set have no order to be saved in. Use a "
                "list, tuple or dict."
            )
        return value
    if type(value) in (list, dict, collections.OrderedDict):
        value = TrackedList(value) if type(value) is list else TrackedDict(value)
    if isinstance(value, _Container):
        value._add_owner(owner)
    return value


class _Container:
    """A container that makes walks out of date when it changes, and sets the owner of its new items."""

    _owner: weakref.ref[Any] | None = None
    _changed_in_runs = False  # True once a run has changed the container, as `call` may do

    @property
    def changes(self) -> int:
        """The number of changes outside of runs, of this container and the others in its owner."""
        owner = None if self._owner is None else self._owner()
        return 0 if owner is None else owner._container_changes

    def _add_owner(self, owner: Any) -> None:
        if self._owner is None or self._owner() is None:
            self._owner = weakref.ref(owner)
            self._track_items()

    def _track_items(self: Any, only_last: bool = False) -> None:
        """Track the items after a change, or the one that was appended."""
        structure_changed()
        owner = None if self._owner is None else self._owner()
        if scope.is_running():
            self._changed_in_runs = True
        elif owner is not None:
            object.__setattr__(owner, "_container_changes", owner._container_changes + 1)
        if owner is not None:
            base: Any = list if isinstance(self, list) else dict
            pairs = self.items() if base is dict else enumerate(self) if not only_last else [(len(self) - 1, self[-1])]
            for key, value in list(pairs):
                base.__setitem__(self, key, track(value, owner))


class TrackedList(_Container, list):
    """A list that notices changes."""

    def copy(self) -> list[Any]:
        return list(self)

    def __reduce__(self) -> Any:
        return (TrackedList, (list(self),))


class TrackedDict(_Container, dict):
    """A dict that notices changes."""

    def copy(self) -> dict[Any, Any]:
        return dict(self)

    def __reduce__(self) -> Any:
        return (TrackedDict, (dict(self),))


def _wrap_method(cls: type, name: str) -> None:
    """Make a method of list or dict track the items of the container after the change."""
    change = getattr(cls.__mro__[2], name)  # the method of list or dict

    @functools.wraps(change)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = change(self, *args, **kwargs)
        self._track_items(name == "append")
        return result

    setattr(cls, name, method)


_CHANGES = ("pop", "clear", "__setitem__", "__delitem__")
for _name in (*_CHANGES, "append", "insert", "extend", "remove", "reverse", "sort", "__iadd__", "__imul__"):
    _wrap_method(TrackedList, _name)
for _name in (*_CHANGES, "update", "setdefault", "popitem", "__ior__"):
    _wrap_method(TrackedDict, _name)


CHILDREN = (Variable, Tracked, list, dict, tuple)
_TRACKED = (*CHILDREN, set, frozenset)
BOOKKEEPING = frozenset(  # the kernel's own attributes, which hold no children
    [
        "_walk_cache",
        "_loose_weights",
        "_made_with",
        "_kept_losses",
        "_traced_losses",
        "_build_blueprint",
        "_is_borrowing",
        "_tracking_owners",
        "_child_order",
        "_symbolic_nodes",
        "_first_call",
        "_build_dtypes",
        "_build_shapes",
        "_set_in_runs",
        "_container_changes",
    ]
)
_NOT_COPIED = BOOKKEEPING - {"_loose_weights", "_made_with", "_build_dtypes", "_build_shapes"}
_KEPT_APART: tuple[type, ...] = ()  # classes whose objects are not part of the layers they are assigned to


def keep_apart(cls: type) -> type:
    """Class decorator: objects of the class are not part of the layer that they are assigned to (optimizers)."""
    global _KEPT_APART
    _KEPT_APART = (*_KEPT_APART, cls)
    return cls


def kept_apart() -> tuple[type, ...]:
    """The classes that `keep_apart` was applied to."""
    return _KEPT_APART


jax.tree_util.register_pytree_with_keys(
    TrackedList,
    lambda values: (tuple((jax.tree_util.SequenceKey(i), value) for i, value in enumerate(values)), None),
    lambda _, values: list(values),  # type: ignore[arg-type, return-value]
)
jax.tree_util.register_pytree_with_keys(
    TrackedDict,
    lambda values: (tuple((jax.tree_util.DictKey(k), values[k]) for k in sorted(values)), tuple(sorted(values))),
    lambda keys, values: dict(zip(keys, values, strict=True)),  # type: ignore[arg-type, return-value]
)
