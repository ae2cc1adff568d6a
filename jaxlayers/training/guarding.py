"""Training steps that notice values that are not finite, for `callbacks.NanGuard`.

A guarded step computes on the device whether it has made a value that is not finite: in the loss, or in a variable that
it writes. If so, it does not write its results. The host receives the number of such steps as one small array for each
execution, and reads it once it is ready, so that nothing waits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import Variable, donation, scope
from jaxlayers.core.effects import Effects, run
from jaxlayers.core.protocols import Role
from jaxlayers.core.scope import Scope
from jaxlayers.core.tracking import Tracked, kept_apart
from jaxlayers.training.diagnosis import diagnose
from jaxlayers.training.executions import Execution

_NOT_RESTORED = (Role.METRIC, Role.SEED, Role.STREAM)  # these keep the values from before the step


class StepGuard(Tracked):
    """The part of `NanGuard` that runs in the compiled step; kept by the model.

    Args:
        action: `"stop"`, `"skip"` or `"restore"`, as in `NanGuard`. With `"stop"`, the steps that the device runs after
            a failed one change nothing.

    Attributes:
        counts: for the current execution, the number of its steps, the number of failed ones, and the number of the
            first failed one.
        good: the number of steps in the current pass over the data that have not failed.
        halted: True once a step has failed, with the action `"stop"`.
    """

    _variable_role = Role.METRIC

    def __init__(self, action: str):
        self.name = "step_guard"
        self.action = action
        self.counts = Variable(np.zeros(3, "int32"), trainable=False)
        self.good = Variable(0, dtype="int32", trainable=False)
        self.halted = Variable(False, dtype="bool", trainable=False)

    def begin_training(self) -> None:
        """Let the steps of a new training change the model."""
        self.halted.assign(False)

    def begin_pass(self, count: int) -> None:
        """Count the good steps of a new pass over the data, of which some may be done."""
        self.good.assign(count)

    # In the compiled step.

    def run(self, model: Any, saved: Any, steps: Callable[..., Any], step: Callable[[Any], Any], *args: Any) -> Any:
        """Run one execution: `steps(step, *args)` with a guarded step. Return the logs and `counts`."""
        self.counts.assign(np.zeros(3, "int32"))
        by_variable = dict(zip(_restorable(model), saved, strict=True)) if self.action == "restore" else {}
        logs = steps(functools.partial(self._step, model, by_variable, step), *args)
        return logs, self.counts.value

    def _step(self, model: Any, saved: dict[Variable, Any], step: Callable[[Any], Any], data: Any) -> Any:
        logs, effects = run(Scope.lifted(), step, data)
        new = {key: value for key, value in zip(effects.keys, effects.values, strict=True) if isinstance(key, Variable)}
        old = {variable: scope.read(variable) for variable in new}
        finite = _stays_finite(new, old, logs)
        ran, failed, first = self.counts.value
        keeps = finite & ~self.halted.value
        self.counts.assign(
            jnp.stack([ran + 1, failed + (~finite & ~self.halted.value), jnp.where(failed == 0, ran, first)])
        )
        if self.action == "stop":
            self.halted.assign(~keeps)
        instead = {variable: saved.get(variable, value) for variable, value in old.items()}
        kept = [
            jnp.where(keeps, value, instead[key]) if key in instead else value
            for key, value in zip(effects.keys, effects.values, strict=True)
        ]
        Effects(effects.keys, kept, effects.roots).commit()
        self.good.assign_add(keeps)
        return self._logs(model, logs, new, keeps)

    def _logs(self, model: Any, logs: dict[str, Any], written: dict[Variable, Any], keeps: Any) -> dict[str, Any]:
        """Return the logs of a step; those of a step that is not kept are the metrics of the good steps before it."""
        results: dict[str, Any] = {}
        for metric in model.metrics:
            if any(variable in written for variable in metric.variables):
                result = metric.result()
                results.update(result if isinstance(result, dict) else {metric.name: result})
        shown = keeps | (self.good.value == 0)
        return {
            name: jax.tree.map(lambda new, old: jnp.where(shown, new, old), value, results[name])
            if name in results
            else value
            for name, value in logs.items()
        }


def execute(model: Any, guard: Any, compiled: Callable[..., Any], execution: Execution, *args: Any) -> Any:
    """Run one execution on the device, and hand its counts to the callback; return its logs.

    Args:
        model: the model.
        guard: the `NanGuard`.
        compiled: the compiled `StepGuard.run`.
        execution: the kind of the execution.
        *args: its arguments.
    """
    size = execution.size_of(*args)
    if guard.action == "restore":
        _save(model, guard, lambda: execution.batch_of(0, *args), size)
    logs, counts = compiled(guard.saved, *args)
    guard.observe(counts, lambda number: execution.batch_of(number, *args), functools.partial(diagnose, model))
    return logs


def _save(model: Any, guard: Any, first_batch: Callable[[], Any], size: int) -> None:
    """Copy the state of the model on the device before an execution, if it is due; nothing waits for it."""
    if not guard.saved:
        model.prepare(first_batch())
    if not guard.saved or guard.unsaved_steps >= guard.save_every:
        guard.saved = jax.device_put(donation.arrays_of(_restorable(model)), may_alias=False)
        guard.unsaved_steps = 0
    guard.unsaved_steps += size


def _restorable(model: Any) -> list[Variable]:
    """The variables that the action `"restore"` resets: weights, statistics, slots of optimizers."""
    owners = [model, *(value for value in vars(model).values() if isinstance(value, kept_apart()))]
    variables = {variable: None for owner in owners for _, variable in owner._tracked_walk.entries}
    return [variable for variable in variables if variable.role not in _NOT_RESTORED]


def _stays_finite(new: dict[Variable, Any], old: dict[Variable, Any], logs: Any) -> jax.Array:
    """True, as a scalar array, if the loss and the new values of variables are finite.

    Statistics and metrics may start from an infinity. So only the elements that were finite before are checked.
    """
    checks = []
    for variable, value in new.items():
        if jnp.issubdtype(value.dtype, jnp.inexact):
            is_finite = jnp.isfinite(value)
            # The old arrays of weights and slots are not read: that would take time.
            is_large = variable.trainable or variable.role == Role.SLOT
            checks.append(jnp.all(is_finite if is_large else is_finite | ~jnp.isfinite(old[variable])))
    loss = logs.get("loss") if isinstance(logs, dict) else None
    if loss is not None:
        checks.append(jnp.all(jnp.isfinite(loss)))
    return jnp.all(jnp.stack(checks)) if checks else jnp.array(True)
