"""Adam, AdamW and Nadam: momentum, divided by the root of the moving average of squared gradients."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxlayers.common.constructors import passes_on
from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.optimizers._slots import moving_average
from jaxlayers.optimizers._steps import Step, Transformation, with_constructor


@with_constructor
class Adam(Optimizer):
    """Adam: adaptive moment estimation.

    For update number `t` with the gradient `g` of a parameter `w`: `m += (1 - beta_1) * (g - m)`,
    `v += (1 - beta_2) * (g**2 - v)` and
    `w -= learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)`.

    Args:
        learning_rate: a number, a schedule, or a function (see `Optimizer`); 0.001 by default.
        beta_1: the decay rate of the moving average of the gradient; 0.9 by default.
        beta_2: the decay rate of the moving average of the squared gradient; 0.999 by default.
        epsilon: added to the divisor, the "epsilon hat" of the paper's section 2; 1e-7 by default.
        amsgrad: If True, the largest `v` so far takes the place of `v` in the divisor (AMSGrad). False by default.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    The factor that depends on `t` is computed in float32 even if the parameters are bfloat16 or float16: in half
    precision, `beta_2` rounds to 1 and the factor to 0.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, arXiv:1412.6980; for AMSGrad, Reddi et al., On
    the Convergence of Adam and Beyond, arXiv:1904.09237.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import Adam
        >>> w, optimizer = Variable([1.0, -2.0]), Adam(0.1)
        >>> optimizer.apply([w * 1.0], [w])
        >>> [round(float(x), 4) for x in w]
        [0.9, -1.9]
    """

    slot_order = (("momentum", "velocity"), ("velocity_hat",))
    _squares_gradients = True

    learning_rate: Any = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False
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
        return {} if self.amsgrad else {"velocity_hat": None}

    def _make_step(self, learning_rate: Any, count: Any) -> Step:
        return make_adam_step(learning_rate, count, self.beta_1, self.beta_2, self.epsilon)


def make_adam_step(learning_rate: Any, count: Any, beta_1: float, beta_2: float, epsilon: float) -> Step:
    """Return the step of Adam for one parameter; with AMSGrad if the parameter has the slot of the largest `v`."""
    rate = learning_rate * jnp.sqrt(1 - beta_2**count) / (1 - beta_1**count)

    def step(g: Any, w: Any, m: Any, v: Any, largest: Any = None) -> tuple[Any, ...]:
        m, v = moving_average(m, g, beta_1), moving_average(v, jnp.square(g), beta_2)
        largest = None if largest is None else jnp.maximum(largest, v)
        return -(m * rate.astype(m.dtype)) / (jnp.sqrt(v if largest is None else largest) + epsilon), m, v, largest

    return step


class AdamW(Adam):
    """AdamW: Adam with decoupled weight decay, `w -= learning_rate * weight_decay * w` before each step of Adam.

    Args:
        learning_rate: a number, a schedule, or a function (see `Optimizer`); 0.001 by default.
        weight_decay: the rate of the decay; 0.004 by default.
        beta_1, beta_2, epsilon, amsgrad: see `Adam`.
        clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor,
            gradient_accumulation_steps, name: see `Optimizer`.

    Raises:
        ValueError: if `weight_decay` is None.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, arXiv:1711.05101.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import AdamW
        >>> w, optimizer = Variable([1.0, -2.0]), AdamW(0.1, weight_decay=0.5)
        >>> optimizer.apply([w * 1.0], [w])
        >>> [round(float(x), 4) for x in w]
        [0.85, -1.8]
    """

    @passes_on
    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
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
        if weight_decay is None:
            raise ValueError("AdamW's weight_decay must be a number; received None. Adam does without.")


@with_constructor
class Nadam(Optimizer):
    """Nadam: Adam with Nesterov momentum, under a schedule that increases the momentum.

    For update number `t` with the gradient `g` of a parameter `w`, let `u_t = beta_1 * (1 - 0.96**t / 2)`,
    `U_t = u_1 * ... * u_t`, and `m` and `v` as in `Adam`. Then
    `w -= learning_rate * m_hat / (sqrt(v / (1 - beta_2**t)) + epsilon)`, where
    `m_hat = u_{t+1} * m / (1 - U_{t+1}) + (1 - u_t) * g / (1 - U_t)`.

    Args:
        learning_rate: a number, a schedule, or a function (see `Optimizer`); 0.001 by default.
        beta_1: the limit of the momentum schedule `u_t`, and the decay rate of `m`; 0.9 by default.
        beta_2: the decay rate of the moving average of the squared gradient; 0.999 by default.
        epsilon: added to the divisor; 1e-7 by default.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Source: Dozat, Incorporating Nesterov Momentum into Adam, ICLR workshop, 2016.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import Nadam
        >>> w, optimizer = Variable([1.0]), Nadam(0.1)
        >>> optimizer.apply([w * 1.0], [w])
        >>> round(float(w[0]), 4)
        0.8937
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
        from jaxlayers.optimizers._transformations import step_by_nadam

        return step_by_nadam(self.beta_1, self.beta_2, self.epsilon)
