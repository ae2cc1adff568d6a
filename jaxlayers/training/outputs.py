"""Outputs, targets, weights and losses of models with several outputs, one beside the other."""

from __future__ import annotations

from typing import Any

import jax


def output_names(y_pred: Any, known: list[str] | None = None) -> list[str]:
    """A name for each output, in the order of its leaves: the keys of dicts, the names known, or `output_0` and so on.

    In nested structures the keys on the way are joined by underscores.
    """
    if known is not None and isinstance(y_pred, list | tuple) and len(known) == len(jax.tree.leaves(y_pred)):
        return [f"{name}_{known[:i].count(name)}" if name in known[:i] else name for i, name in enumerate(known)]
    return [_join(path) or "output" for path, _ in jax.tree_util.tree_leaves_with_path(y_pred)]


def _join(path: Any) -> str:
    return "_".join(str(key.key) if hasattr(key, "key") else f"output_{getattr(key, 'idx', key)}" for key in path)


def by_output(given: Any, names: list[str], what: str, arrays: bool = False) -> list[Any]:
    """One entry for each output, from a dict, a list, a nested structure or a single thing.

    Args:
        given: what was given; None stands for nothing at all.
        names: of the outputs.
        what: what it is, for messages.
        arrays: whether its leaves are arrays, so that a list for a single output is one array in a list.

    Raises:
        ValueError: when there are too many or too few, or a name is not that of an output.
    """
    if isinstance(given, dict) and any(isinstance(value, dict) for value in given.values()):
        given = _flat(given)
    if isinstance(given, dict):
        unknown = [key for key in given if key not in names]
        if unknown:
            raise ValueError(f"{what} names {unknown}, and the outputs are {names}.")
        return [given.get(name) for name in names]
    if isinstance(given, list | tuple) and (len(names) > 1 or (arrays and len(given) == 1)):
        if len(given) != len(names) and any(isinstance(one, list | tuple | dict) for one in given):
            given = jax.tree.leaves(given, is_leaf=lambda leaf: leaf is None)
        if len(given) != len(names):
            raise ValueError(f"{what} has {len(given)} entries for {len(names)} outputs ({names}).")
        return list(given)
    return [given] * len(names)


def _flat(given: dict[str, Any]) -> dict[str, Any]:
    found = jax.tree_util.tree_leaves_with_path(given, is_leaf=lambda leaf: leaf is None)
    return {_join(path): leaf for path, leaf in found}
