"""Follow the regularized leader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxlayers.common.constructors import passes_on
from jaxlayers.optimizers._checks import check_between
from jaxlayers.optimizers._optimizer import Optimizer

if TYPE_CHECKING:
    import optax


class Ftrl(Optimizer):
    """Follow the regularized leader: sparse parameters by L1, for many features that are seldom seen.

    `n' = n + g**2`, `z += g + 2 l2_shrinkage w - (n'**-p - n**-p) / learning_rate * w`, and then
    `w = (clip(z, -l1, l1) - z) / (n'**-p / learning_rate + 2 l2 + beta / learning_rate)`, with `p` the power.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        learning_rate_power: how the steps shrink with the sum of squares; 0 for steps that do not; not positive.
        initial_accumulator_value: what `n` starts from; not negative.
        l1_regularization_strength: L1 penalty; not negative.
        l2_regularization_strength: L2 penalty; not negative.
        l2_shrinkage_regularization_strength: L2 penalty that is not kept in `n`; not negative.
        beta: a further addition to the divisor.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Raises:
        ValueError: when one of these is out of range.

    Source: McMahan et al., Ad Click Prediction, KDD 2013.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import Ftrl
        >>> w, optimizer = Variable([1.0, -2.0]), Ftrl(0.5, l1_regularization_strength=1.5)
        >>> optimizer.apply([w * 1.0], [w])
        >>> [round(float(x), 4) for x in w]
        [0.0, -0.8234]
    """

    slot_order = (("accumulator", "linear"),)

    @passes_on
    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
    ):
        infinity = float("inf")
        check_between("learning_rate_power", learning_rate_power, -infinity, 0)
        check_between("initial_accumulator_value", initial_accumulator_value, 0, infinity)
        check_between("l1_regularization_strength", l1_regularization_strength, 0, infinity)
        check_between("l2_regularization_strength", l2_regularization_strength, 0, infinity)
        check_between("l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength, 0, infinity)
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta

    def _direction(self) -> optax.GradientTransformationExtraArgs:
        from jaxlayers.optimizers._directions import step_by_ftrl

        return step_by_ftrl(
            self.learning_rate_power,
            self.initial_accumulator_value,
            self.l1_regularization_strength,
            self.l2_regularization_strength,
            self.l2_shrinkage_regularization_strength,
            self.beta,
        )
