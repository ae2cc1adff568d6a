"""Steps in the form that Keras has on JAX: `train_step(state, data)` returns `(logs, state)`, with lists of arrays.

`state` is `(trainable, non_trainable, optimizer, metrics)` variables for `train_step`, without the optimizer's for
`test_step`, and the first two for `predict_step`. A model that overrides a step in this form is trained like any other:
the step receives the arrays that the objects hold, and the arrays that it returns are assigned to them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxlayers.core import Variable, building, pure, scope

_PARTS = {
    "train_step": ("trainable", "non_trainable", "optimizer", "metrics"),
    "test_step": ("trainable", "non_trainable", "metrics"),
    "predict_step": ("trainable", "non_trainable"),
}


def takes_state(method: Callable[..., Any]) -> bool:
    """True if a bound step takes a state before the data; one that takes any arguments does, as in Keras."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(method).parameters.values()
    required = [p for p in parameters if p.kind in kinds and p.default is p.empty]
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return len(required) == 2 or (takes_any and not required)


def in_both_forms(step: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Decorate a step that takes the data, so that it also takes `(state, data)` and then returns `(logs, state)`."""

    def with_state(self: Any, state: Any, data: Any) -> Any:
        lists = {f"{part}_variables": variables for part, variables in _variables(self, step.__name__).items()}
        result, new = pure.run_on_lists(self, lists, state, lambda: step(self, data))
        return result, tuple(new)

    @functools.wraps(step)
    def either(self: Any, *args: Any, **kwargs: Any) -> Any:
        return (step if len(args) + len(kwargs) < 2 else with_state)(self, *args, **kwargs)

    return either


def as_facade_step(model: Any, name: str, default: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Turn a step that takes a state into one that takes the data alone.

    Args:
        model: the model.
        name: the name of the step.
        default: the library's own step, which is traced once to make the metrics that the outputs call for.
    """
    method = getattr(model, name)

    @functools.wraps(method)
    def step(data: Any) -> Any:
        if name != "predict_step" and not model._compiled_objective.is_resolved:
            building.dry_run(default, (data,), {})
        lists = list(_variables(model, name).values())
        result, new = method([[scope.read(variable) for variable in variables] for variables in lists], data)
        if [len(values) for values in new] != [len(variables) for variables in lists]:
            raise ValueError(
                f"{model.name!r}: {name}(state, data) must return a state of the form that it was given, lists of "
                f"{[len(variables) for variables in lists]} arrays; received {[len(values) for values in new]}."
            )
        for variables, values in zip(lists, new, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return result

    return step


def compute_loss(model: Any, arrays: Sequence[Any], loss_of: Callable[[], jax.Array]) -> tuple[jax.Array, Any]:
    """Compute the loss from explicit arrays; see `Compiled.stateless_compute_loss`."""
    lists = {f"{part}_variables": variables for part, variables in _variables(model, "test_step").items()}
    loss, new = pure.run_on_lists(model, lists, arrays, loss_of)
    return loss, tuple(new)


def _variables(model: Any, name: str) -> dict[str, list[Variable]]:
    """The variables in each list of the state of a step."""
    metrics = {id(variable) for variable in model.metrics_variables}
    lists = {
        "trainable": model.trainable_variables,
        "non_trainable": [variable for variable in model.non_trainable_variables if id(variable) not in metrics],
        "metrics": model.metrics_variables,
    }
    if "optimizer" in _PARTS[name]:
        model.optimizer.build(model.trainable_variables)
        lists["optimizer"] = model.optimizer.variables
    return {part: lists[part] for part in _PARTS[name]}
