"""Optax transformations for the parts of an update in which Keras's results differ from those of optax.

A transformation is a pair of pure functions: `init(params) -> state` and `update(gradients, state, params) -> (steps,
state)`. The functions here also take `learning_rate` and `iterations` (the number of updates done before this one) as
keyword arguments: in Keras the learning rate is applied inside the momentum, and all transformations share one counter.
The steps are added to the parameters. The fields of the states have the names of Keras's slots.

This module imports optax, so it is imported only when an optimizer is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxlayers.core import scope
from jaxlayers.core.effects import run
from jaxlayers.core.scope import Scope
from jaxlayers.optimizers import _paths
from jaxlayers.optimizers._slots import moving_average


class AccumulatorState(NamedTuple):
    """The sum of the gradients since the last update, and the state of the inner transformation."""

    gradient_accumulator: Any
    inner: Any


def scale_by_learning_rate(sign: int) -> optax.GradientTransformationExtraArgs:
    """Return a transformation that multiplies by `sign` times the learning rate."""

    def update(updates: Any, state: Any, params: Any = None, *, learning_rate: Any, **_: Any) -> tuple[Any, Any]:
        rate = sign * learning_rate
        return jax.tree.map(lambda u: u * rate.astype(u.dtype), updates), state

    return optax.GradientTransformationExtraArgs(optax.init_empty_state, update)


def decay_weights_before(inner: Any, decay_rates: Any) -> optax.GradientTransformationExtraArgs:
    """Return `inner` with decoupled weight decay before it: `params -= learning_rate * decay_rate * params`.

    Args:
        inner: the transformation; it receives the decayed parameters.
        decay_rates: a function from the parameters to a tree of rates, or to None if there is no weight decay.
    """
    inner = optax.with_extra_args_support(inner)

    def update(gradients: Any, state: Any, params: Any = None, *, learning_rate: Any, **extra: Any) -> tuple[Any, Any]:
        rates = decay_rates(gradients)
        if rates is None:
            return inner.update(gradients, state, params, learning_rate=learning_rate, **extra)
        if params is None:
            raise ValueError("Weight decay needs the parameters: call update(gradients, state, params).")

        def decay(value: Any, param: Any, rate: float) -> Any:
            return value - param * (rate * learning_rate).astype(param.dtype) if rate else value

        decayed = jax.tree.map(decay, params, params, rates)
        steps, state = inner.update(gradients, state, decayed, learning_rate=learning_rate, **extra)
        return jax.tree.map(decay, steps, params, rates), state

    return optax.GradientTransformationExtraArgs(inner.init, update)


def scale_by_path(factors: Any, known_path: Any) -> optax.GradientTransformation:
    """Return a transformation that multiplies each step by the factor for its path; a factor of 0 gives zeros.

    Args:
        factors: a factor for each pattern of paths.
        known_path: a function from the path of a leaf to the path of its variable.
    """

    def scale(keys: Any, step: Any) -> Any:
        factor = _paths.find(factors, known_path(_paths.path_of(keys)), 1)
        return step if factor == 1 else step * factor if factor else jnp.zeros_like(step)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        return jax.tree_util.tree_map_with_path(scale, updates) if factors else updates, state

    return optax.GradientTransformation(optax.init_empty_state, update)


def clip_each_by_norm(max_norm: float) -> optax.GradientTransformation:
    """Return a transformation that scales each array down to a norm of at most `max_norm`."""
    return optax.stateless(lambda updates, _: jax.tree.map(lambda u: _scale_down(u, max_norm), updates))


def clip_all_by_norm(max_norm: float) -> optax.GradientTransformation:
    """Return a transformation that scales all arrays down, by one factor, to a common norm of at most `max_norm`."""
    return optax.stateless(lambda updates, _: _scale_down(updates, max_norm))


def _scale_down(updates: Any, max_norm: float) -> Any:
    """Return `updates * min(1, max_norm / norm)`, also where the sum of squares is too large for the dtype."""
    norm = optax.tree.norm(updates)
    small_norm = optax.tree.norm(jax.tree.map(lambda u: u * _SMALL, updates))
    fits = jnp.isfinite(norm)
    divisor = jnp.where(fits, norm, small_norm)
    new_norm = jnp.where(fits, max_norm, max_norm * _SMALL)

    def scale(u: Any) -> Any:
        return jnp.where(norm < max_norm, u, u / divisor.astype(u.dtype) * new_norm.astype(u.dtype))

    return jax.tree.map(scale, updates)


def limit_for_squares(clip: optax.GradientTransformation) -> optax.GradientTransformation:
    """Return `clip` followed by a limit of finite gradients to sizes that can be squared and summed.

    Optimizers that divide by the root of squared gradients take steps that do not depend on the size of a gradient.
    With squares that overflow, the steps would be 0, and then nan. The limit is 1.1e15 in float32.
    """

    def limit(u: Any) -> Any:
        largest = float(jnp.finfo(u.dtype).max) ** 0.5 * _SHARE
        return jnp.where(jnp.abs(u) < jnp.inf, jnp.clip(u, -largest, largest), u)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        updates, state = clip.update(updates, state, params)
        return jax.tree.map(limit, updates), state

    return optax.GradientTransformation(clip.init, update)


_SMALL = 2.0**-80
_SHARE = 2.0**-14  # leaves room for sums of 2**28 squares


def step_by_parameter(
    names: Sequence[str],
    make_step: Callable[[Any, Any], Callable[..., tuple[Any, ...]]],
    initial_slots: Callable[[Any], dict[str, Any]] = lambda parameter: {},
    needs_parameters: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Return a transformation that computes the step of each parameter from its own gradient and slots.

    The state is a dict from the names of the slots to trees like that of the parameters.

    Args:
        names: the names of the slots of a parameter.
        make_step: a function from the learning rate and the number of the update, counted from 1, to a function
            `(gradient, parameter, *slots) -> (step, *slots)`.
        initial_slots: a function from a parameter to those of its initial slots that are not zeros like it.
        needs_parameters: If True, an update without the parameters raises a ValueError. If False (default), the
            parameters are None then.
    """

    def init(params: Any) -> dict[str, Any]:
        leaves = jax.tree.leaves(params)
        structure: Any = jax.tree.structure(params)
        slots = [{**{name: jnp.zeros_like(leaf) for name in names}, **initial_slots(leaf)} for leaf in leaves]
        return {name: structure.unflatten([of_leaf[name] for of_leaf in slots]) for name in names}

    def update(
        gradients: Any, state: dict[str, Any], params: Any = None, *, learning_rate: Any, iterations: Any, **_: Any
    ) -> tuple[Any, dict[str, Any]]:
        if params is None and needs_parameters:
            raise ValueError("This optimizer needs the parameters: call update(gradients, state, params).")
        leaves = jax.tree.leaves(gradients)
        structure: Any = jax.tree.structure(gradients)
        parameters = [None] * len(leaves) if params is None else structure.flatten_up_to(params)
        slots = [structure.flatten_up_to(state[name]) for name in names]
        step = make_step(learning_rate, (iterations + 1).astype(float))
        results = [step(*arguments) for arguments in zip(leaves, parameters, *slots, strict=True)]
        steps, *new = (structure.unflatten([result[i] for result in results]) for i in range(1 + len(names)))
        return steps, dict(zip(names, new, strict=True))

    return optax.GradientTransformationExtraArgs(init, update)


