"""RMSprop: steps divided by the root of the moving average of squared gradients."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.optimizers._slots import moving_average
from jaxlayers.optimizers._steps import Step, Transformation, with_constructor


@with_constructor
class RMSprop(Optimizer):
    """RMSprop: steps divided by the root of the moving average of squared gradients.

    For the gradient `g` of a parameter `w`: `v = rho * v + (1 - rho) * g**2` and
    `w -= learning_rate * g / sqrt(v + epsilon)`. With `centered`, the divisor is the standard deviation
    `sqrt(v - a**2 + epsilon)`, where `a` is the moving average of `g`. With momentum,
    `m = momentum * m + learning_rate * g / sqrt(...)` and `w -= m`.

    Args:
        learning_rate: a number, a schedule, or a function (see `Optimizer`); 0.001 by default.
        rho: the decay rate of the moving averages; 0.9 by default.
        momentum: the decay rate of the momentum; 0, the default, for none.
        epsilon: added under the root; 1e-7 by default.
        centered: If True, divide by the standard deviation of the gradient, not its root mean square. False by default.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Source: Hinton, Neural Networks for Machine Learning, lecture 6e, 2012; centered, Graves, arXiv:1308.0850.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import RMSprop
        >>> w, optimizer = Variable([1.0]), RMSprop(0.1)
        >>> optimizer.apply([w * 1.0], [w])
        >>> round(float(w[0]), 4)
        0.6838
    """

    slot_order = (("velocity",), ("momentum",), ("average_gradient",))
    _squares_gradients = True
    slot_names: ClassVar[dict[str, str]] = {"nu": "velocity", "trace": "momentum"}

    learning_rate: Any = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False
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

        from jaxlayers.optimizers._transformations import scale_by_learning_rate, step_by_parameter

        if self.centered:
            normalize: Any = step_by_parameter(["velocity", "average_gradient"], self._make_step)
        else:
            normalize = optax.scale_by_rms(self.rho, self.epsilon)
        momentum = optax.trace(self.momentum) if self.momentum else optax.identity()
        return optax.chain(normalize, scale_by_learning_rate(1), momentum, optax.scale(-1))

    def _make_step(self, learning_rate: Any, count: Any) -> Step:
        """Return the step of `optax.scale_by_stddev`, in which rounding does not make the variance negative."""

        def step(g: Any, w: Any, v: Any, mean: Any) -> tuple[Any, ...]:
            v, mean = moving_average(v, jnp.square(g), self.rho), moving_average(mean, g, self.rho)
            variance = jnp.maximum(v - jnp.square(mean), 0)
            return g * jax.lax.rsqrt(variance + self.epsilon), v, mean

        return step
