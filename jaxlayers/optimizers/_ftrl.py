"""Follow the regularized leader."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxlayers.optimizers._checks import check_between
from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.optimizers._steps import Step, with_constructor


@with_constructor
class Ftrl(Optimizer):
    """FTRL: follow the regularized leader, for sparse parameters and many rarely occurring features.

    For the gradient `g` of a parameter `w`: `n' = n + g**2`,
    `z += g + 2 l2_shrinkage w - (n'**-p - n**-p) / learning_rate * w` and
    `w = (clip(z, -l1, l1) - z) / (n'**-p / learning_rate + 2 l2 + beta / learning_rate)`, with `p` the
    `learning_rate_power` and `l1`, `l2`, `l2_shrinkage` the regularization strengths.

    Args:
        learning_rate: a number, a schedule, or a function (see `Optimizer`); 0.001 by default.
        learning_rate_power: the exponent `p`, at most 0; -0.5 by default. With 0, the steps do not shrink.
        initial_accumulator_value: the initial value of `n`, at least 0; 0.1 by default.
        l1_regularization_strength: the strength of the L1 penalty, at least 0; 0 by default.
        l2_regularization_strength: the strength of the L2 penalty, at least 0; 0 by default.
        l2_shrinkage_regularization_strength: the strength of an L2 penalty that is added to the gradient in `z` but not
            to `n`, at least 0; 0 by default.
        beta: a constant in the divisor; 0 by default.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Raises:
        ValueError: if one of these arguments is out of range.

    Source: McMahan et al., Ad Click Prediction: a View from the Trenches, KDD 2013.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import Ftrl
        >>> w, optimizer = Variable([1.0, -2.0]), Ftrl(0.5, l1_regularization_strength=1.5)
        >>> optimizer.apply([w * 1.0], [w])
        >>> [round(float(x), 4) for x in w]
        [0.0, -0.8234]
    """

    slot_order = (("accumulator", "linear"),)
    _squares_gradients = True
    _needs_parameters = True

    learning_rate: Any = 0.001
    learning_rate_power: float = -0.5
    initial_accumulator_value: float = 0.1
    l1_regularization_strength: float = 0.0
    l2_regularization_strength: float = 0.0
    l2_shrinkage_regularization_strength: float = 0.0
    beta: float = 0.0
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
        infinity = float("inf")
        check_between("learning_rate_power", self.learning_rate_power, -infinity, 0)
        check_between("initial_accumulator_value", self.initial_accumulator_value, 0, infinity)
        check_between("l1_regularization_strength", self.l1_regularization_strength, 0, infinity)
        check_between("l2_regularization_strength", self.l2_regularization_strength, 0, infinity)
        check_between("l2_shrinkage_regularization_strength", self.l2_shrinkage_regularization_strength, 0, infinity)
        super().__post_init__()

    def _initial_slots(self, parameter: Any) -> dict[str, Any]:
        return {"accumulator": jnp.full_like(parameter, self.initial_accumulator_value)}

    def _make_step(self, learning_rate: Any, count: Any) -> Step:
        l1, power = self.l1_regularization_strength, self.learning_rate_power

        def step(g: Any, w: Any, n: Any, z: Any) -> tuple[Any, ...]:
            rate = learning_rate.astype(w.dtype)
            new_n = n + jnp.square(g)
            shrinkage = 2 * self.l2_shrinkage_regularization_strength * w
            z = z + g + shrinkage - (new_n**-power - n**-power) / rate * w
            curvature = new_n**-power / rate + 2 * (self.l2_regularization_strength + self.beta / (2 * rate))
            # Without any gradient so far, and without beta and l2, every value is a minimum: keep the parameter.
            is_flat = curvature == 0
            best = jnp.where(is_flat, w, (jnp.clip(z, -l1, l1) - z) / jnp.where(is_flat, 1, curvature))
            return best - w, new_n, z

        return step
