"""The pair of pure functions under every layer, and the trees they work on.

A tree is a nested dict: the path of a variable, from the layer it is asked of, is the path to its array. `params`
holds what is trainable now, `state` the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import building, making, random, scope
from jaxlayers.core.tracking import Path
from jaxlayers.core.variable import Variable


class Applied(NamedTuple):
    """What `apply` returns: the outputs, the state as the call left it, and the losses made on the way."""

    outputs: Any
    state: Any
    losses: list[jax.Array]


def init(layer: Any, key: Any, args: Any, kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """New `params` and `state`; see `Layer.init`."""
    if not hasattr(key, "dtype") or not (key.dtype == np.uint32 or jnp.issubdtype(key.dtype, jax.dtypes.prng_key)):
        raise TypeError(f"init() of {layer.path!r} needs a key, as jax.random.key(0) makes; received {key!r}.")
    trees: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    with building.structured(layer, args, kwargs):
        for path, variable, _ in layer._walk.variables:
            value = making.initial_value(variable, key, "/".join(path))
            put(trees[0 if variable.trainable else 1], path, value)
    return trees


def apply(layer: Any, params: Any, state: Any, args: Any, kwargs: Any, rng: Any, training: bool | None) -> Applied:
    """The outputs from explicit weights; see `Layer.apply`."""
    if training is not None:
        kwargs = {**kwargs, "training": training}
    flat = flatten(params)
    given = flatten(state)
    with building.structured(layer, args, kwargs, lambda: not _problems(layer, flat, given)):
        problems = _problems(layer, flat, given)
        if problems:
            raise ValueError(_complaint(layer, problems))
        places = [(path, variable) for path, variable, _ in layer._walk.variables]
        values = {v: _as_jax(given[path] if path in given else flat[path]) for path, v in places}
        if rng is not None:
            values[random.global_generator().state] = _as_jax(rng)
        with scope.Scope(values, isolated=True, owner=layer) as inner:
            inner.random_stream = rng is not None
            outputs = jax.tree.map(scope.unwrap, layer(*args, **kwargs))
            made = losses(layer)
        for path, variable in places:
            if path in flat and variable in inner.written:
                raise ValueError(
                    f"{variable.path!r} is trainable and was written inside apply(), which returns no params. Make it "
                    "with trainable=False, so that it belongs to the state."
                )
        new_state: Any = {}
        for path, variable in places:
            if path in given:
                put(new_state, path, inner.values[variable])
    return Applied(outputs, _like(state, new_state), made)


def call(layer: Any, trainable: Any, rest: Any, args: Any, kwargs: Any, return_losses: bool) -> Any:
    """The outputs from lists of arrays; see `Layer.stateless_call`."""
    if not layer.built:
        raise ValueError(f"{layer.path!r} is not built, so its variables are not known. Call it, or build(), first.")
    values: dict[Variable, Any] = {}
    kept = layer.non_trainable_variables
    for name, variables, arrays in (
        ("trainable", layer.trainable_variables, list(trainable)),
        ("non_trainable", kept, list(rest)),
    ):
        if len(arrays) != len(variables):
            raise ValueError(
                f"{layer.path!r} has {len(variables)} {name}_variables; received {len(arrays)} arrays for them."
            )
        values.update(zip(variables, map(_as_jax, arrays), strict=True))
    wrong = [f"{v.path} must have shape {v.shape}, and has {a.shape}" for v, a in values.items() if v.shape != a.shape]
    if wrong:
        raise ValueError(f"The arrays do not fit {layer.path!r}: {'; '.join(wrong)}.")
    with scope.Scope(values, isolated=True, owner=layer) as inner:
        outputs = jax.tree.map(scope.unwrap, layer(*args, **kwargs))
        made = losses(layer)
    new = [inner.values[variable] for variable in kept]
    return (outputs, new, made) if return_losses else (outputs, new)


def tree(layer: Any, trainable: bool) -> dict[str, Any]:
    """What the layer holds now, trainable or not, as a tree."""
    result: dict[str, Any] = {}
    for path, variable, _ in layer._walk.variables:
        if variable.trainable == trainable:
            put(result, path, scope.read(variable))
    return result


def assign(layer: Any, new: Any, trainable: bool) -> None:
    """Put a tree's arrays in the place of those the layer holds, all or none."""
    name = "params" if trainable else "state"
    if not isinstance(new, Mapping):
        raise AttributeError(
            f"{type(layer).__name__}.{name} is the tree of the layer's weights, one of the four names that every "
            f"layer has (init, apply, params, state); received {type(new).__name__}. Assign a nested dict of arrays, "
            "or give your attribute another name."
        )
    flat = flatten(new)
    here = {path: variable for path, variable, _ in layer._walk.variables if variable.trainable == trainable}
    problems = _compare(here, flat)
    if problems:
        raise ValueError(_complaint(layer, problems))
    checked = [(variable, variable.check(flat[path])) for path, variable in here.items()]
    for variable, value in checked:
        variable.assign(value)