def step_by_nadam(beta_1: float, beta_2: float, epsilon: float) -> optax.GradientTransformationExtraArgs:
    """Return the steps of Nadam, learning rate included; the momentum grows: `u_t = beta_1 * (1 - 0.96**t / 2)`."""

    def init(params: Any) -> dict[str, Any]:
        leaves = jax.tree.leaves(params)
        slots = {name: optax.tree.zeros_like(params) for name in ("momentum", "velocity")}
        return {**slots, "u_product": jnp.ones((), leaves[0].dtype if leaves else float)}

    def update(
        gradients: Any, state: Any, params: Any = None, *, learning_rate: Any, iterations: Any, **_: Any
    ) -> tuple[Any, dict[str, Any]]:
        count = (iterations + 1).astype(float)
        u = beta_1 * (1 - 0.5 * 0.96**count)
        next_u = beta_1 * (1 - 0.5 * 0.96 ** (count + 1))
        product = state["u_product"].astype(count.dtype) * u
        momentum_weight = next_u / (1 - product * next_u)
        gradient_weight = (1 - u) / (1 - product)
        correction = 1 - beta_2**count
        momentum = jax.tree.map(lambda m, g: moving_average(m, g, beta_1), state["momentum"], gradients)
        velocity = jax.tree.map(lambda v, g: moving_average(v, jnp.square(g), beta_2), state["velocity"], gradients)

        def step(g: Any, m: Any, v: Any) -> Any:
            a, b, c, rate = (x.astype(g.dtype) for x in (momentum_weight, gradient_weight, correction, learning_rate))
            return -(a * m + b * g) * rate / (jnp.sqrt(v / c) + epsilon)

        product = product.astype(state["u_product"].dtype)
        steps = jax.tree.map(step, gradients, momentum, velocity)
        return steps, {"momentum": momentum, "velocity": velocity, "u_product": product}

    return optax.GradientTransformationExtraArgs(init, update)


