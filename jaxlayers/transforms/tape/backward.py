"""The sum of gradients over a record: reverse-mode differentiation.

The operations that depend on the sources are marked first. Then cotangents go backwards through the marked operations,
and are summed for each array by its identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from jaxlayers.transforms.tape.record import Node, Record


def find_path(record: Record, sources: Sequence[int]) -> tuple[list[Node], set[int]]:
    """Return the nodes that depend on some arrays, in their order, and the identities of all arrays that do."""
    dependent = set(sources)
    path = []
    for node in list(record.nodes):  # a persistent tape may record its own gradients
        if not dependent.isdisjoint(node.inputs):
            path.append(node)
            dependent.update(place for place in node.outputs if place is not None)
    return path, dependent


def accumulate(
    path: Sequence[Node], dependent: set[int], cotangents: dict[int, Any], sources: Sequence[int], is_recorded: bool
) -> dict[int, Any]:
    """Return the cotangents of the sources, by identity; sources that are not connected are left out.

    Args:
        path: see `find_path`.
        dependent: likewise.
        cotangents: those of the targets, by identity.
        sources: the identities of the sources.
        is_recorded: if True, the record is to hold the computation of the gradients as well.
    """
    sums = dict(cotangents)
    wanted = set(sources)
    for node in reversed(path):
        incoming = [None if place is None else sums.get(place) for place in node.outputs]
        if all(cotangent is None for cotangent in incoming):
            continue
        for place in node.outputs:
            if place is not None and place not in wanted:
                sums.pop(place, None)
        positions = tuple(number for number, place in enumerate(node.inputs) if place in dependent)
        pull = node.pull_again if is_recorded else node.pull
        for number, cotangent in zip(positions, pull(incoming, positions), strict=True):
            place = node.inputs[number]
            sums[place] = jax.lax.add(sums[place], cotangent) if place in sums else cotangent
    return {place: sums[place] for place in wanted if place in sums}