def losses(layer: Any) -> list[jax.Array]:
    """Added in the last call, as seen from here, and made by regularizers on trainable weights."""
    walk = layer._walk
    inside = {id(below) for below in walk.objects}
    entries = _newest(layer._above())
    found = [value for owner, value in entries if id(owner) in inside]
    for _, variable, _ in walk.variables:
        if variable.regularizer is not None and variable.trainable:
            found.append(variable.regularizer(scope.read(variable)))
    return found


def _newest(candidates: list[Any]) -> list[tuple[Any, Any]]:
    inner = scope.current()
    while inner is not None:
        for root in reversed(inner.losses):
            if any(root is candidate for candidate in candidates):
                return inner.losses[root]
        if inner.isolated:
            return []
        inner = inner.parent
    # A call inside a bare jax.jit leaves tracers, which are of no use outside of it.
    seen = (scope.trace_of(None), scope.current_trace())
    held = [each for c in candidates if hasattr(c, "_kept_losses") for each in (c._kept_losses, c._traced_losses)]
    kept = [each for each in held if each[2] in seen]
    return max(kept, key=lambda one: one[0])[1] if kept else []


def flatten(tree: Any, path: Path = ()) -> dict[Path, Any]:
    """A nested dict as a flat one by path; an empty dict has nothing in it."""
    if not isinstance(tree, Mapping):
        return {path: tree}
    flat: dict[Path, Any] = {}
    for key, value in tree.items():
        flat.update(flatten(value, (*path, str(key))))
    return flat


def put(tree: dict[str, Any], path: Path, value: Any) -> None:
    """Put a value at its path in a nested dict."""
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value


def _like(old: Any, new: Any) -> Any:
    """The new state with the empty dicts of the old one, or other mappings, so that its structure is the same."""
    if not isinstance(old, Mapping):
        return new
    filled = {key: _like(value, new.get(key, {})) for key, value in old.items()}
    return filled if isinstance(old, dict) else type(old)(filled)  # type: ignore[call-arg]


def _as_jax(value: Any) -> Any:
    return value if isinstance(value, jax.Array) else jnp.asarray(scope.unwrap(value))


def _problems(layer: Any, params: dict[Path, Any], state: dict[Path, Any]) -> list[str]:
    here = {path: variable for path, variable, _ in layer._walk.variables}
    return _compare(here, {**params, **state})


def _compare(here: dict[Path, Variable], flat: dict[Path, Any]) -> list[str]:
    problems = []
    for path, variable in here.items():
        value = flat.get(path)
        if value is None:
            problems.append(f"{'/'.join(path)} is missing (shape {variable.shape}, dtype {variable.dtype})")
        elif np.shape(value) != variable.shape:
            problems.append(f"{'/'.join(path)} must have shape {variable.shape}, and has {np.shape(value)}")
    problems += [f"{'/'.join(path) or 'the tree itself'} belongs to no weight" for path in flat if path not in here]
    return problems


def _complaint(layer: Any, problems: list[str]) -> str:
    hint = ""
    if not layer.built:
        hint = " The layer is not built yet: call it, or build(), first."
    return f"The tree does not fit {layer.path!r}: {'; '.join(problems)}.{hint}"
