"""Nested structures of arrays as plain data: how an exported file describes inputs, outputs and collections.

A structure is described by nodes. A leaf of it is an array, described by its shape and dtype. Every other node has a
kind (`none`, `dict`, `list`, `tuple` or `record`), keys, and one part for each key. A record is any other pytree node:
a named tuple, a dataclass, a `TrainState`. It is stored as the names of its class and fields, so that a file is read
without the class. Where the class is not known, a record is a named tuple with these fields.
"""

from __future__ import annotations

import collections
import functools
import keyword
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax

from jaxlayers.common.array_like import ArrayLike
from jaxlayers.common.explanations import describe as describe_value
from jaxlayers.export._file import dtype_of

Key = str | int
_CONTAINERS = ("none", "dict", "list", "tuple", "record")
_DEEPEST = 200  # levels of a structure in a file
_LARGEST = 1 << 62  # size of an axis
_SIZE = re.compile(r"[A-Za-z0-9_ ()+*,-]+")  # an expression for a size


class Leaf(NamedTuple):
    """One array of a structure.

    Attributes:
        shape: a number for each size that is known, and an expression such as `"batch"` or `"2*batch"` for any other.
        dtype: the name of the dtype; for a key of `jax.random` that of its data.
        name: the name of the input; None for a leaf that has none.
        optional: if True, None is accepted in the place of the array.
        key: the implementation of a key of `jax.random`, such as `"threefry2x32"`; None for other arrays.
    """

    shape: tuple[int | str, ...]
    dtype: str
    name: str | None = None
    optional: bool = False
    key: str | None = None

    def __str__(self) -> str:
        sizes = ", ".join(map(str, self.shape)) + ("," if len(self.shape) == 1 else "")
        return f"a key of jax.random, {self.key}, ({sizes})" if self.key else f"shape ({sizes}) and dtype {self.dtype}"


class Node(NamedTuple):
    """A container in a structure: its kind, the name of the class of a record, its keys, and a part for each key."""

    kind: str
    keys: tuple[Key, ...] = ()
    parts: tuple[Any, ...] = ()  # of `Node` and `Leaf`
    type: str = ""


Structure = Node | Leaf


def describe(value: Any, leaf: Callable[[Any, str], Leaf], path: str = "") -> Structure:
    """Return the description of a structure; `leaf(value, path)` describes a leaf."""
    opened = _open(value)
    if opened is None:
        return leaf(value, path)
    kind, name, keys, parts = opened
    described = [describe(part, leaf, join(path, key)) for key, part in zip(keys, parts, strict=True)]
    return Node(kind, tuple(keys), tuple(described), name)


def leaves_of(structure: Structure, path: str = "") -> Iterator[tuple[str, Leaf]]:
    """Generate the path and the description of each leaf, in order."""
    if isinstance(structure, Leaf):
        yield path, structure
        return
    for key, part in zip(structure.keys, structure.parts, strict=True):
        yield from leaves_of(part, join(path, key))


def values_of(value: Any) -> list[Any]:
    """Return the leaves of a structure in the order of `leaves_of`."""
    opened = _open(value)
    return [value] if opened is None else [leaf for part in opened[3] for leaf in values_of(part)]


def without(structure: Structure, absent: frozenset[str], path: str = "") -> Structure:
    """Return a structure with None in the place of some leaves, given by their paths."""
    if isinstance(structure, Leaf):
        return Node("none") if path in absent else structure
    parts = [without(p, absent, join(path, key)) for key, p in zip(structure.keys, structure.parts, strict=True)]
    return structure._replace(parts=tuple(parts))


