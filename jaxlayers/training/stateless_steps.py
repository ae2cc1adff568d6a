"""Steps in the form that Keras has on JAX: `train_step(state, data)` returns `(logs, state)`, with lists of arrays.

`state` is `(trainable, non_trainable, optimizer, metrics)` variables for `train_step`, without the optimizer's for
`test_step`, and the first two for `predict_step`. A model that overrides a step in this form has it run like any other:
the lists are what the objects hold, and what comes back is put in its place.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxlayers.core import Variable, building, pure, scope

_PARTS = {"train_step": "tnom", "test_step": "tnm", "predict_step": "tn"}


def takes_state(method: Callable[..., Any]) -> bool:
    """Whether a bound step wants a state beside the data."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(method).parameters.values()
    return len([p for p in parameters if p.kind in kinds and p.default is p.empty]) == 2


def as_facade_step(model: Any, name: str, default: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A step that takes state, as one that takes the data alone.

    Args:
        model: whose step it is.
        name: of the step.
        default: a step of the library's own, which makes whatever a first batch calls for.
    """
    method = getattr(model, name)

    @functools.wraps(method)
    def step(data: Any) -> Any:
        if name != "predict_step" and not model._objective.is_resolved:
            building.dry_run(default, (data,), {})
        lists = _variables(model, name)
        result, new = method([[scope.read(variable) for variable in some] for some in lists], data)
        if [len(some) for some in new] != [len(some) for some in lists]:
            raise ValueError(
                f"{model.name!r}: {name}(state, data) must return the state as it got it, lists of "
                f"{[len(some) for some in lists]} arrays; received {[len(some) for some in new]}."
            )
        for some, values in zip(lists, new, strict=True):
            for variable, value in zip(some, values, strict=True):
                variable.assign(value)
        return result

    return step


def compute_loss(model: Any, arrays: Sequence[Sequence[Any]], parts: dict[str, Any]) -> tuple[jax.Array, Any]:
    """The loss from explicit arrays, and those as it left them; see `Compiled.stateless_compute_loss`."""
    names = ("trainable_variables", "non_trainable_variables", "metrics_variables")
    lists = dict(zip(names, _variables(model, "test_step"), strict=True))
    loss, new = pure.run_on_lists(model, lists, arrays, lambda: model._loss(**parts))
    return loss, tuple(new)


def _variables(model: Any, name: str) -> list[list[Variable]]:
    """The variables of each part of a step's state."""
    parts = _PARTS[name]
    kept = {id(variable) for variable in model.metrics_variables}
    found = {
        "t": model.trainable_variables,
        "n": [variable for variable in model.non_trainable_variables if id(variable) not in kept],
        "m": model.metrics_variables,
    }
    if "o" in parts:
        model.optimizer.build(model.trainable_variables)
        found["o"] = model.optimizer.variables
    return [found[part] for part in parts]
