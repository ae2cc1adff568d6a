"""Adamax: Adam with the infinity norm."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.optimizers._slots import moving_average
from jaxlayers.optimizers._steps import Step, with_constructor


@with_constructor
class Adamax(Optimizer):
    """Adamax: Adam with a decaying maximum of the gradient in place of its root mean square.

    For update number `t` with the gradient `g` of a parameter `w`: `m += (1 - beta_1) * (g - m)`,
    `u = max(beta_2 * u, |g|)` and `w -= learning_rate / (1 - beta_1**t) * m / (u + epsilon)`.

    Args:
        learning_rate: a number, a schedule, or a function (see `Optimizer`); 0.001 by default.
        beta_1: the decay rate of the moving average of the gradient; 0.9 by default.
        beta_2: the decay rate of the maximum `u`; 0.999 by default.
        epsilon: added to the divisor; 1e-7 by default.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, arXiv:1412.6980, section 7.1.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import Adamax
        >>> w, optimizer = Variable([1.0, -2.0]), Adamax(0.1)
        >>> optimizer.apply([w * 1.0], [w])
        >>> [round(float(x), 4) for x in w]
        [0.9, -1.9]
    """

    slot_order = (("momentum", "norm"),)

    learning_rate: Any = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
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

    def _make_step(self, learning_rate: Any, count: Any) -> Step:
        rate = learning_rate / (1 - self.beta_1**count)

        def step(g: Any, w: Any, m: Any, u: Any) -> tuple[Any, ...]:
            m, u = moving_average(m, g, self.beta_1), jnp.maximum(self.beta_2 * u, jnp.abs(g))
            return -(m * rate.astype(m.dtype)) / (u + self.epsilon), m, u

        return step