class Matched:
    """The values of the leaves of a structure, taken from a value that a caller passes.

    Attributes:
        values: the value of each leaf in the order of `leaves_of`; None for an optional leaf that is absent.
        classes: how records that the value holds are made, by the name and the fields of their class.
    """

    def __init__(self, structure: Structure, value: Any, path: str = ""):
        self.values: list[Any] = []
        self.classes: dict[Any, Callable[[list[Any]], Any]] = {}
        self._match(structure, value, path)

    def _match(self, structure: Structure, value: Any, path: str) -> None:
        if isinstance(structure, Leaf):
            if value is None and not structure.optional:
                raise ValueError(f"the input {(structure.name or path)!r} is None; it must have {structure}")
            self.values.append(value)
            return
        if structure.kind == "none":
            if value is not None:
                raise ValueError(f"{path!r} must be None; received {describe_value(value)}")
            return
        parts = self._parts(structure, value, path)
        for key, inside, part in zip(structure.keys, structure.parts, parts, strict=True):
            self._match(inside, part, join(path, key))

    def _parts(self, structure: Node, value: Any, path: str) -> list[Any]:
        """Return the part of a value for each key of a container."""
        opened = _open(value)
        what = f"{path!r} must be {_phrase(structure)}"
        if opened is None or opened[0] == "none":
            raise ValueError(f"{what}; received {describe_value(value)}")
        kind, name, keys, parts = opened
        if structure.kind in ("list", "tuple"):
            if kind == "dict" and all(leaf.name for _, leaf in leaves_of(structure)):
                return _by_name(structure, dict(zip(keys, parts, strict=True)), what)
            if kind not in ("list", "tuple") or len(parts) != len(structure.parts):
                raise ValueError(f"{what}; received a {kind} of {len(parts)}")
            return parts
        if kind not in ("dict", "record"):
            raise ValueError(f"{what}; received a {kind} of {len(parts)}")
        received = dict(zip(keys, parts, strict=True))
        _compare_keys(structure.keys, received, what)
        if kind == "record" and keys == structure.keys:
            tree: Any = jax.tree.structure(value, is_leaf=lambda part: part is not value)
            self.classes[name, keys] = tree.unflatten
        return [received[key] for key in structure.keys]


def build(structure: Structure, values: Iterator[Any], classes: Mapping[Any, Callable[[list[Any]], Any]]) -> Any:
    """Return the structure with values in the places of its leaves.

    Args:
        structure: the description.
        values: a value for each leaf, in the order of `leaves_of`.
        classes: functions `parts -> record` by the name and the fields of a class; see `Matched`.
    """
    if isinstance(structure, Leaf):
        return next(values)
    parts = [build(part, values, classes) for part in structure.parts]
    if structure.kind == "none":
        return None
    if structure.kind == "dict":
        return dict(zip(structure.keys, parts, strict=True))
    if structure.kind != "record":
        return parts if structure.kind == "list" else tuple(parts)
    make = classes.get((structure.type, structure.keys))
    return _new_record(structure, parts) if make is None else make(parts)


def _new_record(structure: Node, parts: list[Any]) -> Any:
    fields = dict(zip(map(str, structure.keys), parts, strict=True))
    if structure.type == "TrainState":
        from jaxlayers.training.state import TrainState  # it needs flax, which takes its time to import

        if tuple(fields) == tuple(TrainState.__dataclass_fields__):
            return TrainState(**fields)
    names = (structure.type, *fields)
    return _named_tuple(names[0], names[1:])(*parts) if all(map(_is_field, names)) else fields


@functools.cache  # so that equal records have equal classes
def _named_tuple(name: str, fields: tuple[str, ...]) -> Any:
    return collections.namedtuple(name, fields)


def _is_field(name: str) -> bool:
    return name.isidentifier() and name.isascii() and not keyword.iskeyword(name) and name[0] != "_"


def _open(value: Any) -> tuple[str, str, tuple[Key, ...], list[Any]] | None:
    """Return the kind, the name of the class, the keys and the parts of a container; None for a leaf."""
    if value is None:
        return "none", "", (), []
    if isinstance(value, Mapping):
        keys = tuple(key if isinstance(key, int) and not isinstance(key, bool) else str(key) for key in value)
        return "dict", "", keys, list(value.values())
    if isinstance(value, list) or type(value) is tuple:
        return "list" if isinstance(value, list) else "tuple", "", tuple(range(len(value))), list(value)
    if isinstance(value, ArrayLike):  # a variable
        return None
    below = jax.tree_util.tree_flatten_with_path(value, is_leaf=lambda part: part is not value)[0]
    if len(below) == 1 and below[0][1] is value:
        return None
    return "record", type(value).__name__, tuple(_key(path[0]) for path, _ in below), [part for _, part in below]


