"""The pair of pure functions under every layer.

`params` holds the arrays of the trainable variables, `state` those of all others; see `trees` for their form. An array
that `init` makes depends on the key and on the path of its variable alone. `apply` runs the layer in an isolated scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxlayers.common import explanations, trees
from jaxlayers.common.array_like import unwrap
from jaxlayers.core import borrowing, building, making, purity, random, scope
from jaxlayers.core.effects import run
from jaxlayers.core.losses import losses
from jaxlayers.core.scope import Scope
from jaxlayers.core.variable import Variable


class Applied(NamedTuple):
    """The result of `apply`: the outputs, the state as the call left it, and the losses added on the way."""

    outputs: Any
    state: Any
    losses: list[jax.Array]


def init(layer: Any, key: Any, args: Any, kwargs: Any, method: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return new `params` and `state`; see `Layer.init`."""
    explanations.check_key(layer.path, key)
    with borrowing.new_structure(layer, args, kwargs, method):
        entries = [
            (path, variable.trainable, making.initial_value(variable, key, "/".join(path)))
            for path, variable in layer._tracked_walk.entries
        ]
    params = trees.nest((path, value) for path, trainable, value in entries if trainable)
    return params, trees.nest((path, value) for path, trainable, value in entries if not trainable)


def apply(
    layer: Any, params: Any, state: Any, rng: Any, training: bool | None, args: Any, kwargs: Any, method: Any
) -> Applied:
    """Compute the outputs from explicit weights; see `Layer.apply`."""
    explanations.check_trees(layer, params, state, kwargs)
    if training is not None:
        kwargs = {**kwargs, "training": training}
    uses_part = method is not None and not building.is_complete(layer)  # the method may build a part of the layer only
    flat_params, flat_state = trees.flatten(params), trees.flatten(state)
    flat = {**flat_params, **flat_state}

    def fits() -> bool:
        return not trees.compare(dict(layer._tracked_walk.entries), flat)

    with borrowing.fitting_structure(layer, args, kwargs, fits, method):
        entries = layer._tracked_walk.entries
        if uses_part:
            flat = {path: flat[path] for path, _ in entries if path in flat}
        trees.check(dict(entries), flat, *_fit(layer, params))
        arrays = {variable: _as_jax(flat[path]) for path, variable in entries}
        if rng is not None:
            arrays[random.global_generator().state] = _as_jax(rng)
        inner = Scope.isolated(arrays, layer.name, "seeded" if rng is None else "stream", rng is not None)
        call = layer if method is None else lambda *args, **kwargs: layer._call_method(method, inner, args, kwargs)
        (outputs, added), _ = run(inner, _call_alone, layer, call, args, kwargs)
        for path, variable in entries:
            if path in flat_params and variable in inner.values.written:
                raise ValueError(
                    f"{variable.path!r} is trainable and was written inside apply(), which returns no params. Make it "
                    "with trainable=False, so that it belongs to the state."
                )
        new_state = {**flat_state, **{path: arrays[variable] for path, variable in entries if path in flat_state}}
    return Applied(outputs, trees.with_structure_of(state, trees.nest(new_state.items())), added)


def call(layer: Any, trainable: Any, non_trainable: Any, args: Any, kwargs: Any, return_losses: bool) -> Any:
    """Compute the outputs from lists of arrays; see `Layer.stateless_call`."""
    if not layer.built:
        raise ValueError(f"{layer.path!r} is not built, so its variables are not known. Call it, or build(), first.")
    lists = {"trainable_variables": layer.trainable_variables, "non_trainable_variables": layer.non_trainable_variables}
    (outputs, added), (_, new) = run_on_lists(
        layer, lists, (trainable, non_trainable), lambda: _call_alone(layer, layer, args, kwargs)
    )
    return (outputs, new, added) if return_losses else (outputs, new)


def _call_alone(layer: Any, call: Any, args: Any, kwargs: Any) -> tuple[Any, list[jax.Array]]:
    """Run a function that calls a layer, in an isolated scope; return the outputs and the losses.

    Raises:
        ValueError: when the call has used weights of layers that are not part of this one.
    """
    outputs = call(*args, **kwargs)
    purity.check_parts(layer, scope.missing())
    return outputs, losses(layer)


def run_on_lists(owner: Any, lists: dict[str, list[Variable]], arrays: Any, function: Any) -> tuple[Any, Any]:
    """Run a function of variables as a pure one of lists of arrays, in Keras's stateless form.

    Args:
        owner: the layer, metric or model that the variables belong to.
        lists: the lists of variables, by a name for messages.
        arrays: a list of arrays for each of `lists`.
        function: a function without arguments.

    Returns:
        What the function returned, and the lists of arrays as it left them.

    Raises:
        ValueError: when a list has the wrong number of arrays, or an array has the wrong shape.
    """
    values: dict[Variable, Any] = {}
    for (name, variables), received in zip(lists.items(), map(list, arrays), strict=True):
        if len(received) != len(variables):
            raise ValueError(f"{owner.path!r} has {len(variables)} {name}; received {len(received)} arrays for them.")
        values.update(zip(variables, map(_as_jax, received), strict=True))
    wrong = [f"{v.path} must have shape {v.shape}, received {a.shape}" for v, a in values.items() if v.shape != a.shape]
    if wrong:
        raise ValueError(f"The arrays do not fit {owner.path!r}: {'; '.join(wrong)}.")
    result, _ = run(Scope.isolated(values, owner.name, "own", False), function)
    return result, [[values[variable] for variable in variables] for variables in lists.values()]


def tree(layer: Any, trainable: bool) -> dict[str, Any]:
    """The arrays that a layer holds now, trainable or not, as a tree."""
    return trees.nest((path, scope.read(v)) for path, v in layer._tracked_walk.entries if v.trainable == trainable)


def assign(layer: Any, new: Any, trainable: bool) -> None:
    """Assign the arrays of a tree to the variables of a layer, all or none."""
    if not isinstance(new, Mapping):
        raise AttributeError(
            f"{type(layer).__name__}.{'params' if trainable else 'state'} is the tree of the layer's weights, one of "
            f"the four names that every layer has (init, apply, params, state); received {type(new).__name__}. Assign "
            "a nested dict of arrays, or give your attribute another name."
        )
    expected = {path: variable for path, variable in layer._tracked_walk.entries if variable.trainable == trainable}
    trees.assign(expected, trees.flatten(new), *_fit(layer))


def _fit(layer: Any, params: Any = None) -> tuple[str, str]:
    """The beginning of the message about a tree that does not fit, and the hint at its end."""
    hint = "" if layer.built else " The layer is not built yet: call it, or build(), first."
    return f"The tree does not fit {layer.path!r}", hint + explanations.hint_about(params)


def _as_jax(value: Any) -> Any:
    return value if isinstance(value, jax.Array) else jnp.asarray(unwrap(value))
