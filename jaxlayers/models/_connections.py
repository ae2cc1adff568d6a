"""Which layers of a model feed which, and what they give: for tables and pictures."""

from __future__ import annotations

import itertools
from typing import Any

import jax

from jaxlayers.core import Layer


def layers_of(model: Any) -> list[Layer]:
    """The layers of a model, inputs of a graph among them."""
    return model.layers if model._graph is None else model._graph.layers


def outputs_of(model: Any) -> dict[int, list[Any]]:
    """What each layer, by its id, gives at its first call: things with a shape and a dtype, where that is known."""
    graph = model._graph
    if graph is None:
        model._record_calls()
        nodes = {id(layer): layer._living_nodes() for layer in model.layers}
        return {layer: jax.tree.leaves(calls[0].outputs) for layer, calls in nodes.items() if len(calls) == 1}
    found = {id(layer): [slot] for slot, layer in zip(jax.tree.leaves(graph.inputs), graph.sources, strict=True)}
    for call in graph.calls:
        found.setdefault(id(call.function), jax.tree.leaves(call.outputs))
    return found


def edges_of(model: Any) -> list[tuple[int, int]]:
    """Pairs of ids of layers, from one to the next; operations between them are seen through."""
    graph = model._graph
    if graph is None:
        return [(id(one), id(other)) for one, other in itertools.pairwise(model.layers)]
    made_by = {s.number: [id(layer)] for s, layer in zip(jax.tree.leaves(graph.inputs), graph.sources, strict=True)}
    edges: dict[tuple[int, int], None] = {}
    for call in graph.calls:
        sources = list(dict.fromkeys(one for _, number in call._reads for one in made_by[number]))
        is_layer = isinstance(call.function, Layer)
        for slot in jax.tree.leaves(call.outputs):
            made_by[slot.number] = [id(call.function)] if is_layer else sources
        if is_layer:
            edges.update({(one, id(call.function)): None for one in sources})
    return list(edges)
