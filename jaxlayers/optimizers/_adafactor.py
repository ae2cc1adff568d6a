"""Adafactor: adaptive steps with sublinear memory."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.optimizers._steps import Step, with_constructor


@with_constructor
class Adafactor(Optimizer):
    """Adafactor: Adam without momentum, with factored second moments and steps relative to the parameters.

    For update number `t` with the gradient `g` of a parameter `w`, let `b = 1 - t**beta_2_decay` and
    `q = g**2 + epsilon_1`. For a matrix, `r` and `c` are the moving averages, with the decay rate `b`, of the means of
    `q` over columns and over rows, and `v = outer(r, c) / mean(r)`. For a vector, `v = b * v + (1 - b) * q`. The
    direction `u = g / sqrt(v)` is divided by `max(1, rms(u) / clip_threshold)`, with `rms` the root mean square. Then
    `w -= min(learning_rate, 1 / sqrt(t)) * max(epsilon_2, rms(w)) * u`.

    Args:
        learning_rate: a number, a schedule, or a function (see `Optimizer`): the largest relative step; 0.001 by
            default.
        beta_2_decay: the exponent of the decay rate, negative; -0.8 by default.
        epsilon_1: added to squared gradients; 1e-30 by default.
        epsilon_2: the least root mean square of a parameter that a step is relative to; 1e-3 by default.
        clip_threshold: the largest root mean square of `u`; 1.0 by default.
        relative_step: stored in the config only. As in Keras, the step is at most `1 / sqrt(t)` in any case.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Source: Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, arXiv:1804.04235.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import Adafactor
        >>> w, optimizer = Variable([1.0, -2.0]), Adafactor(0.5)
        >>> optimizer.apply([w * 1.0], [w])
        >>> [round(float(x), 4) for x in w]
        [0.2094, -1.2094]
    """

    slot_order = (("r", "c", "velocity"),)
    _squares_gradients = True
    _needs_parameters = True

    learning_rate: Any = 0.001
    beta_2_decay: float = -0.8
    epsilon_1: float = 1e-30
    epsilon_2: float = 1e-3
    clip_threshold: float = 1.0
    relative_step: bool = True
    weight_decay: float | None = None
    clipnorm: float | None = None
    clipvalue: float | None = None
    global_clipnorm: float | None = None
    use_ema: bool = False
    ema_momentum: float = 0.99
    ema_overwrite_frequency: int | None = None
    loss_scale_factor: float | None = None
    gradient_accumulation_steps: int | None = None
    name: str | None = None

    def _initial_slots(self, parameter: Any) -> dict[str, Any]:
        if parameter.ndim > 1:
            return {"r": jnp.zeros_like(parameter[..., 0]), "c": jnp.zeros_like(parameter[..., 0, :])}
        # As in Keras's files, parameters without rows and columns have scalar zeros in their place.
        return {"r": jnp.zeros((), "int32"), "c": jnp.zeros((), "int32")}

    def _make_step(self, learning_rate: Any, count: Any) -> Step:
        rate = jnp.minimum(learning_rate, jax.lax.rsqrt(count))
        decay = 1 - count**self.beta_2_decay

        def step(g: Any, w: Any, r: Any, c: Any, v: Any) -> tuple[Any, ...]:
            square = jnp.square(g) + self.epsilon_1
            weight = decay.astype(g.dtype)
            if w.ndim > 1:
                r = weight * r + (1 - weight) * jnp.mean(square, axis=-1)
                c = weight * c + (1 - weight) * jnp.mean(square, axis=-2)
                v = (r / jnp.mean(r, axis=-1, keepdims=True))[..., None] * c[..., None, :]
            else:
                v = weight * v + (1 - weight) * square
            direction = g / jnp.sqrt(v)
            direction = direction / jnp.maximum(1, _root_mean_square(direction) / self.clip_threshold)
            size = jnp.maximum(self.epsilon_2, _root_mean_square(w))
            return -(size * rate.astype(w.dtype)) * direction, r, c, v

        return step


def _root_mean_square(x: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.mean(jnp.square(x)))
