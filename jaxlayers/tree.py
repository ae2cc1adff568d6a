"""Functions of nested structures: lists, tuples, dicts, named tuples, deques, and every other pytree of JAX.

As in `jax.tree`, the values of a dict are in the order of the sorted keys, and those of an `OrderedDict` in its own
order. There are three differences from `jax.tree`: None is a value like any other, a deque is a structure, and several
structures must agree down to the last level.
"""

from __future__ import annotations

import contextlib
import warnings
from collections import defaultdict, deque
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
    """The value that a function of `traverse` returns to put a None into the result."""


def is_nested(structure: Any) -> bool:
    """True for a structure (a list, a dict, ..., also an empty one), False for a single value.

    Example:
        >>> is_nested([]), is_nested(None), is_nested("text")
        (True, False, False)
    """
    return structure is not None and (type(structure) is deque or not jax.tree_util.all_leaves([structure]))


def flatten(structure: Any) -> list[Any]:
    """Return the list of all values in a structure, in order.

    Example:
        >>> flatten({"b": [3, None], "a": (1, 2)})
        [1, 2, 3, None]
    """
    return [leaf for _, leaf in flatten_with_path(structure)]


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """Return the list of `(path, value)` for all values; a path is the tuple of the keys and indices of the value.

    Example:
        >>> flatten_with_path([{"a": 4}, 5])
        [((0, 'a'), 4), ((1,), 5)]
    """
    if not is_nested(structure):
        return [((), structure)]
    return [((key, *path), leaf) for key, child in _children(structure) for path, leaf in flatten_with_path(child)]


