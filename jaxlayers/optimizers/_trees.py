"""Gradients in trees, such as `jl.grad(f, wrt=layer)` returns, and the variables that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxlayers.common import trees
from jaxlayers.core import Variable
from jaxlayers.core.layer import Layer

_HINT = (
    "The leaves of a tree are in another order than trainable_variables, so pass the tree together with the layer: "
    "apply(tree, layer)."
)


def pair_gradients(optimizer: str, grads: Any, variables: Any) -> tuple[list[Any], list[Any]]:
    """Return lists of gradients and variables, in the same order.

    Args:
        optimizer: the name of the optimizer, for messages.
        grads: a list of gradients, or a nested structure of them.
        variables: a list of variables; or a variable, a layer or a nested structure of them, as `wrt=` of `jl.grad`.

    Raises:
        ValueError: if the structures differ, or a tree comes without its layer.
    """
    if isinstance(variables, Variable):
        return [grads], [variables]
    if isinstance(variables, Layer):
        if isinstance(grads, Mapping):
            return _pair_by_path(optimizer, grads, variables)
        return list(grads), list(variables.trainable_variables)
    if isinstance(variables, Mapping):
        if not isinstance(grads, Mapping) or grads.keys() != variables.keys():
            received = list(grads) if isinstance(grads, Mapping) else type(grads).__name__
            raise ValueError(f"{optimizer!r} expected a dict of gradients for {list(variables)}; received {received}.")
        return _pair_each(optimizer, [(grads[key], variables[key]) for key in variables])
    if isinstance(grads, Mapping):
        raise ValueError(f"{optimizer!r} received a dict of gradients and a list of variables. {_HINT}")
    gradients, variables = list(grads), list(variables)
    if gradients and isinstance(gradients[0], str):
        raise ValueError(f"{optimizer!r} received {gradients[0]!r} as a gradient, a key of a dict. {_HINT}")
    is_flat = all(isinstance(variable, Variable) for variable in variables)
    is_nested = not is_flat and any(isinstance(variable, Layer | Mapping | list | tuple) for variable in variables)
    if is_nested and len(gradients) == len(variables):
        return _pair_each(optimizer, list(zip(gradients, variables, strict=True)))
    return gradients, variables


def _pair_each(optimizer: str, parts: list[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    pairs = [pair_gradients(optimizer, grads, variables) for grads, variables in parts]
    return [g for gradients, _ in pairs for g in gradients], [v for _, variables in pairs for v in variables]


def _pair_by_path(optimizer: str, grads: Mapping[str, Any], layer: Layer) -> tuple[list[Any], list[Any]]:
    expected = {path: variable for path, variable in layer._tracked_walk.entries if variable.trainable}
    received = trees.flatten(grads)
    missing = {path for path, gradient in received.items() if gradient is None and path in expected}
    trees.check(
        {path: variable for path, variable in expected.items() if path not in missing},
        {path: gradient for path, gradient in received.items() if path not in missing},
        f"{optimizer!r} received gradients that do not fit the weights of {layer.name!r}",
        " They must have the structure of its params, as jl.grad(f, wrt=layer) returns them.",
    )
    return [received[path] for path in expected], list(expected.values())
