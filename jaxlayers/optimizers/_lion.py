"""Lion: steps in the direction of the sign of the momentum."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.optimizers._slots import moving_average
from jaxlayers.optimizers._steps import Step, with_constructor


@with_constructor
class Lion(Optimizer):
    """Lion: `w -= learning_rate * sign(beta_1 * m + (1 - beta_1) * g)`, a step of the same size for all elements.

    `g` is the gradient of a parameter `w`. After the step, the momentum is updated:
    `m = beta_2 * m + (1 - beta_2) * g`. The paper recommends a learning rate that is three to ten times smaller than
    for `AdamW`, with a weight decay that is larger by the same factor.

    Args:
        learning_rate: a number, a schedule, or a function (see `Optimizer`); 0.001 by default.
        beta_1: the weight of the momentum in a step, above 0 and at most 1; 0.9 by default.
        beta_2: the decay rate of the momentum; 0.99 by default.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Raises:
        ValueError: if `beta_1` is out of range.

    Source: Chen et al., Symbolic Discovery of Optimization Algorithms, arXiv:2302.06675.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import Lion
        >>> w, optimizer = Variable([1.0, -2.0]), Lion(0.1)
        >>> optimizer.apply([w * 1.0], [w])
        >>> [round(float(x), 4) for x in w]
        [0.9, -1.9]
    """

    slot_order = (("momentum",),)

    learning_rate: Any = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.99
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

    def _make_step(self, learning_rate: Any, count: Any) -> Step:
        def step(g: Any, w: Any, m: Any) -> tuple[Any, ...]:
            sign = jnp.sign(self.beta_1 * m + (1 - self.beta_1) * g)
            return -learning_rate.astype(g.dtype) * sign, moving_average(m, g, self.beta_2)

        return step
