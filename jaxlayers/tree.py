"""Nested structures: lists, tuples, dicts, named tuples, and whatever else JAX knows as a pytree.

As in `jax.tree`, dicts are taken in the order of their keys, and ordered dicts in their own. Other than there, None is
a value like any other, and structures must agree to the last level.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax

__all__ = [
    "MAP_TO_NONE",
    "assert_same_paths",
    "assert_same_structure",
    "flatten",
    "flatten_with_path",
    "is_nested",
    "lists_to_tuples",
    "map_shape_structure",
    "map_structure",
    "map_structure_up_to",
    "pack_sequence_as",
    "traverse",
]


class MAP_TO_NONE:  # noqa: N801, Keras's name
    """What a function returns to `traverse` for a None in the result."""


def is_nested(structure: Any) -> bool:
    """Whether something has an inside: a list, a dict, ... that may be empty.

    Example:
        >>> is_nested([]), is_nested(None), is_nested("text")
        (True, False, False)
    """
    return structure is not None and not jax.tree_util.all_leaves([structure])


def flatten(structure: Any) -> list[Any]:
    """All values inside, in order.

    Example:
        >>> flatten({"b": [3, None], "a": (1, 2)})
        [1, 2, 3, None]
    """
    return jax.tree.leaves(structure, is_leaf=_is_none)


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """All values inside with where they are: the indices and keys that lead to them.

    Example:
        >>> flatten_with_path([{"a": 4}, 5])
        [((0, 'a'), 4), ((1,), 5)]
    """
    if not is_nested(structure):
        return [((), structure)]
    return [((key, *path), leaf) for key, child in _children(structure) for path, leaf in flatten_with_path(child)]


def map_structure(func: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """The same structure, with what a function makes of each value, or of those in the same place of several.

    Args:
        func: called with a value of each structure.
        *structures: one or more, of one structure.
        none_is_leaf: False to leave None as it is.

    Raises:
        TypeError: when `func` cannot be called, or there is no structure.
        ValueError: when the structures differ.

    Example:
        >>> map_structure(lambda a, b: a + b, {"x": [1, 2]}, {"x": [10, 20]})
        {'x': [11, 22]}
    """
    _check_callable("map_structure", func)
    if not structures:
        raise TypeError("map_structure() needs at least one structure.")
    for other in structures[1:]:
        assert_same_structure(structures[0], other)

    def apply(*values: Any) -> Any:
        return None if values[0] is None and not none_is_leaf else func(*values)

    return _map_up_to(structures[0], apply, *structures)


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """As `map_structure`, but only as deep as another structure goes.

    Args:
        shallow_structure: says how deep.
        func: called with what each structure has in the place of one of its values.
        *structures: at least as deep.

    Raises:
        TypeError: when `func` cannot be called, or there is no structure.
        ValueError: when a structure differs before that depth.

    Example:
        >>> map_structure_up_to([0, 0], len, [[1, 1], [2]])
        [2, 1]
    """
    _check_callable("map_structure_up_to", func)
    if not structures:
        raise TypeError("map_structure_up_to() needs at least one structure.")
    return _map_up_to(shallow_structure, func, *structures)


def map_shape_structure(func: Callable[[Any], Any], structure: Any) -> Any:
    """As `map_structure`, where a shape, a list or tuple of sizes and None, is a value.

    Example:
        >>> map_shape_structure(len, {"image": (None, 8, 8), "text": [None, 5]})
        {'image': 3, 'text': 2}
    """
    _check_callable("map_shape_structure", func)
    return jax.tree.map(func, structure, is_leaf=lambda node: node is None or _is_shape(node))


def assert_same_structure(a: Any, b: Any, check_types: Any = None) -> None:
    """Raise unless two structures differ in their values alone; all kinds of dicts with the same keys are one kind.

    Args:
        a: a structure.
        b: another.
        check_types: without effect, as in Keras.

    Raises:
        ValueError: saying where they differ.
    """
    if check_types is not None:
        warnings.warn("check_types has no effect; see assert_same_paths().", DeprecationWarning, stacklevel=2)
    _assert_level(a, b, "")
    others = dict(_children(b))
    for key, child in _children(a):
        try:
            assert_same_structure(child, others[key])
        except ValueError as error:
            raise ValueError(f"[{key!r}]{error}" if str(error).startswith("[") else f"[{key!r}] {error}") from None


def assert_same_paths(a: Any, b: Any) -> None:
    """Raise unless values sit in the same places of two structures; lists and tuples are then the same.

    Args:
        a: a structure.
        b: another.

    Raises:
        ValueError: with the paths that only one of them has.
    """
    ours, theirs = ({path for path, _ in flatten_with_path(one)} for one in (a, b))
    if ours != theirs:
        raise ValueError(
            f"The paths of the structures differ: only the first has {sorted(ours - theirs, key=repr)}, only the "
            f"second {sorted(theirs - ours, key=repr)}."
        )


def pack_sequence_as(structure: Any, flat_sequence: Iterable[Any]) -> Any:
    """Values in a structure: the inverse of `flatten`.

    Args:
        structure: says where they go.
        flat_sequence: the values, in order.

    Raises:
        TypeError: when `flat_sequence` cannot be iterated over.
        ValueError: when their number is another than that of the structure.

    Example:
        >>> pack_sequence_as({"b": 0, "a": (0, 0)}, [1, 2, 3])
        {'b': 3, 'a': (1, 2)}
    """
    values = list(flat_sequence)
    size = len(flatten(structure))
    if len(values) != size:
        raise ValueError(f"The structure has {size} values; received {len(values)} for them.")
    left = iter(values)
    return _map_up_to(structure, lambda _: next(left), structure)


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """A structure in which a function may replace every part, from values to the whole.

    Args:
        func: called with a part. None leaves it as it is (and, from the top, goes on into it); all else takes its
            place, `MAP_TO_NONE` as None.
        structure: what to go through.
        top_down: whether a part comes before what is inside of it.

    Raises:
        TypeError: when `func` cannot be called.

    Example:
        >>> traverse(lambda part: tuple(part) if isinstance(part, list) else None, [1, [2, 3]], top_down=False)
        (1, (2, 3))
    """
    _check_callable("traverse", func)
    if top_down and (found := func(structure)) is not None:
        return None if found is MAP_TO_NONE else found
    if is_nested(structure):
        structure = _rebuild(structure, [traverse(func, child, top_down) for _, child in _children(structure)])
    if not top_down and (found := func(structure)) is not None:
        return None if found is MAP_TO_NONE else found
    return structure


def lists_to_tuples(structure: Any) -> Any:
    """The same structure, with tuples in the place of lists.

    Example:
        >>> lists_to_tuples({"a": [1, [2]]})
        {'a': (1, (2,))}
    """
    return traverse(lambda part: tuple(part) if isinstance(part, list) else None, structure, top_down=False)


def _is_none(value: Any) -> bool:
    return value is None


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(size is None or isinstance(size, int) for size in value)


def _check_callable(name: str, func: Any) -> None:
    if not callable(func):
        raise TypeError(f"{name}() needs a function; received {func!r}.")


def _children(structure: Any) -> list[tuple[Any, Any]]:
    """What is directly inside, with the index or key of each."""
    if not is_nested(structure):
        return []
    found = jax.tree_util.tree_leaves_with_path(structure, is_leaf=lambda node: node is not structure)
    return [(getattr(path[0], "key", index), child) for index, (path, child) in enumerate(found)]


def _rebuild(structure: Any, children: list[Any]) -> Any:
    if type(structure) is dict:  # in the order that it was written in
        made = dict(zip((key for key, _ in _children(structure)), children, strict=True))
        return {key: made[key] for key in structure}
    return jax.tree.unflatten(jax.tree.structure(structure, is_leaf=lambda node: node is not structure), children)


def _map_up_to(shallow: Any, func: Callable[..., Any], *structures: Any) -> Any:
    if not is_nested(shallow):
        return func(*structures)
    for one in structures:
        _assert_level(shallow, one, "")
    inside = [dict(_children(one)) for one in structures]
    return _rebuild(
        shallow, [_map_up_to(child, func, *(one[key] for one in inside)) for key, child in _children(shallow)]
    )


def _assert_level(a: Any, b: Any, where: str) -> None:
    kinds = [Mapping if isinstance(one, Mapping) else type(one) if is_nested(one) else None for one in (a, b)]
    keys = [[key for key, _ in _children(one)] for one in (a, b)]
    same_keys = set(keys[0]) == set(keys[1]) if kinds[0] is Mapping else keys[0] == keys[1]
    if kinds[0] is not kinds[1] or not same_keys:
        described = [f"{type(one).__name__} with {len(inside)} parts" for one, inside in zip((a, b), keys, strict=True)]
        raise ValueError(f"The structures differ: {described[0]}, {described[1]} ({keys[0]}, {keys[1]}).")
