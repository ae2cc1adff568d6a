"""The connections between the layers of a model, and the outputs of each layer, for summaries and plots."""

from __future__ import annotations

import itertools
from typing import Any

import jax

from jaxlayers.core import Layer


def outputs_of(model: Any) -> dict[int, list[Any]]:
    """Return the outputs of each layer's first call, keyed by the layer's id.

    The outputs have a shape and a dtype. A layer whose outputs are unknown has no entry.
    """
    graph = model._layer_graph
    if graph is None:
        model._record_calls()
        once = [layer for layer in model.layers if len(layer._symbolic_nodes) == 1]
        return {id(layer): jax.tree.leaves(layer.output) for layer in once}
    outputs = {id(layer): [slot] for slot, layer in zip(jax.tree.leaves(graph.inputs), graph.sources, strict=True)}
    for call in graph.calls:
        outputs.setdefault(id(call.function), jax.tree.leaves(call.outputs))
    return outputs


def edges_of(model: Any) -> list[tuple[int, int]]:
    """Return the edges between layers, as pairs of ids `(from, to)`.

    An operation between two layers is no layer: the edge joins the layers on both sides of it.
    """
    graph = model._layer_graph
    if graph is None:
        return [(id(layer), id(successor)) for layer, successor in itertools.pairwise(model.layers)]
    makers = {s.number: [id(layer)] for s, layer in zip(jax.tree.leaves(graph.inputs), graph.sources, strict=True)}
    edges: dict[tuple[int, int], None] = {}
    for call in graph.calls:
        sources = list(dict.fromkeys(maker for _, number in call._reads for maker in makers[number]))
        is_layer = isinstance(call.function, Layer)
        for slot in jax.tree.leaves(call.outputs):
            makers[slot.number] = [id(call.function)] if is_layer else sources
        if is_layer:
            edges.update({(source, id(call.function)): None for source in sources})
    return list(edges)
