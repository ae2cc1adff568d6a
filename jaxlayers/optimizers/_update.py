"""One update of all parameters, as a pure function composed of optax transformations.

The order is Keras's: divide the gradients by the loss scale, accumulate them, clip them, decay the weights, compute the
steps, add the steps to the parameters, update the moving average of the parameters, apply the constraints.
`compile_update` makes the function that `Optimizer` runs, `make_transformation` the same as an optax transformation.

Updates of half-precision parameters are computed in float32, in which squares of gradients do not overflow and no
epsilon is rounded to 0. Slots of bfloat16 parameters are stored in bfloat16. Those of float16 parameters are stored in
float32, as the range of float16 is too small for the averages of squares.

This module imports optax, so it is imported only when an optimizer is first used.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Set
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxlayers.core import Variable
from jaxlayers.optimizers import _transformations as ours
from jaxlayers.optimizers._slots import Layout
from jaxlayers.optimizers._steps import Steps


class OptimizerState(NamedTuple):
    """The state of an optimizer.

    Attributes:
        iterations: the number of updates done, int32.
        learning_rate: the learning rate if it is a number; None if a schedule or a function determines it.
        average: the moving average of the parameters, or None.
        steps: the state of the transformation from gradients to steps.
        gradient_accumulator: the largest gradients so far of variables that are overwritten with their gradient; None
            without accumulation.
    """

    iterations: Any
    learning_rate: Any
    average: Any
    steps: Any
    gradient_accumulator: Any = None


def make_steps(optimizer: Steps) -> optax.GradientTransformationExtraArgs:
    """Return the transformation from gradients to the steps that are added to the parameters."""
    if optimizer.clipnorm:
        clip = ours.clip_each_by_norm(optimizer.clipnorm)
    elif optimizer.global_clipnorm:
        clip = ours.clip_all_by_norm(optimizer.global_clipnorm)
    else:
        clip = optax.clip(optimizer.clipvalue) if optimizer.clipvalue else optax.identity()
    by_variable = type(optimizer).update_step is not Steps.update_step
    direction = ours.step_by_variables(optimizer) if by_variable else optimizer._direction()
    if optimizer._squares_gradients:
        clip = ours.limit_for_squares(clip)
    # Each part is always present, so that the state keeps its structure when an attribute is set later.
    step = ours.decay_weights_before(direction, optimizer._decay_rates)
    steps = optax.chain(clip, step, ours.scale_by_path(optimizer._rate_factors, optimizer._known_path))
    if optimizer.gradient_accumulation_steps:
        steps = ours.accumulate(steps, optimizer.gradient_accumulation_steps)
    scale = optimizer.loss_scale_factor
    return optax.with_extra_args_support(optax.chain(optax.scale(1 / scale) if scale else optax.identity(), steps))


def initial_state(
    optimizer: Steps, steps: Any, learning_rate: Any, params: Any, overwritten: frozenset[str] = frozenset()
) -> OptimizerState:
    """Return the state before the first update; `overwritten` needs `params` to be a dict by path."""
    largest = None
    if overwritten:
        if optimizer.gradient_accumulation_steps:
            largest = {path: jnp.zeros_like(params[path]) for path in overwritten}
        params = {path: param for path, param in params.items() if path not in overwritten}
    params = jax.tree.map(lambda param: _widen(param) if param.dtype == "float16" else param, params)
    average = optax.tree.zeros_like(params) if optimizer.use_ema else None
    return OptimizerState(jnp.zeros((), "int32"), learning_rate, average, steps.init(params), largest)


def compile_update(optimizer: Steps) -> Callable[..., Any]:
    """Return the compiled update over lists: of parameters, of gradients or None, and of the optimizer's variables.

    It refers to the optimizer weakly, since the optimizer holds it.
    """
    reference = weakref.ref(optimizer)

    def update(params: list[Any], gradients: list[Any], slots: list[Any], learning_rate: Any) -> tuple[Any, Any]:
        owner: Any = reference()
        layout: Layout = owner._known_layout()
        own = 1 + isinstance(owner._learning_rate, Variable)  # the counter, and the learning rate if it is a variable
        state = layout.pack(slots[own:])._replace(iterations=slots[0], learning_rate=slots[1] if own > 1 else None)
        by_path, gradient_of = (dict(zip(layout.parameters, arrays, strict=True)) for arrays in (params, gradients))
        new, state = _update(owner, layout, by_path, gradient_of, state, learning_rate)
        rest = layout.unpack(state._replace(iterations=None, learning_rate=None))
        return [new[path] for path in layout.parameters], [state.iterations, *slots[1:own], *rest]

    return jax.jit(update, inline=True)


def _update(
    optimizer: Steps, layout: Layout, params: Any, gradients: Any, state: OptimizerState, learning_rate: Any
) -> tuple[dict[str, Any], OptimizerState]:
    """Return the new parameters by path, and the new state.

    Args:
        optimizer: the optimizer.
        layout: its parameters and slots.
        params: the parameters by path.
        gradients: the gradients by path; None leaves the parameter and its slots unchanged.
        state: the state.
        learning_rate: the learning rate of this update; None for the one that the state or the optimizer determines.
    """
    direct, largest = _overwrite(optimizer, params, gradients, state, layout.overwritten)
    params = {path: param for path, param in params.items() if path not in layout.overwritten}
    used = {name for name in params if gradients[name] is not None}
    filled = {name: gradients[name] if name in used else jnp.zeros_like(params[name]) for name in params}
    steps, new = _advance(optimizer, make_steps(optimizer), params, filled, state, learning_rate)
    new_params = {name: _add(param, steps[name]) if name in used else param for name, param in params.items()}
    if len(used) < len(params):
        new = new._replace(steps=_keep_unused(layout, new.steps, state.steps, used))
    if optimizer.use_ema:
        average, overwrite = _update_average(optimizer, state, new_params)
        new = new._replace(average=average)
        if overwrite is not None:
            new_params = jax.tree.map(lambda a, p: jnp.where(overwrite, a.astype(p.dtype), p), average, new_params)
    for name, variable in layout.parameters.items():
        if name in used and variable.constraint:
            new_params[name] = variable.constraint(new_params[name])
    return {**new_params, **direct}, new._replace(gradient_accumulator=largest)


def _overwrite(
    optimizer: Steps, params: Any, gradients: Any, state: OptimizerState, overwritten: frozenset[str]
) -> tuple[dict[str, Any], Any]:
    """Return the values of the variables overwritten with their gradient, and the largest gradients until then."""
    direct, largest = {path: params[path] for path in overwritten}, dict(state.gradient_accumulator or {})
    every = optimizer.gradient_accumulation_steps
    for path in overwritten:
        if gradients[path] is None:
            continue
        value = gradients[path].astype(params[path].dtype)
        if every:
            ends, value = (state.iterations + 1) % every == 0, jnp.maximum(value, largest[path])
            largest[path] = jnp.where(ends, jnp.zeros_like(value), value)
            value = jnp.where(ends, value, params[path])
        direct[path] = value
    return direct, largest or None


def make_transformation(optimizer: Steps, learning_rate: Any) -> Any:
    """Return the update as an `optax.GradientTransformation` on any pytree, without constraints of variables."""
    transformation = make_steps(optimizer)

    def init(params: Any) -> OptimizerState:
        return initial_state(optimizer, transformation, learning_rate, params)

    def update(gradients: Any, state: OptimizerState, params: Any = None) -> tuple[Any, OptimizerState]:
        steps, new = _advance(optimizer, transformation, params, gradients, state, None)
        steps = jax.tree.map(lambda s, like: s.astype(like.dtype), steps, gradients if params is None else params)
        if optimizer.use_ema:
            if params is None:
                raise ValueError("use_ema needs the parameters: call update(gradients, state, params).")
            average, overwrite = _update_average(optimizer, state, jax.tree.map(_add, params, steps))
            new = new._replace(average=average)
            if overwrite is not None:
                steps = jax.tree.map(
                    lambda a, p, s: jnp.where(overwrite, (a - _widen(p)).astype(p.dtype), s), average, params, steps
                )
        return steps, new

    return optax.GradientTransformation(init, update)


def _advance(
    optimizer: Steps,
    transformation: Any,
    params: Any,
    gradients: Any,
    state: OptimizerState,
    learning_rate: Any,
) -> tuple[Any, OptimizerState]:
    """Return the steps, and the new state except for its average."""
    if learning_rate is None:
        learning_rate = state.learning_rate
    if learning_rate is None:
        learning_rate = optimizer.scheduled_rate(state.iterations)
    learning_rate = jnp.asarray(learning_rate)
    if params is not None:
        gradients = jax.tree.map(lambda g, p: g.astype(_wide(p.dtype)), gradients, params)
    slots = state.steps
    if any(_wide(leaf.dtype) != leaf.dtype for leaf in jax.tree.leaves(gradients if params is None else params)):
        gradients, params = (None if tree is None else jax.tree.map(_widen, tree) for tree in (gradients, params))
        slots = _cast(slots, jax.eval_shape(transformation.init, gradients if params is None else params))
    steps, inner = transformation.update(
        gradients, slots, params, learning_rate=learning_rate, iterations=state.iterations
    )
    return steps, state._replace(iterations=state.iterations + 1, steps=_cast(inner, state.steps))


@functools.cache
def _wide(dtype: Any) -> Any:
    """Return the dtype to compute in: float32 for floats of less than 32 bits, and any other dtype unchanged."""
    is_short = jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32
    return jnp.dtype("float32") if is_short else dtype


def _widen(array: Any) -> Any:
    dtype = _wide(array.dtype)
    return array if dtype == array.dtype else array.astype(dtype)


def _add(param: Any, step: Any) -> Any:
    return (_widen(param) + step).astype(param.dtype)


def _cast(tree: Any, like: Any) -> Any:
    """Return a tree with its leaves in the dtypes of another one."""
    return jax.tree.map(lambda a, b: a if a.dtype == b.dtype else a.astype(b.dtype), tree, like)


def _keep_unused(layout: Layout, new: Any, old: Any, used: Set[str]) -> Any:
    """Return the new state with the old leaves of the parameters that have no gradient."""

    def choose(path: Any, value: Any, before: Any) -> Any:
        owner, _ = layout.owner_of(path)
        return value if owner is None or owner in used else before

    return jax.tree_util.tree_map_with_path(choose, new, old)


def _update_average(optimizer: Steps, state: OptimizerState, params: Any) -> tuple[Any, Any]:
    """Return the average after a call, and a boolean array: True if it overwrites the parameters (None: never).

    Calls that only accumulate gradients change neither. (Keras counts them as updates of the average.)
    """
    calls = optimizer.gradient_accumulation_steps or 1
    updates = state.iterations // calls
    momentum = jnp.where(updates == 0, 0.0, optimizer.ema_momentum)
    average = jax.tree.map(
        lambda a, p: (momentum * _widen(a) + (1 - momentum) * _widen(p)).astype(a.dtype), state.average, params
    )
    ends = True if calls == 1 else (state.iterations + 1) % calls == 0
    if calls > 1:
        average = jax.tree.map(lambda new, old: jnp.where(ends, new, old), average, state.average)
    every = optimizer.ema_overwrite_frequency
    return average, (ends & ((updates + 1) % every == 0)) if every else None
