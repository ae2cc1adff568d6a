"""What an optimizer refuses: arguments, variables and gradients that do not fit, before anything has changed."""

from __future__ import annotations

import warnings
from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from jaxlayers.core import Variable, scope


def check_limits(**limits: float | None) -> None:
    """At most one way of clipping, and no negative limit."""
    given = {name: limit for name, limit in limits.items() if limit is not None}
    if len(given) > 1:
        shown = ", ".join(f"{name}={limit}" for name, limit in given.items())
        raise ValueError(f"Only one of {', '.join(limits)} may be given; received {shown}.")
    for name, limit in given.items():
        if limit < 0:
            raise ValueError(f"{name} must not be negative; received {limit}.")


def check_between(name: str, value: float, low: float, high: float) -> None:
    """A number in a closed interval."""
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low} and {high}; received {value!r}.")


def check_count(name: str, value: Any, least: int) -> None:
    """An integer that is large enough; None and 0 stand for without."""
    if value and (not isinstance(value, int | np.integer) or value < least):
        raise ValueError(f"{name} must be an integer of at least {least}, or None; received {value!r}.")


def rate_number(value: Any) -> float:
    """A learning rate as a Python number."""
    value = scope.unwrap(value)
    if value is None or isinstance(value, bool | str) or np.ndim(value):
        raise ValueError(
            "learning_rate must be a number, a LearningRateSchedule, or a function without arguments; received "
            f"{value!r}."
        )
    return float(value)


def check_variables(optimizer: str, variables: Sequence[Any], known: Container[Variable] | None = None) -> None:
    """Variables, each once, all of them known if some are."""
    seen: set[Variable] = set()
    for variable in variables:
        if not isinstance(variable, Variable):
            raise TypeError(f"{optimizer!r} expected variables; received {type(variable).__name__}.")
        if variable in seen:
            raise ValueError(f"{variable.path!r} was given to {optimizer!r} twice.")
        if known is not None and variable not in known:
            raise ValueError(
                f"{variable.path!r} is unknown to {optimizer!r}, which was built with other variables. Make a new "
                "optimizer for another set of variables."
            )
        seen.add(variable)


def check_gradients(optimizer: str, gradients: Sequence[Any], variables: Sequence[Variable]) -> None:
    """A gradient for each variable, of its shape; a warning where it is None, an error where all are."""
    if len(gradients) != len(variables):
        raise ValueError(f"{optimizer!r} expected {len(variables)} gradients; received {len(gradients)}.")
    missing = []
    for gradient, variable in zip(gradients, variables, strict=True):
        if gradient is None:
            missing.append(variable.path)
        elif np.shape(gradient) != variable.shape:
            raise ValueError(
                f"The gradient of {variable.path!r} must have its shape {variable.shape}; received shape "
                f"{np.shape(gradient)}."
            )
    if len(missing) == len(variables):
        raise ValueError(f"{optimizer!r} received no gradient for any variable: all are None.")
    if missing:
        warnings.warn(
            f"There is no gradient for {', '.join(map(repr, missing))}: the loss does not depend on them. They are "
            "left alone.",
            stacklevel=4,
        )
