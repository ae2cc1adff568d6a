"""Checks of the arguments, variables and gradients of an optimizer, made before anything is changed."""

from __future__ import annotations

import warnings
from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from jaxlayers.common.array_like import unwrap
from jaxlayers.common.explanations import describe
from jaxlayers.core import Variable


def check_limits(**limits: float | None) -> None:
    """Raise a ValueError if more than one kind of clipping is requested, or a limit is negative."""
    requested = {name: limit for name, limit in limits.items() if limit is not None}
    if len(requested) > 1:
        received = ", ".join(f"{name}={limit}" for name, limit in requested.items())
        raise ValueError(f"Only one of {', '.join(limits)} may be given; received {received}.")
    for name, limit in requested.items():
        if limit < 0:
            raise ValueError(f"{name} must not be negative; received {limit}.")


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Raise a ValueError if a number is outside a closed interval."""
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low} and {high}; received {value!r}.")


def check_count(name: str, value: Any, least: int) -> None:
    """Raise a ValueError unless the value is an integer of at least `least`, or None or 0 for an unused option."""
    if value and (not isinstance(value, int | np.integer) or value < least):
        raise ValueError(f"{name} must be an integer of at least {least}, or None; received {value!r}.")


def rate_number(value: Any) -> float:
    """Return a learning rate as a Python float; raise a ValueError if it is not a number."""
    value = unwrap(value)
    if value is None or isinstance(value, bool | str) or np.ndim(value):
        raise ValueError(
            "learning_rate must be a number, a LearningRateSchedule, or a function of the step or without arguments; "
            f"received {describe(value) if np.ndim(value) else repr(value)}."
        )
    return float(value)


def check_variables(optimizer: str, variables: Sequence[Any], known: Container[Variable] | None = None) -> None:
    """Raise an error for anything that is not a variable, occurs twice, or is missing from `known` if that is given."""
    seen: set[Variable] = set()
    for variable in variables:
        if not isinstance(variable, Variable):
            raise TypeError(f"{optimizer!r} expected variables; received {describe(variable)}.")
        if variable in seen:
            raise ValueError(f"{variable.path!r} was given to {optimizer!r} twice.")
        if known is not None and variable not in known:
            raise ValueError(
                f"{variable.path!r} is unknown to {optimizer!r}, which was built with other variables. Create a new "
                "optimizer for another set of variables."
            )
        seen.add(variable)


def check_gradients(optimizer: str, gradients: Sequence[Any], variables: Sequence[Variable]) -> None:
    """Raise a ValueError unless there is a gradient of the right shape for each variable; warn of those that are None.

    It is an error if all gradients are None.
    """
    if len(gradients) != len(variables):
        raise ValueError(f"{optimizer!r} expected {len(variables)} gradients; received {len(gradients)}.")
    missing = []
    for gradient, variable in zip(gradients, variables, strict=True):
        if gradient is None:
            missing.append(variable.path)
        elif np.shape(gradient) != variable.shape:
            raise ValueError(
                f"The gradient of {variable.path!r} must have shape {variable.shape}; received shape "
                f"{np.shape(gradient)}. Leaves of a tree are in another order than trainable_variables: pass the tree "
                "and its layer, apply(tree, layer)."
            )
    if len(missing) == len(variables):
        raise ValueError(f"{optimizer!r} received no gradient for any variable: all are None.")
    if missing:
        warnings.warn(
            f"There is no gradient for {', '.join(map(repr, missing))}: the loss does not depend on them. They are "
            "not updated.",
            stacklevel=4,
        )
