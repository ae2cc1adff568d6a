"""Adagrad and Adadelta: steps divided by the root of the sum, or the moving average, of squared gradients."""

from __future__ import annotations

from typing import Any, ClassVar

from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.optimizers._steps import Transformation, with_constructor


@with_constructor
class Adagrad(Optimizer):
    """Adagrad: steps divided by the root of the sum of all squared gradients.

    For the gradient `g` of a parameter `w`: `v += g**2` and `w -= learning_rate * g / sqrt(v + epsilon)`.

    Args:
        learning_rate: a number, a schedule, or a function (see `Optimizer`); 0.001 by default.
        initial_accumulator_value: the initial value of `v`; 0.1 by default.
        epsilon: added to `v` under the root; 1e-7 by default.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Source: Duchi et al., Adaptive Subgradient Methods for Online Learning and Stochastic Optimization, JMLR 12, 2011.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import Adagrad
        >>> w, optimizer = Variable([1.0, -2.0]), Adagrad(0.1)
        >>> optimizer.apply([w * 1.0], [w])
        >>> [round(float(x), 4) for x in w]
        [0.9047, -1.9012]
    """

    slot_order = (("accumulator",),)
    _squares_gradients = True
    slot_names: ClassVar[dict[str, str]] = {"sum_of_squares": "accumulator"}

    learning_rate: Any = 0.001
    initial_accumulator_value: float = 0.1
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

        return optax.chain(optax.scale_by_rss(self.initial_accumulator_value, self.epsilon), scale_by_learning_rate(-1))


@with_constructor
class Adadelta(Optimizer):
    """Adadelta: the gradient is divided by its recent size and multiplied by the recent size of the steps.

    For the gradient `g` of a parameter `w`: `a = rho * a + (1 - rho) * g**2`,
    `s = g * sqrt(d + epsilon) / sqrt(a + epsilon)`, `d = rho * d + (1 - rho) * s**2` and `w -= learning_rate * s`.

    Args:
        learning_rate: a number, a schedule, or a function (see `Optimizer`); 0.001 by default, 1 in the paper.
        rho: the decay rate of the moving averages `a` and `d`; 0.95 by default.
        epsilon: added under the roots; 1e-7 by default.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Source: Zeiler, ADADELTA: An Adaptive Learning Rate Method, arXiv:1212.5701.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import Adadelta
        >>> w, optimizer = Variable([1.0, -2.0]), Adadelta(1.0, epsilon=0.01)
        >>> optimizer.apply([w * 1.0], [w])
        >>> [round(float(x), 4) for x in w]
        [0.5918, -1.5636]
    """

    slot_order = (("accumulated_grad", "accumulated_delta_var"),)
    _squares_gradients = True
    slot_names: ClassVar[dict[str, str]] = {"e_g": "accumulated_grad", "e_x": "accumulated_delta_var"}

    learning_rate: Any = 0.001
    rho: float = 0.95
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

        return optax.chain(optax.scale_by_adadelta(self.rho, self.epsilon), scale_by_learning_rate(-1))
