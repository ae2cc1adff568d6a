"""Nested dicts by path: the form of `params`, `state` and train states.

A tree is a nested dict; the path of a variable, from the object that it is asked of, is the path to its array.
A function that takes a tree from a user compares it with the variables, reports all mismatches in one error, and
assigns all arrays or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

Path = tuple[str, ...]
Flat = dict[Path, Any]


def flatten(tree: Any, path: Path = ()) -> Flat:
    """Return a nested dict as a flat one by path. An empty dict has no leaves."""
    if not isinstance(tree, Mapping):
        return {path: tree}
    flat: Flat = {}
    for key, value in tree.items():
        flat.update(flatten(value, (*path, str(key))))
    return flat


def nest(entries: Iterable[tuple[Path, Any]]) -> dict[str, Any]:
    """Return the nested dict with these leaves."""
    tree: dict[str, Any] = {}
    for path, value in entries:
        inside = tree
        for key in path[:-1]:
            inside = inside.setdefault(key, {})
        inside[path[-1]] = value
    return tree


def with_structure_of(old: Any, new: Any) -> Any:
    """Return the new tree with the empty dicts of the old one, and with its types of mappings."""
    if not isinstance(old, Mapping):
        return new
    filled = {key: with_structure_of(value, new.get(key, {})) for key, value in old.items()}
    return filled if isinstance(old, dict) else type(old)(filled)  # type: ignore[call-arg]


def compare(expected: Flat, received: Flat, partly: bool = False) -> list[str]:
    """List the mismatches between the arrays of a tree and the expected shapes.

    Args:
        expected: objects with a `shape` and a `dtype` by path, such as variables.
        received: arrays by path.
        partly: if True, leaves may be missing.
    """
    problems = []
    for path, place in expected.items():
        value = received.get(path)
        if value is None:
            if not partly:
                problems.append(f"{'/'.join(path)} is missing (shape {tuple(place.shape)}, dtype {place.dtype})")
        elif np.shape(value) != tuple(place.shape):
            problems.append(f"{'/'.join(path)} must have shape {tuple(place.shape)}, received {np.shape(value)}")
    return problems + [
        f"{'/'.join(path) or 'the tree itself'} belongs to no variable" for path in received if path not in expected
    ]


def check(expected: Flat, received: Flat, what: str, hint: str = "", partly: bool = False) -> None:
    """Compare, and report every mismatch in one error.

    Args:
        expected: see `compare`.
        received: see `compare`.
        what: the tree and the object that it is for, to begin the message with.
        hint: the way out, to end it with.
        partly: see `compare`.

    Raises:
        ValueError: when the tree does not fit.
    """
    problems = compare(expected, received, partly)
    if problems:
        raise ValueError(f"{what}: {'; '.join(problems)}.{hint}")


def assign(
    expected: Flat,
    received: Flat,
    what: str,
    hint: str = "",
    partly: bool = False,
    put: Callable[[Any, Any], Any] | None = None,
) -> None:
    """Assign the arrays of a tree to variables, all or none.

    Args:
        expected: variables by path.
        received: see `compare`.
        what: see `check`.
        hint: see `check`.
        partly: see `compare`.
        put: a function `(variable, array)` that stores the array; by default `variable.assign`.

    Raises:
        ValueError: when the tree does not fit; nothing has changed then.
    """
    check(expected, received, what, hint, partly)
    pairs = [(expected[path], value) for path, value in received.items()]
    if put is None:
        pairs = [(variable, variable.check(value)) for variable, value in pairs]
    for variable, value in pairs:
        variable.assign(value) if put is None else put(variable, value)
