"""The states of optimizers in files.

An optimizer has its slots only once it knows its parameters. Those of the optimizer of a compiled model are the model's
trainable variables. For any other optimizer, such as those of a GAN in attributes, the paths of its parameters are
written as the bytes of a JSON text, in a group of their own beside its variables, which Keras ignores.

A state that does not fit is left out with a warning, since the weights do fit.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from jaxlayers.common.own_variables import compare
from jaxlayers.core.tracking import kept_apart

PARAMETERS = "_parameters"  # the name of the group with the paths of an optimizer's parameters
_ADVICE = "Build it first, by its build(variables), to load its state."


def is_optimizer(owner: Any) -> bool:
    """True for an object with saved variables that belongs to training, and not to the weights of a model."""
    return isinstance(owner, kept_apart())


def save_parameters(root: Any, owners: Mapping[str, Any], make_store: Callable[[str, str | None], Any]) -> None:
    """Write the paths of the parameters of optimizers that are not the optimizer of a compiled model.

    Args:
        root: the model.
        owners: the objects of the model by their paths in the file.
        make_store: see `_weights.save`.
    """
    optimizers = {path: owner for path, owner in owners.items() if is_optimizer(owner)}
    inner = {id(part) for optimizer in optimizers.values() for part in getattr(optimizer, "_inner", ())}
    for path, optimizer in optimizers.items():
        if id(optimizer) in inner or not optimizer.built:
            continue
        parameters = optimizer._parameters()
        if _same(parameters, _trained_by(optimizer, owners.values())):
            continue
        names = {variable: "/".join(place) for place, variable in root._tracked_walk.entries}
        if all(variable in names for variable in parameters):
            text = json.dumps([names[variable] for variable in parameters]).encode()
            make_store(f"{path}/{PARAMETERS}", None)["0"] = np.frombuffer(text, "uint8")


def load(root: Any, optimizer: Any, owners: Iterable[Any], store: Mapping[str, Any], names: Mapping[str, Any]) -> None:
    """Assign the state of an optimizer; build it before, if the file tells for which parameters.

    Args:
        root: the model.
        optimizer: the optimizer.
        owners: the objects of the model.
        store: its variables in the file.
        names: the content of the group of the paths of its parameters; empty if the file has none.
    """
    if not store:
        return
    if not optimizer.built and len(store) > len(optimizer._saved_variables()):
        parameters = _named(root, names) if names else _trained_by(optimizer, owners)
        if parameters is not None:
            optimizer.build(parameters)
    variables = optimizer._saved_variables()
    without_slots = _variables_without_slots(optimizer)
    if not compare(without_slots, store):  # saved before its first step
        for number, variable in enumerate(without_slots):
            variable.assign(store[str(number)])
        for slot in set(variables) - set(without_slots):
            slot.store(None)  # the next step makes its first value
        return
    problems = compare(variables, store)
    if not problems:
        optimizer.load_own_variables(store)
        return
    reason = (
        f"since it is that of another optimizer or of other weights: {'; '.join(problems[:3])}."
        if optimizer.built
        else f"since the file does not tell which variables it trains. {_ADVICE}"
    )
    warnings.warn(f"The state of the optimizer {optimizer.name!r} is not loaded, {reason}", stacklevel=6)


def _trained_by(optimizer: Any, owners: Iterable[Any]) -> list[Any] | None:
    """Return the trainable variables of the model that an optimizer was compiled into, or None."""
    for owner in owners:
        if getattr(owner, "optimizer", None) is optimizer and hasattr(owner, "trainable_variables"):
            return list(owner.trainable_variables)
    return None


def _named(root: Any, names: Mapping[str, Any]) -> list[Any] | None:
    """Return the variables of a model at the paths that a file names, or None if it has no such variables."""
    by_path = {"/".join(place): variable for place, variable in root._tracked_walk.entries}
    try:
        paths = json.loads(bytes(np.asarray(names["0"], "uint8")).decode())
        return list(dict.fromkeys(by_path[path] for path in paths))
    except (KeyError, TypeError, ValueError):
        return None


def _variables_without_slots(optimizer: Any) -> list[Any]:
    """Return the variables that an optimizer has before it is built."""
    inner = getattr(optimizer, "_inner", ())
    if inner:
        return [*optimizer._own_variables, *(v for part in inner for v in _variables_without_slots(part))]
    return [optimizer._iterations, *optimizer._rate_variables]


def _same(left: list[Any], right: list[Any] | None) -> bool:
    return right is not None and len(left) == len(right) and all(a is b for a, b in zip(left, right, strict=True))
