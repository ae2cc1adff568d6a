"""The arrays of a model, its optimizer and its metrics as nested dicts: Keras's form of `model.train_state`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from jaxlayers.common import trees
from jaxlayers.common.array_like import unwrap
from jaxlayers.core import Variable
from jaxlayers.training.compiled_metrics import single_metrics

_NUMBERED = re.compile(r"(.+?)(?:_(\d+))?")  # the name of an object without a name of its own: a root and a number
_FORMATS = {"backend_tensor": unwrap, "numpy_array": lambda variable: np.asarray(unwrap(variable))}


def read(model: Any, value_format: str) -> dict[str, Any]:
    """Return the arrays as a tree; see `Model.get_state_tree`."""
    if value_format not in _FORMATS:
        raise ValueError(f"value_format must be one of {list(_FORMATS)}; received {value_format!r}.")
    return jax.tree.map(_FORMATS[value_format], _variables(model), is_leaf=lambda leaf: isinstance(leaf, Variable))


def write(model: Any, tree: Mapping[str, Any]) -> None:
    """Put arrays into the model, all or none; see `Model.set_state_tree`."""
    if model.optimizer is not None:
        model.optimizer.build(model.trainable_variables)
    what = f"The state tree does not fit {model.name!r}"
    places = trees.flatten(_variables(model))
    leaves = _renamed(trees.flatten(tree), places)
    trees.assign(places, leaves | _products(model.optimizer, leaves, places), what, partly=True)


def _variables(model: Any) -> dict[str, Any]:
    """Return the tree of `read` with variables in the places of their arrays."""
    prefix = () if model._layer_graph is not None else (model.name,)  # as in the paths of Keras
    of_metrics = {id(variable) for variable in model.metrics_variables}
    weights = [
        (variable, (*prefix, *model._path_of(variable)))
        for variable in model.variables
        if id(variable) not in of_metrics
    ]
    trained = {id(variable) for variable in model.trainable_variables}
    places = dict(weights)
    return {
        "trainable_variables": _nested(weight for weight in weights if id(weight[0]) in trained),
        "non_trainable_variables": _nested(weight for weight in weights if id(weight[0]) not in trained),
        "optimizer_variables": _nested([] if model.optimizer is None else _slots(model.optimizer, places)),
        "metrics_variables": _nested(
            (variable, (metric.name, *metric._path_of(variable)))
            for metric in single_metrics(model.metrics)
            for variable in metric.variables
        ),
    }


def _slots(optimizer: Any, places: Mapping[Variable, tuple[str, ...]]) -> Iterator[tuple[Variable, tuple[str, ...]]]:
    """Yield the variables of an optimizer with their paths, in which a weight has the path that Keras gives it."""
    owners = optimizer.slot_owners
    inner = {variable for part in getattr(optimizer, "_inner", ()) for variable in part.variables}
    for slot in optimizer.variables:
        name = slot.name
        if slot in inner:
            continue
        if slot in owners:
            weight = owners[slot][1]
            prefix = weight.path.replace("/", "_")
            if name.startswith(prefix) and weight in places:
                name = "_".join(places[weight]) + name.removeprefix(prefix)
        yield slot, (optimizer.name, name)
    for part in getattr(optimizer, "_inner", ()):
        yield from _slots(part, places)


def _renamed(leaves: trees.Flat, places: trees.Flat) -> trees.Flat:
    """Return the leaves with the names of optimizers in `places`, where they differ in numbers of the session only.

    Keras does not name the slot `u_product` of Nadam: it is `variable` there, with a number of the session.
    """
    group = "optimizer_variables"
    slots = [path for path in places if path[0] == group]
    kinds = [path for path in leaves if path[0] == group and len(path) == 3]
    names = _paired({path[1] for path in kinds}, {path[1] for path in slots})
    products = {path[1]: path for path in slots if path[-1] == "u_product"}
    unnamed = {p[1] for p in leaves if p[0] == group and len(p) == 2 and _NUMBERED.fullmatch(p[1])[1] == "variable"}  # type: ignore[index]
    paths: dict[tuple[str, ...], tuple[str, ...]]
    paths = {(group, name): products[optimizer] for name, optimizer in _paired(unnamed, set(products), False).items()}
    paths |= {path: (group, names.get(path[1], path[1]), path[2]) for path in kinds}
    return {paths.get(path, path): value for path, value in leaves.items()}


def _products(optimizer: Any, leaves: trees.Flat, places: trees.Flat) -> trees.Flat:
    """Return the slots `u_product` of Nadam that a tree has not, from the numbers of updates in it.

    Keras has no such variable if the Nadam is inside of another optimizer.
    """
    products: trees.Flat = {}
    for part in (optimizer, *getattr(optimizer, "_inner", ())):
        path, counter = (
            ("optimizer_variables", getattr(part, "name", ""), name) for name in ("u_product", "iteration")
        )
        if path in places and path not in leaves and counter in leaves:
            updates = np.arange(1, int(leaves[counter]) + 1)
            products[path] = np.prod(part.beta_1 * (1 - 0.5 * 0.96**updates))
    return products


def _paired(names: set[str], others: set[str], by_root: bool = True) -> dict[str, str]:
    """Return the other name of each name, in the order of their numbers; nothing for roots with fewer or more."""
    groups: dict[str, tuple[list[tuple[int, str]], list[tuple[int, str]]]] = {}
    for side, members in enumerate((names, others)):
        for name in members:
            root, number = _NUMBERED.fullmatch(name).groups()  # type: ignore[union-attr]
            groups.setdefault(root if by_root else "", ([], []))[side].append((int(number or 0), name))
    pairs = [zip(sorted(a), sorted(b), strict=True) for a, b in groups.values() if len(a) == len(b)]
    return {name: other for pair in pairs for (_, name), (_, other) in pair}


def _nested(entries: Iterable[tuple[Variable, tuple[str, ...]]]) -> dict[str, Any]:
    by_path: trees.Flat = {}
    for variable, path in entries:
        if by_path.setdefault(path, variable) is not variable:
            raise ValueError(f"Two variables have the path {'/'.join(path)!r}. Give one of their layers another name.")
    return trees.nest(by_path.items())
