"""The connections between the layers of a model, and the outputs of each layer, for summaries and plots."""

from __future__ import annotations

import itertools
from typing import Any

import jax

from jaxlayers.core import Layer, SymbolicTensor, inference


def outputs_of(model: Any) -> dict[int, list[Any]]:
    """Return the outputs of each layer's first call, keyed by the layer's id.

    The outputs have a shape and a dtype. A layer whose outputs are unknown has no entry. In a model that is no graph,
    the outputs of a layer that was called on arrays only are computed from the shapes that it was built for.
    """
    graph = model._layer_graph
    if graph is None:
        model._record_calls()
        return {
            id(layer): jax.tree.leaves(layer.output) if len(layer._symbolic_nodes) == 1 else _outputs_as_built(layer)
            for layer in model.layers
        }
    outputs = {id(layer): [slot] for slot, layer in zip(jax.tree.leaves(graph.inputs), graph.sources, strict=True)}
    for call in graph.calls:
        outputs.setdefault(id(call.function), jax.tree.leaves(call.outputs))
    return outputs


def _outputs_as_built(layer: Layer) -> list[SymbolicTensor]:
    """Return the outputs of a layer for the shapes that it was built for; none if these do not describe a call."""

    def tensor(shape: Any) -> SymbolicTensor:
        return SymbolicTensor(shape, layer.compute_dtype)

    shapes = inference.map_shapes(tensor, layer.__dict__.get("_build_shapes", {}))
    is_named = len(shapes) > 1 and all(isinstance(name, str) for name in shapes)
    args, kwargs = [], {}
    for name, tensors in shapes.items():
        if is_named:
            kwargs[name.removesuffix("_shape")] = tensors
        else:
            args.append(tensors)
    try:
        return jax.tree.leaves(layer.compute_output_spec(*args, **kwargs)) if shapes else []
    except Exception:  # the layer needs other arguments, or values: that is no fault of a summary
        return []


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
