"""Optax transformations for Adamax, Lion, LAMB, FTRL, Adafactor, schedule-free AdamW and Muon.

They exist where Keras's results differ from those of optax's own transformation. As in `_transformations`, an update
receives the learning rate and the number of updates done before it, and returns what is added to the parameters. The
fields of the states have the names of Keras's slots.

This module imports optax, so it is imported only when an optimizer is first used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxlayers.optimizers import _paths
from jaxlayers.optimizers._transformations import AdamState, moving_average


class MaximumState(NamedTuple):
    """The moving average of the gradient, and the decaying maximum of its absolute value."""

    momentum: Any
    norm: Any


class MomentumState(NamedTuple):
    """The moving average of the gradient."""

    momentum: Any


class LeaderState(NamedTuple):
    """The sum of all squared gradients, and the linear term: the sum of the gradients, shifted by the parameters."""

    accumulator: Any
    linear: Any


class FactorState(NamedTuple):
    """Moving averages of the row means and column means of the squared gradient, and the second moment from them."""

    r: Any
    c: Any
    velocity: Any


class ScheduleFreeState(NamedTuple):
    """The parameters without averaging, and the moving average of the squared gradient."""

    momentum: Any
    velocity: Any


def step_by_adamax(beta_1: float, beta_2: float, epsilon: float) -> optax.GradientTransformationExtraArgs:
    """Return the steps of Adamax, learning rate included: Adam with a decaying maximum as the divisor."""

    def init(params: Any) -> MaximumState:
        return MaximumState(optax.tree.zeros_like(params), optax.tree.zeros_like(params))

    def update(
        gradients: Any, state: MaximumState, params: Any = None, *, learning_rate: Any, iterations: Any, **_: Any
    ) -> tuple[Any, MaximumState]:
        rate = learning_rate / (1 - beta_1 ** (iterations + 1).astype(float))
        momentum = moving_average(state.momentum, gradients, beta_1)
        norm = jax.tree.map(lambda u, g: jnp.maximum(beta_2 * u, jnp.abs(g)), state.norm, gradients)
        steps = jax.tree.map(lambda m, u: -(m * rate.astype(m.dtype)) / (u + epsilon), momentum, norm)
        return steps, MaximumState(momentum, norm)

    return optax.GradientTransformationExtraArgs(init, update)


def step_by_lion(beta_1: float, beta_2: float) -> optax.GradientTransformationExtraArgs:
    """Return the steps of Lion, learning rate included: the sign of a mean of gradient and momentum."""

    def init(params: Any) -> MomentumState:
        return MomentumState(optax.tree.zeros_like(params))

    def update(
        gradients: Any, state: MomentumState, params: Any = None, *, learning_rate: Any, **_: Any
    ) -> tuple[Any, MomentumState]:
        def step(m: Any, g: Any) -> Any:
            return -learning_rate.astype(g.dtype) * jnp.sign(beta_1 * m + (1 - beta_1) * g)

        momentum = moving_average(state.momentum, gradients, beta_2)
        return jax.tree.map(step, state.momentum, gradients), MomentumState(momentum)

    return optax.GradientTransformationExtraArgs(init, update)


def scale_by_corrected_adam(beta_1: float, beta_2: float, epsilon: float) -> optax.GradientTransformationExtraArgs:
    """Return `optax.scale_by_adam` with the counter of the optimizer in place of its own; without the learning rate."""

    def init(params: Any) -> AdamState:
        return AdamState(optax.tree.zeros_like(params), optax.tree.zeros_like(params), None)

    def update(
        gradients: Any, state: AdamState, params: Any = None, *, iterations: Any, **_: Any
    ) -> tuple[Any, AdamState]:
        count = (iterations + 1).astype(float)
        momentum = moving_average(state.momentum, gradients, beta_1)
        velocity = moving_average(state.velocity, jax.tree.map(jnp.square, gradients), beta_2)

        def step(m: Any, v: Any) -> Any:
            first, second = ((1 - beta**count).astype(m.dtype) for beta in (beta_1, beta_2))
            return (m / first) / (jnp.sqrt(v / second) + epsilon)

        return jax.tree.map(step, momentum, velocity), AdamState(momentum, velocity, None)

    return optax.GradientTransformationExtraArgs(init, update)


def step_by_ftrl(
    power: float, initial: float, l1: float, l2: float, l2_shrinkage: float, beta: float
) -> optax.GradientTransformationExtraArgs:
    """Return the steps of FTRL (follow the regularized leader), learning rate included."""

    def init(params: Any) -> LeaderState:
        return LeaderState(optax.tree.full_like(params, initial), optax.tree.zeros_like(params))

    def update(
        gradients: Any, state: LeaderState, params: Any = None, *, learning_rate: Any, **_: Any
    ) -> tuple[Any, LeaderState]:
        def lead(g: Any, w: Any, n: Any, z: Any) -> tuple[Any, Any, Any]:
            rate = learning_rate.astype(w.dtype)
            new = n + jnp.square(g)
            z = z + g + 2 * l2_shrinkage * w - (new**-power - n**-power) / rate * w
            curvature = new**-power / rate + 2 * (l2 + beta / (2 * rate))
            return (jnp.clip(z, -l1, l1) - z) / curvature - w, new, z

        steps, accumulator, linear = _unzip(3, lead, gradients, _require(params), state.accumulator, state.linear)
        return steps, LeaderState(accumulator, linear)

    return optax.GradientTransformationExtraArgs(init, update)


def step_by_adafactor(
    beta_2_decay: float, epsilon_1: float, epsilon_2: float, clip_threshold: float
) -> optax.GradientTransformationExtraArgs:
    """Return the steps of Adafactor in Keras's form: relative to the size of the parameters, learning rate included."""

    def init(params: Any) -> FactorState:
        def sums(axis: int) -> Any:
            # As in Keras's files, parameters without rows and columns have scalar zeros in their place.
            return jax.tree.map(lambda p: jnp.zeros_like(p[..., 0] if axis == -1 else p[..., 0, :])
                                if p.ndim > 1 else jnp.zeros((), "int32"), params)  # fmt: skip

        return FactorState(sums(-1), sums(-2), optax.tree.zeros_like(params))

    def update(
        gradients: Any, state: FactorState, params: Any = None, *, learning_rate: Any, iterations: Any, **_: Any
    ) -> tuple[Any, FactorState]:
        count = (iterations + 1).astype(float)
        rate = jnp.minimum(learning_rate, jax.lax.rsqrt(count))
        decay = 1 - count**beta_2_decay

        def step(g: Any, w: Any, r: Any, c: Any, v: Any) -> tuple[Any, Any, Any, Any]:
            square = jnp.square(g) + epsilon_1
            weight = decay.astype(g.dtype)
            if w.ndim > 1:
                r = weight * r + (1 - weight) * jnp.mean(square, axis=-1)
                c = weight * c + (1 - weight) * jnp.mean(square, axis=-2)
                v = (r / jnp.mean(r, axis=-1, keepdims=True))[..., None] * c[..., None, :]
            else:
                v = weight * v + (1 - weight) * square
            direction = g / jnp.sqrt(v)
            direction = direction / jnp.maximum(1, _root_mean_square(direction) / clip_threshold)
            return -(jnp.maximum(epsilon_2, _root_mean_square(w)) * rate.astype(w.dtype)) * direction, r, c, v

        steps, *new = _unzip(4, step, gradients, _require(params), *state)
        return steps, FactorState(*new)

    return optax.GradientTransformationExtraArgs(init, update)


