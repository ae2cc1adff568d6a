"""The outputs of a model in any structure, and the values given for each of them: targets, weights, metrics, losses.

The outputs are numbered in the order of their leaves. `number_leaves` returns their structure with the numbers in it.
Values are assigned to the outputs by comparing their structure with this one: by the keys of dicts, by the positions in
lists, or by the names of the outputs.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

import jax


def number_leaves(y_pred: Any) -> Any:
    """Return the structure of the outputs with the number of each output as its leaf."""
    structure: Any = jax.tree.structure(y_pred)
    return jax.tree.unflatten(structure, range(structure.num_leaves))


def output_names(tree: Any, known: list[str] | None = None) -> list[str | None]:
    """Return the name of each output: its key in a flat dict, else the name that the model knows, else None.

    Args:
        tree: the numbered structure of the outputs.
        known: the output names of the model, if it knows them.
    """
    count = len(jax.tree.leaves(tree))
    if isinstance(tree, dict) and all(map(is_leaf, tree.values())):
        return [str(key) for key, _ in items(tree)]
    if known is not None and len(known) == count:
        return [f"{name}_{known[:i].count(name)}" if name in known[:i] else name for i, name in enumerate(known)]
    return [None] * count


def by_output(values: Any, tree: Any, names: list[Any], argument: str) -> list[Any]:
    """Return the entry of `values` for each output.

    Args:
        values: one value for all outputs; a list; a dict keyed by the names of the outputs; or the structure of the
            outputs. None, for all outputs or for one, means no value.
        tree: the numbered structure of the outputs.
        names: the names of the outputs.
        argument: the name of the argument that `values` comes from, for error messages.

    Raises:
        ValueError: if there are too many or too few entries, or a key is no name of an output.
    """
    if isinstance(values, dict) and not isinstance(tree, dict) and not is_leaf(values):
        values, tree = by_name(values, names, argument), list(range(len(names)))
    entries: list[Any] = [None] * len(names)
    for number, entry in _assign(values, tree, names, argument):
        entries[number] = entry
    return entries


def _assign(values: Any, tree: Any, names: list[Any], argument: str) -> Iterator[tuple[int, Any]]:
    """Yield the number of an output and its entry, for a part of `values` and the part of the outputs it is for."""
    if is_leaf(tree):
        yield tree, values
        return
    numbers = jax.tree.leaves(tree)
    if is_leaf(values):
        yield from ((number, values) for number in numbers)
        return
    is_flat = len(tree) == len(numbers) or all(map(is_leaf, values))
    if not isinstance(values, dict) and len(values) == len(numbers) and is_flat:
        yield from zip(numbers, values, strict=True)
        return
    for entry, below in _pair_children(values, tree, names, argument):
        yield from _assign(entry, below, names, argument)


def _pair_children(values: Any, tree: Any, names: list[Any], argument: str) -> list[tuple[Any, Any]]:
    """Return each entry of a container with the part of the outputs it is for."""
    if isinstance(values, dict):
        children = dict(items(tree)) if isinstance(tree, dict) else {}
        unknown = [key for key in values if key not in children]
        if unknown:
            raise ValueError(f"{argument} has the keys {unknown}, but the keys of the outputs are {list(children)}.")
        return [(entry, children[key]) for key, entry in values.items()]
    if isinstance(tree, list | tuple) and len(values) == len(tree):
        return list(zip(values, tree, strict=True))
    raise ValueError(f"{argument} has {len(values)} entries for {len(jax.tree.leaves(tree))} outputs ({names}).")


def arrays_by_output(
    values: Any, tree: Any, names: list[Any], argument: str, numbers: list[int] | None = None
) -> list[jax.Array | None]:
    """Return the array for each output; like `by_output`, but a single array may stand in any container.

    Args:
        values: as in `by_output`.
        tree: as in `by_output`.
        names: as in `by_output`.
        argument: as in `by_output`.
        numbers: the numbers of the outputs that need an array. A list may then have entries for these outputs alone.
    """
    leaves = jax.tree.leaves(values)
    if len(names) == 1 and len(leaves) == 1:
        return leaves
    if numbers is not None and isinstance(values, list | tuple) and len(leaves) == len(numbers) < len(names):
        array_of = dict(zip(numbers, leaves, strict=True))
        if all(is_leaf(value) and value is not None for value in values):
            return [array_of.get(number) for number in range(len(names))]
    return by_output(values, tree, names, argument)


def by_name(values: dict[str, Any], names: list[Any], argument: str) -> list[Any]:
    """Return the entries of a dict in the order of the outputs.

    Raises:
        ValueError: if a key is no name of an output.
    """
    unknown = [key for key in values if key not in names]
    if unknown:
        known = "have no names" if None in names else f"are {names}"
        raise ValueError(f"{argument} has the keys {unknown}, but the outputs {known}.")
    return [values.get(name) for name in names]


def is_leaf(value: Any) -> bool:
    """True for anything but a list, a tuple or a dict; a dict that is the config of an object is a leaf too."""
    return not isinstance(value, list | tuple | dict) or (isinstance(value, dict) and "class_name" in value)


def items(tree: Any) -> list[tuple[Any, Any]]:
    """Return the keys or indices of a container with its entries, in the order in which JAX flattens them."""
    if not isinstance(tree, dict):
        return list(enumerate(tree))
    return list(tree.items()) if isinstance(tree, collections.OrderedDict) else sorted(tree.items())
