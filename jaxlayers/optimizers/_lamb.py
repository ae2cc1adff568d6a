"""LAMB: Adam with steps in proportion to the norm of each parameter."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.optimizers._slots import moving_average
from jaxlayers.optimizers._steps import Step, Transformation, with_constructor


@with_constructor
class Lamb(Optimizer):
    """LAMB: the steps of Adam, scaled to the norm of each parameter; for training with large batches.

    With `m`, `v` and `t` as in `Adam`, `s = m / (1 - beta_1**t) / (sqrt(v / (1 - beta_2**t)) + epsilon)` and
    `w -= learning_rate * norm(w) / norm(s) * s`. If one of the norms is 0, their ratio is replaced by 1.

    Args:
        learning_rate: a number, a schedule, or a function (see `Optimizer`); 0.001 by default.
        beta_1: the decay rate of the moving average of the gradient; 0.9 by default.
        beta_2: the decay rate of the moving average of the squared gradient; 0.999 by default.
        epsilon: added to the divisor; 1e-7 by default.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Source: You et al., Large Batch Optimization for Deep Learning: Training BERT in 76 minutes, arXiv:1904.00962.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import Lamb
        >>> w, optimizer = Variable([1.0, -2.0]), Lamb(0.1)
        >>> optimizer.apply([w * 1.0], [w])
        >>> [round(float(x), 4) for x in w]
        [0.8419, -1.8419]
    """

    slot_order = (("momentum", "velocity"),)
    _squares_gradients = True

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

    def _direction(self) -> Transformation:
        import optax

        from jaxlayers.optimizers._transformations import scale_by_learning_rate

        return optax.chain(super()._direction(), optax.scale_by_trust_ratio(), scale_by_learning_rate(-1))

    def _make_step(self, learning_rate: Any, count: Any) -> Step:
        """Return the step of `optax.scale_by_adam`, with the counter of the optimizer; without the learning rate."""

        def step(g: Any, w: Any, m: Any, v: Any) -> tuple[Any, ...]:
            m, v = moving_average(m, g, self.beta_1), moving_average(v, jnp.square(g), self.beta_2)
            first, second = ((1 - beta**count).astype(m.dtype) for beta in (self.beta_1, self.beta_2))
            return (m / first) / (jnp.sqrt(v / second) + self.epsilon), m, v

        return step