def step_schedule_free(
    beta_1: float, beta_2: float, epsilon: float, warmup_steps: int
) -> optax.GradientTransformationExtraArgs:
    """Return the steps of schedule-free AdamW, learning rate included."""

    def init(params: Any) -> ScheduleFreeState:
        return ScheduleFreeState(params, optax.tree.zeros_like(params))

    def update(
        gradients: Any, state: ScheduleFreeState, params: Any = None, *, learning_rate: Any, iterations: Any, **_: Any
    ) -> tuple[Any, ScheduleFreeState]:
        count = (iterations + 1).astype(float)
        rate = learning_rate * jnp.minimum(count / warmup_steps, 1) if warmup_steps > 0 else learning_rate
        velocity = moving_average(state.velocity, jax.tree.map(jnp.square, gradients), beta_2)

        def step(g: Any, y: Any, z: Any, v: Any) -> tuple[Any, Any]:
            share, correction, current_rate = (x.astype(y.dtype) for x in (1 / count, 1 - beta_2**count, rate))
            new = z - current_rate * g / (jnp.sqrt(v / correction) + epsilon)
            mean = (y - (1 - beta_1) * z) / beta_1
            mean = (1 - share) * mean + share * new
            return (1 - beta_1) * new + beta_1 * mean - y, new

        steps, momentum = _unzip(2, step, gradients, _require(params), state.momentum, velocity)
        return steps, ScheduleFreeState(momentum, velocity)

    return optax.GradientTransformationExtraArgs(init, update)