def _key(entry: Any) -> Key:
    for attribute in ("name", "key", "idx"):
        if hasattr(entry, attribute):
            key = getattr(entry, attribute)
            return key if type(key) is int else str(key)
    return str(entry)


def _by_name(structure: Node, received: dict[Key, Any], what: str) -> list[Any]:
    """Return the parts of a list of named inputs from a dict by name."""
    if any(isinstance(part, Node) for part in structure.parts):
        raise ValueError(f"{what}; received a dict of {len(received)}")
    names = [part.name for part in structure.parts]
    optional = {part.name for part in structure.parts if part.optional}
    _compare_keys(tuple(names), {**dict.fromkeys(optional), **received}, what)
    return [received.get(name) for name in names]


def _compare_keys(expected: tuple[Key, ...], received: dict[Key, Any], what: str) -> None:
    missing = [key for key in expected if key not in received]
    extra = [key for key in received if key not in expected]
    if missing or extra:
        parts = [f"missing: {missing}"] * bool(missing) + [f"not expected: {extra}"] * bool(extra)
        raise ValueError(f"{what}; {', '.join(parts)}")


def _phrase(structure: Node) -> str:
    keys = ", ".join(map(repr, structure.keys))
    if structure.kind == "dict":
        return f"a dict with the keys {keys}" if keys else "an empty dict"
    if structure.kind == "record":
        return f"a {structure.type}, or a dict with the keys {keys}"
    names = [part.name for part in structure.parts if isinstance(part, Leaf) and part.name]
    of_names = f" ({', '.join(names)})" if names else ""
    return f"a {structure.kind} of {len(structure.parts)}{of_names}"


def join(path: str, key: Key) -> str:
    """Return the path of a part."""
    return f"{path}/{key}" if path else str(key)


# As JSON.


def to_json(structure: Structure) -> Any:
    """Return a description as plain data."""
    if isinstance(structure, Leaf):
        return {"kind": "array", **structure._asdict(), "shape": list(structure.shape)}
    return {**structure._asdict(), "keys": list(structure.keys), "parts": [to_json(part) for part in structure.parts]}


def checked_leaf(shape: Any, dtype: Any) -> Leaf:
    """Return the description of an array in a file.

    Raises:
        ValueError: when it is no shape, with numbers and expressions as sizes, or JAX has no such dtype.
    """
    dtype_of(dtype)
    if not isinstance(shape, list) or not all(
        (type(size) is int and 0 <= size < _LARGEST) or (type(size) is str and _SIZE.fullmatch(size)) for size in shape
    ):
        raise ValueError(f"a shape is {str(shape)[:100]!a}")
    return Leaf(tuple(shape), dtype)


def from_json(data: Any, depth: int = 0) -> Structure:
    """Return the description that `to_json` has written.

    Raises:
        ValueError, KeyError or TypeError: when the data is no such description.
    """
    kind = data["kind"]
    if kind == "array":
        if not all(type(text) is str for text in (data["name"] or "", data["key"] or "")):
            raise ValueError("a name is no text")
        return checked_leaf(data["shape"], data["dtype"])._replace(
            name=data["name"], optional=bool(data["optional"]), key=data["key"]
        )
    keys, parts = tuple(data["keys"]), data["parts"]
    if kind not in _CONTAINERS or depth > _DEEPEST or len(keys) != len(parts) or type(data["type"]) is not str:
        raise ValueError(f"a structure has the kind {kind!r}, {len(keys)} keys and {len(parts)} parts at level {depth}")
    if not all(type(key) in (str, int) for key in keys) or len(set(keys)) != len(keys):
        raise ValueError("keys are neither texts nor numbers, or occur twice")
    return Node(kind, keys, tuple(from_json(part, depth + 1) for part in parts), data["type"])
