"""A model's training step as a pure function of everything it changes.

`train_state` is a pytree of arrays; the step is the model's own `train_step`, run in an isolated scope that holds those
arrays. So it works under `jax.jit`, `jax.pmap` and `jax.shard_map`, and the state can be put into checkpoints.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from jaxlayers.common import manual_axes, placement, trees
from jaxlayers.common.errors import ends_in_user_code
from jaxlayers.core import Variable, random, scope
from jaxlayers.core.effects import run
from jaxlayers.core.protocols import Role
from jaxlayers.core.scope import Scope
from jaxlayers.core.tracking import Path, kept_apart


@flax.struct.dataclass
class TrainState:
    """All arrays that training depends on and changes, as a pytree.

    Attributes:
        step: the number of steps taken, which is the number of calls of the optimizer; int32, shape `[]`.
        params: the trainable weights, as `model.params`.
        state: the other variables of the model, as `model.state`: statistics, seeds, metrics of layers.
        opt_state: the variables of each optimizer, by the name of the model's attribute that holds it.
        metrics: the variables of the compiled loss and metrics.
        rng: the state of the global generator.
    """

    step: Any
    params: Any
    state: Any
    opt_state: Any
    metrics: Any
    rng: Any


def variables_of(model: Any) -> TrainState:
    """Return a train state with variables in the places of their arrays; `step` is None.

    Raises:
        ValueError: when the model is not ready: not built, or its metrics are not known yet.
    """
    if model._compiled_objective is None:
        raise ValueError(f"{model.name!r} is not compiled. Call compile() first.")
    if not is_known(model):
        raise ValueError(
            f"{model.name!r} has not seen a batch, so its weights, or the functions that its metrics stand for, are "
            "not known. Call model.prepare(batch) first."
        )
    entries = model._tracked_walk.entries
    params = trees.nest((path, variable) for path, variable in entries if variable.trainable)
    state = trees.nest((path, variable) for path, variable in entries if not variable.trainable)
    optimizers = {name: value for name, value in vars(model).items() if isinstance(value, kept_apart())}
    metrics = optimizers.pop("_compiled_objective")
    model.optimizer.build(model.trainable_variables)
    places = {variable: path for path, variable in entries}
    opt_state = {name: _tree(optimizer, places) for name, optimizer in optimizers.items()}
    return TrainState(None, params, state, opt_state, _tree(metrics), random.global_generator().state)


def read(model: Any) -> TrainState:
    """Return copies of the arrays that the model holds, so that a step may donate them."""
    variables = _settled_variables(model)
    state = jax.tree.map(lambda variable: jnp.copy(scope.read(variable)), variables, is_leaf=_is_variable)
    return dataclasses.replace(state, step=jnp.copy(scope.read(model.optimizer.calls)))


def snapshot(model: Any) -> TrainState:
    """Return the arrays that the model holds: its own compiled steps copy them from now on instead of donating them."""
    state = jax.tree.map(scope.read, _settled_variables(model), is_leaf=_is_variable)
    return dataclasses.replace(state, step=scope.read(model.optimizer.calls))


def _settled_variables(model: Any) -> TrainState:
    """Return `variables_of(model)`, with the arrays where the distribution in use wants them."""
    variables = variables_of(model)
    placement.settle([*jax.tree.leaves(variables, is_leaf=_is_variable), model.optimizer.calls])
    return variables


def is_known(model: Any) -> bool:
    """True if the model has all variables of its train state."""
    return model.built and model._compiled_objective.is_resolved


def write(model: Any, new: TrainState) -> None:
    """Put the arrays of a train state into the model, all or none.

    Raises:
        ValueError: when it does not fit.
    """
    fields = ("params", "state", "opt_state", "metrics", "rng")
    variables, arrays = (
        trees.flatten({field: getattr(state, field) for field in fields}) for state in (variables_of(model), new)
    )
    trees.assign(variables, arrays, f"The train state does not fit {model.name!r}")


def make_step(model: Any, axis_name: Any = None) -> Callable[[TrainState, Any], tuple[TrainState, Any]]:
    """The model's `train_step` as a pure function; see `Compiled.make_train_step`."""

    @ends_in_user_code
    def step(train_state: TrainState, batch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
        variables = variables_of(model)
        keys, structure = jax.tree.flatten(variables, is_leaf=_is_variable)
        arrays, received = jax.tree.flatten(dataclasses.replace(train_state, step=None))
        if structure != received:  # type: ignore[operator]
            raise ValueError(
                f"The train state does not fit {model.name!r}: its tree structure differs from that of "
                "model.train_state. Pass model.train_state, or the state that an earlier step returned."
            )
        before = dict(zip(keys, arrays, strict=True))
        inner = Scope.isolated(dict(before), model.name, "own", True, axis_name)

        def run_step() -> Any:
            logs = model._as_step("train_step")(batch)
            if axis_name is None:
                return logs
            _agree(model, inner.values.written, before, variables, axis_name)
            results = model.get_metrics_result()
            return {k: results[k] if k in results else jax.lax.pmean(v, axis_name) for k, v in logs.items()}

        logs, _ = run(inner, run_step)
        new = jax.tree.unflatten(structure, [inner.values.arrays[variable] for variable in keys])
        return dataclasses.replace(new, step=train_state.step + 1), logs

    return step


def _agree(model: Any, written: Iterable[Any], before: Any, variables: TrainState, axis_name: Any) -> None:
    """Combine the results of the devices, each for its part of the batch: add up sums, and average statistics.

    The aggregation of a variable decides: `"sum"`, `"mean"` or `"only_first_replica"`. Without one, metric variables
    are sums, and other variables of floats are means unless JAX knows that they are equal on all devices.

    Raises:
        ValueError: when a variable of another dtype is known to differ between the devices, and has no aggregation.
    """
    sums = set(jax.tree.leaves(variables.metrics, is_leaf=_is_variable))
    sums |= {variable for _, variable in model._tracked_walk.entries if variable.role == Role.METRIC}
    statistics = set(jax.tree.leaves(variables.state, is_leaf=_is_variable)) - sums
    for variable in [each for each in written if each in sums | statistics]:
        new, rule = scope.read(variable), variable.aggregation
        is_number = jnp.issubdtype(new.dtype, jnp.number)
        if is_number and (rule == "sum" or (variable in sums and rule not in ("mean", "only_first_replica"))):
            scope.write(variable, before[variable] + jax.lax.psum(new - before[variable], axis_name))
        elif manual_axes.is_equal_along(axis_name, new):
            continue
        elif rule == "only_first_replica":
            is_first = jax.lax.axis_index(axis_name) == 0
            scope.write(variable, jax.lax.psum(jnp.where(is_first, new, jnp.zeros_like(new)), axis_name))
        elif jnp.issubdtype(new.dtype, jnp.floating):
            scope.write(variable, jax.lax.pmean(new, axis_name))
        elif manual_axes.is_tracked(axis_name) and rule != "mean":
            raise ValueError(
                f"{variable.path!r} of dtype {new.dtype} differs between the devices along {axis_name!r}, and has no "
                'rule by which its values become one. Make it with aggregation="sum" or "only_first_replica", or let '
                "the layer write a value that is equal on all devices, by jax.lax.psum or jax.lax.pmax."
            )


def _tree(owner: Any, places: dict[Variable, Path] | None = None) -> dict[str, Any]:
    """The variables of an optimizer or objective by path. A slot has the path of its weight, below its kind."""
    whose = getattr(owner, "slot_owners", {})  # an objective has none

    def path_of(path: Path, variable: Variable) -> Path:
        kind, parameter = whose.get(variable, ("", None))
        place = (places or {}).get(parameter)
        return path if place is None else (*path[:-1], kind, *place)

    return trees.nest((path_of(path, variable), variable) for path, variable in owner._tracked_walk.entries)


def _is_variable(leaf: Any) -> bool:
    return isinstance(leaf, Variable)
