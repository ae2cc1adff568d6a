"""Outputs of a model in any structure, and what is given for each of them: targets, weights, metrics, losses.

The outputs are numbered in the order of their leaves. `numbered` is their structure with the numbers in it: what is
given for them is laid over it, by keys, places or the names of outputs.
"""

from __future__ import annotations

import collections
import itertools
from typing import Any

import jax


def numbered(y_pred: Any) -> Any:
    """The structure of outputs, with their numbers in the places of the arrays."""
    structure: Any = jax.tree.structure(y_pred)
    return jax.tree.unflatten(structure, range(structure.num_leaves))


def output_names(tree: Any, known: list[str] | None = None) -> list[str | None]:
    """What outputs are called: the keys of a flat dict, the names that their model knows, or nothing.

    Args:
        tree: their structure.
        known: the names that a graph has for its outputs.
    """
    count = len(jax.tree.leaves(tree))
    if isinstance(tree, dict) and all(map(is_leaf, tree.values())):
        return [str(key) for key, _ in items(tree)]
    if known is not None and len(known) == count:
        return [f"{name}_{known[:i].count(name)}" if name in known[:i] else name for i, name in enumerate(known)]
    return [None] * count


def by_output(given: Any, tree: Any, names: list[Any], what: str) -> list[Any]:
    """One entry for each output: from one thing for all of them, a list, a dict by names, or the outputs' structure.

    Args:
        given: what was given; None, also for a single output, stands for nothing.
        tree: the structure of the outputs.
        names: of the outputs.
        what: what it is, for messages.

    Raises:
        ValueError: when there are too many or too few, or a key is not that of an output.
    """
    found: list[Any] = [None] * len(names)
    if isinstance(given, dict) and not isinstance(tree, dict) and not is_leaf(given):
        given, tree = by_name(given, names, what), list(range(len(names)))

    def lay(given: Any, place: Any) -> None:
        below = jax.tree.leaves(place)
        if is_leaf(place):
            found[place] = given
        elif is_leaf(given):
            for number in below:
                found[number] = given
        elif isinstance(given, dict):
            here = dict(items(place)) if isinstance(place, dict) else {}
            unknown = [key for key in given if key not in here]
            if unknown:
                raise ValueError(f"{what} names {unknown}, and the outputs are {list(here)}.")
            for key, one in given.items():
                lay(one, here[key])
        elif len(given) == len(below) and (len(place) == len(below) or all(map(is_leaf, given))):
            for one, number in zip(given, below, strict=True):
                found[number] = one
        elif isinstance(place, list | tuple) and len(given) == len(place):
            for one, other in zip(given, place, strict=True):
                lay(one, other)
        else:
            raise ValueError(f"{what} has {len(given)} entries for {len(below)} outputs ({names}).")

    lay(given, tree)
    return found


def arrays_by_output(
    given: Any, tree: Any, names: list[Any], what: str, some: list[int] | None = None
) -> list[jax.Array | None]:
    """As `by_output`, for arrays: a single one may stand in any container.

    Args:
        given: as in `by_output`.
        tree: likewise.
        names: likewise.
        what: likewise.
        some: the numbers of the outputs that arrays may be given for, in a list without places for the others.
    """
    leaves = jax.tree.leaves(given)
    if len(names) == 1 and len(leaves) == 1:
        return leaves
    if some is not None and isinstance(given, list | tuple) and len(leaves) == len(some) < len(names):
        of_output = dict(zip(some, leaves, strict=True))
        if all(is_leaf(one) and one is not None for one in given):
            return [of_output.get(number) for number in range(len(names))]
    return by_output(given, tree, names, what)


def by_name(given: dict[str, Any], names: list[Any], what: str) -> list[Any]:
    """The entries of a dict in the order of outputs.

    Raises:
        ValueError: for a key that is no name of an output.
    """
    unknown = [key for key in given if key not in names]
    if unknown:
        known = "have no names" if None in names else f"are {names}"
        raise ValueError(f"{what} names {unknown}, and the outputs {known}.")
    return [given.get(name) for name in names]


def is_leaf(given: Any) -> bool:
    """Whether this is one thing, not several in a container; a config is one thing."""
    return not isinstance(given, list | tuple | dict) or (isinstance(given, dict) and "class_name" in given)


def items(tree: Any) -> list[tuple[Any, Any]]:
    """Keys or places, and what is there, in the order of JAX's leaves."""
    if not isinstance(tree, dict):
        return list(enumerate(tree))
    return list(tree.items()) if isinstance(tree, collections.OrderedDict) else sorted(tree.items())


def in_given_order(tree: Any) -> list[int]:
    """For each leaf, in JAX's order, its number in the order in which dicts were written."""
    numbers = itertools.count()

    def number(given: Any) -> Any:
        if is_leaf(given):
            return next(numbers)
        if isinstance(given, dict):
            return {key: number(one) for key, one in given.items()}
        return [number(one) for one in given]

    return jax.tree.leaves(number(tree))