def accumulate(inner: Any, every: int) -> optax.GradientTransformationExtraArgs:
    """Return `inner` on the mean of the gradients of every `every` calls; the steps of the other calls are zero.

    `inner` receives its own number of updates as `iterations`, and the learning rate of the call.
    """

    def init(params: Any) -> AccumulatorState:
        return AccumulatorState(optax.tree.zeros_like(params), inner.init(params))

    def update(
        gradients: Any, state: AccumulatorState, params: Any = None, *, iterations: Any, **extra: Any
    ) -> tuple[Any, AccumulatorState]:
        total = jax.tree.map(jnp.add, state.gradient_accumulator, gradients)

        def step() -> tuple[Any, AccumulatorState]:
            mean = jax.tree.map(lambda g: g / every, total)
            steps, new = inner.update(mean, state.inner, params, iterations=iterations // every, **extra)
            steps = jax.tree.map(lambda s, g: s.astype(g.dtype), steps, total)
            return steps, AccumulatorState(optax.tree.zeros_like(total), new)

        def wait() -> tuple[Any, AccumulatorState]:
            return optax.tree.zeros_like(total), AccumulatorState(total, state.inner)

        return jax.lax.cond((iterations + 1) % every == 0, step, wait)

    return optax.GradientTransformationExtraArgs(init, update)


def step_by_variables(optimizer: Any) -> optax.GradientTransformationExtraArgs:
    """Return a transformation that calls `optimizer.update_step` for each variable and returns what it assigns."""

    def state_of(values: Any) -> dict[str, Any]:
        """Return the values of the added variables by name; those of a parameter are dicts keyed by its path."""
        paths, named = list(optimizer._known_parameters), {}
        for number, (value, (_, owner)) in enumerate(zip(values, optimizer._own, strict=True)):
            named[f"own_{number:05}"] = value if owner is None else {paths[owner]: value}
        return named

    def init(params: Any) -> dict[str, Any]:
        return state_of([jnp.zeros(variable.shape, variable.dtype) for variable, _ in optimizer._own])

    def update(
        gradients: Any, state: Any, params: Any = None, *, learning_rate: Any, iterations: Any, **_: Any
    ) -> tuple[Any, dict[str, Any]]:
        known, own = optimizer._known_parameters, [variable for variable, _ in optimizer._own]
        if not isinstance(params, dict) or not params.keys() <= known.keys():
            raise TypeError(
                f"{optimizer.name!r} defines update_step(), which takes variables: use apply(), or call build() first."
            )
        values = {known[path]: param.astype(known[path].dtype) for path, param in params.items()}
        values.update(zip(own, jax.tree.leaves(state), strict=True))
        values[optimizer._iterations] = iterations * (optimizer.gradient_accumulation_steps or 1)
        values.update(dict.fromkeys(optimizer._rate_variables, learning_rate))

        def step() -> tuple[Any, dict[str, Any]]:
            for path, gradient in gradients.items():
                optimizer.update_step(gradient.astype(known[path].dtype), known[path], learning_rate)
            steps = {path: scope.read(known[path]).astype(param.dtype) - param for path, param in params.items()}
            return steps, state_of([scope.read(variable) for variable in own])

        return run(Scope.lifted(values), step)[0]

    return optax.GradientTransformationExtraArgs(init, update)
