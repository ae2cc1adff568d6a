"""Adafactor: adaptive steps with sublinear memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxlayers.common.constructors import passes_on
from jaxlayers.optimizers._optimizer import Optimizer

if TYPE_CHECKING:
    import optax


class Adafactor(Optimizer):
    """Adafactor: Adam without momentum, with factored second moments and steps relative to the parameters.

    For update number `t` with the gradient `g` of a parameter `w`, let `b = 1 - t**beta_2_decay` and
    `q = g**2 + epsilon_1`. For a matrix, `r` and `c` are the moving averages, with the decay rate `b`, of the means of
    `q` over columns and over rows, and `v = outer(r, c) / mean(r)`. For a vector, `v = b * v + (1 - b) * q`. The
    direction `u = g / sqrt(v)` is divided by `max(1, rms(u) / clip_threshold)`, with `rms` the root mean square. Then
    `w -= min(learning_rate, 1 / sqrt(t)) * max(epsilon_2, rms(w)) * u`.

    Args:
        learning_rate: a number, a schedule, or a function without arguments: the largest relative step; 0.001 by
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

    @passes_on
    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
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
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step

    def _direction(self) -> optax.GradientTransformationExtraArgs:
        from jaxlayers.optimizers._directions import step_by_adafactor

        return step_by_adafactor(self.beta_2_decay, self.epsilon_1, self.epsilon_2, self.clip_threshold)