def map_structure(func: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """Apply a function to each value of a structure, or to the values in the same place of several structures.

    Args:
        func: a function with one argument for each structure.
        *structures: one or more equal structures.
        none_is_leaf: If True (the default), `func` is also called for None. If False, None stays None.

    Returns:
        The same structure, with the results of `func`.

    Raises:
        TypeError: when `func` is not callable, or there is no structure.
        ValueError: when the structures differ.

    Example:
        >>> map_structure(lambda a, b: a + b, {"x": [1, 2]}, {"x": [10, 20]})
        {'x': [11, 22]}
    """
    _check_arguments("map_structure", func, structures)
    for other in structures[1:]:
        assert_same_structure(structures[0], other)

    def apply(*values: Any) -> Any:
        return None if values[0] is None and not none_is_leaf else func(*values)

    return _map_up_to(structures[0], apply, *structures)


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """Apply a function to the parts of structures that are in the places of the values of a shallower structure.

    Args:
        shallow_structure: the structure of the result.
        func: a function with one argument for each of `structures`; an argument may be a value or a structure.
        *structures: one or more structures that equal `shallow_structure` down to its values.

    Returns:
        The same structure as `shallow_structure`, with the results of `func`.

    Raises:
        TypeError: when `func` is not callable, or there is no structure.
        ValueError: when a structure differs from `shallow_structure`.

    Example:
        >>> map_structure_up_to([0, 0], len, [[1, 1], [2]])
        [2, 1]
    """
    _check_arguments("map_structure_up_to", func, structures)
    return _map_up_to(shallow_structure, func, *structures)


def map_shape_structure(func: Callable[[Any], Any], structure: Any) -> Any:
    """Apply a function to each shape of a structure. A shape is a list or tuple of integers and None.

    Example:
        >>> map_shape_structure(len, {"image": (None, 8, 8), "text": [None, 5]})
        {'image': 3, 'text': 2}
    """
    _check_arguments("map_shape_structure", func, (structure,))
    if _is_shape(structure) or not is_nested(structure):
        return func(structure)
    return _rebuild(structure, [map_shape_structure(func, child) for _, child in _children(structure)])


def assert_same_structure(a: Any, b: Any, check_types: Any = None) -> None:
    """Raise an error unless two structures are equal except for their values.

    The types of containers must be equal, but all types of dicts with the same keys are equal.

    Args:
        a: a structure.
        b: a structure.
        check_types: without effect, as in Keras.

    Raises:
        ValueError: when the structures differ; the message has the place.
    """
    if check_types is not None:
        warnings.warn("check_types has no effect; see assert_same_paths().", DeprecationWarning, stacklevel=2)
    _assert_same_container(a, b)
    children_of_b = dict(_children(b))
    for key, child in _children(a):
        try:
            assert_same_structure(child, children_of_b[key])
        except ValueError as error:
            raise ValueError(f"[{key!r}]{error}" if str(error).startswith("[") else f"[{key!r}] {error}") from None


def assert_same_paths(a: Any, b: Any) -> None:
    """Raise an error unless the values of two structures have the same paths; lists and tuples are equal then.

    Args:
        a: a structure.
        b: a structure.

    Raises:
        ValueError: when the paths differ; the message has the paths that only one of the structures has.
    """
    paths_of_a, paths_of_b = ({path for path, _ in flatten_with_path(structure)} for structure in (a, b))
    if paths_of_a != paths_of_b:
        raise ValueError(
            f"The paths of the structures differ: only the first has {sorted(paths_of_a - paths_of_b, key=repr)}, only "
            f"the second {sorted(paths_of_b - paths_of_a, key=repr)}."
        )


def pack_sequence_as(structure: Any, flat_sequence: Iterable[Any]) -> Any:
    """Return a structure with the values of a flat sequence: the inverse of `flatten`.

    Args:
        structure: the structure of the result.
        flat_sequence: the values, in the order of `flatten`.

    Raises:
        TypeError: when `flat_sequence` is not iterable.
        ValueError: when the sequence does not have as many values as the structure.

    Example:
        >>> pack_sequence_as({"b": 0, "a": (0, 0)}, [1, 2, 3])
        {'b': 3, 'a': (1, 2)}
    """
    values = list(flat_sequence)
    size = len(flatten(structure))
    if len(values) != size:
        raise ValueError(f"pack_sequence_as() expects {size} values for the structure; received {len(values)} values.")
    remaining = iter(values)
    return _map_up_to(structure, lambda _: next(remaining), structure)


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """Call a function for every part of a structure (the whole, each container, each value), and replace parts.

    Args:
        func: a function of one part. If it returns None, the part stays as it is; if it returns `MAP_TO_NONE`, the part
            becomes None; any other result replaces the part.
        structure: the structure.
        top_down: If True (the default), `func` is called for a container before its contents, and the contents are
            skipped if the container is replaced. If False, it is called for the contents first.

    Raises:
        TypeError: when `func` is not callable.

    Example:
        >>> traverse(lambda part: tuple(part) if isinstance(part, list) else None, [1, [2, 3]], top_down=False)
        (1, (2, 3))
    """
    _check_arguments("traverse", func, (structure,))
    if top_down and (replacement := func(structure)) is not None:
        return None if replacement is MAP_TO_NONE else replacement
    if is_nested(structure):
        structure = _rebuild(structure, [traverse(func, child, top_down) for _, child in _children(structure)])
    if not top_down and (replacement := func(structure)) is not None:
        return None if replacement is MAP_TO_NONE else replacement
    return structure


def lists_to_tuples(structure: Any) -> Any:
    """Replace all lists of a structure by tuples.

    Example:
        >>> lists_to_tuples({"a": [1, [2]]})
        {'a': (1, (2,))}
    """
    return traverse(lambda part: tuple(part) if isinstance(part, list) else None, structure, top_down=False)


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(size is None or isinstance(size, int) for size in value)


def _check_arguments(name: str, func: Any, structures: tuple[Any, ...]) -> None:
    if not callable(func):
        raise TypeError(f"{name}() expects a function; received {func!r}.")
    if not structures:
        raise TypeError(f"{name}() needs at least one structure.")


def _children(structure: Any) -> list[tuple[Any, Any]]:
    """Return the direct children of a container, each with its index or key; an empty list for a single value."""
    if not is_nested(structure):
        return []
    if type(structure) is deque:
        return [*enumerate(structure)]
    if type(structure) in (dict, defaultdict):
        return [(key, structure[key]) for key in _in_order(structure)]
    children = jax.tree_util.tree_leaves_with_path(structure, is_leaf=lambda node: node is not structure)
    return [(getattr(path[0], "key", index), child) for index, (path, child) in enumerate(children)]


def _in_order(keys: Iterable[Any]) -> list[Any]:
    """Return keys sorted; those that cannot be compared, by their types first; or else as they are."""
    for by in (None, lambda key: (type(key).__module__, type(key).__qualname__, key)):
        with contextlib.suppress(TypeError):
            return sorted(keys, key=by)
    return list(keys)


def _rebuild(structure: Any, children: list[Any]) -> Any:
    """Return a container of the same type and keys, with other children, which are in the order of `_children`."""
    if type(structure) in (dict, defaultdict):  # JAX would sort the keys of the result
        new = structure.copy()
        new.update(zip((key for key, _ in _children(structure)), children, strict=True))
        return new
    if type(structure) is deque:
        return deque(children, structure.maxlen)
    return jax.tree.unflatten(jax.tree.structure(structure, is_leaf=lambda node: node is not structure), children)


def _map_up_to(shallow: Any, func: Callable[..., Any], *structures: Any) -> Any:
    if not is_nested(shallow):
        return func(*structures)
    for structure in structures:
        _assert_same_container(shallow, structure)
    by_key = [dict(_children(structure)) for structure in structures]
    return _rebuild(
        shallow, [_map_up_to(child, func, *(children[key] for children in by_key)) for key, child in _children(shallow)]
    )


def _assert_same_container(a: Any, b: Any) -> None:
    """Raise an error unless both are containers of one type with the same keys, or both are single values."""
    types = [is_nested(part) and (Mapping if isinstance(part, Mapping) else type(part)) for part in (a, b)]
    keys = [[key for key, _ in _children(part)] for part in (a, b)]
    same_keys = set(keys[0]) == set(keys[1]) if types[0] is Mapping else keys[0] == keys[1]
    if types[0] is not types[1] or not same_keys:
        first, second = (
            f"{type(part).__name__} with keys {part_keys}" if is_nested(part) else f"single {type(part).__name__}"
            for part, part_keys in zip((a, b), keys, strict=True)
        )
        raise ValueError(f"The structures differ: the first is a {first}, the second is a {second}.")