def step_by_muon(
    momentum: float, nesterov: bool, coefficients: tuple[float, float, float], iterations: int, rms_rate: float | None
) -> optax.GradientTransformationExtraArgs:
    """Return the steps of Muon for matrices, learning rate included: orthogonalized momentum."""

    def init(params: Any) -> MomentumState:
        return MomentumState(optax.tree.zeros_like(params))

    def update(
        gradients: Any, state: MomentumState, params: Any = None, *, learning_rate: Any, **_: Any
    ) -> tuple[Any, MomentumState]:
        new_momentum = jax.tree.map(lambda m, g: m + (g + m * (momentum - 1)), state.momentum, gradients)
        directions = new_momentum
        if nesterov:
            directions = jax.tree.map(lambda m, g: g + momentum * m, new_momentum, gradients)

        def step(m: Any) -> Any:
            scale = 1 if rms_rate is None else rms_rate * max(m.shape) ** 0.5
            return -(learning_rate * scale).astype(m.dtype) * orthogonalize(m, coefficients, iterations)

        return jax.tree.map(step, directions), MomentumState(new_momentum)

    return optax.GradientTransformationExtraArgs(init, update)


def orthogonalize(matrix: jax.Array, coefficients: tuple[float, float, float], iterations: int) -> jax.Array:
    """Bring the singular values of a matrix near 1, by Newton-Schulz iteration."""
    a, b, c = coefficients
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (jnp.linalg.norm(x) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def by_kind(kinds: dict[str, Any], kind_of: Callable[[str, Any], str]) -> optax.GradientTransformationExtraArgs:
    """Return a transformation that applies another transformation to each kind of parameter.

    Args:
        kinds: a transformation for each kind.
        kind_of: a function from the path of a parameter and the parameter to its kind.
    """

    def labels(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(lambda keys, p: kind_of(_paths.path_of(keys), p), params)

    return optax.partition(kinds, labels)


def _root_mean_square(x: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.mean(jnp.square(x)))


def _require(params: Any) -> Any:
    """Return the parameters; raise a ValueError if they are None."""
    if params is None:
        raise ValueError("This optimizer needs the parameters: call update(gradients, state, params).")
    return params


def _unzip(number: int, function: Callable[..., Any], tree: Any, *rest: Any) -> tuple[Any, ...]:
    """Map a function that returns several values over the leaves of trees; return a tree for each of these values."""
    results = jax.tree.map(function, tree, *rest)
    return jax.tree.transpose(jax.tree.structure(tree), jax.tree.structure((0,) * number), results)
