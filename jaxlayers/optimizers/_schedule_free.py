"""Schedule-free AdamW: averaging of the parameters in place of a learning-rate schedule."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.optimizers._slots import moving_average
from jaxlayers.optimizers._steps import Step, with_constructor


@with_constructor
class ScheduleFreeAdamW(Optimizer):
    """Schedule-free AdamW: AdamW with averaged parameters, which needs no decay of the learning rate.

    For update number `t` with the gradient `g` of a parameter `w`, and `v` as in `Adam`:
    `z -= learning_rate * g / (sqrt(v / (1 - beta_2**t)) + epsilon)`, `x += (z - x) / t` and
    `w = (1 - beta_1) * z + beta_1 * x`. The initial value of `z` and `x` is the parameter.

    Args:
        learning_rate: a number, a schedule, or a function (see `Optimizer`); 0.0025 by default.
        beta_1: the weight of the average `x` in the parameters, above 0 and at most 1; 0.9 by default.
        beta_2: the decay rate of the moving average of the squared gradient; 0.999 by default.
        epsilon: added to the divisor; 1e-8 by default.
        warmup_steps: the number of updates in which the learning rate grows linearly to its full value; 0 by default.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Raises:
        ValueError: if `beta_1` is out of range.

    Source: Defazio et al., The Road Less Scheduled, arXiv:2405.15682.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import ScheduleFreeAdamW
        >>> w, optimizer = Variable([1.0, -2.0]), ScheduleFreeAdamW(0.1)
        >>> optimizer.apply([w * 1.0], [w])
        >>> [round(float(x), 4) for x in w]
        [0.9, -1.9]
    """

    slot_order = (("momentum", "velocity"),)
    _squares_gradients = True
    _needs_parameters = True

    learning_rate: Any = 0.0025
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    warmup_steps: int = 0
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

    def __post_init__(self) -> None:
        if not 0 < self.beta_1 <= 1:
            raise ValueError(f"beta_1 must be above 0 and at most 1; received {self.beta_1}.")
        super().__post_init__()

    def _initial_slots(self, parameter: Any) -> dict[str, Any]:
        return {"momentum": parameter}

    def _make_step(self, learning_rate: Any, count: Any) -> Step:
        warmup = jnp.minimum(count / self.warmup_steps, 1) if self.warmup_steps > 0 else 1
        scalars = (1 / count, 1 - self.beta_2**count, learning_rate * warmup)

        def step(g: Any, y: Any, z: Any, v: Any) -> tuple[Any, ...]:
            share, correction, rate = (scalar.astype(y.dtype) for scalar in scalars)
            v = moving_average(v, jnp.square(g), self.beta_2)
            new_z = z - rate * g / (jnp.sqrt(v / correction) + self.epsilon)
            x = (y - (1 - self.beta_1) * z) / self.beta_1
            x = (1 - share) * x + share * new_z
            return (1 - self.beta_1) * new_z + self.beta_1 * x - y, new_z, v

        return step
