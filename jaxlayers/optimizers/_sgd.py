"""Stochastic gradient descent, with or without momentum."""

from __future__ import annotations

from typing import Any, ClassVar

from jaxlayers.optimizers._checks import check_between
from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.optimizers._steps import Transformation, with_constructor


@with_constructor
class SGD(Optimizer):
    """Stochastic gradient descent: `w -= learning_rate * g`, with the gradient `g` of a parameter `w`.

    With momentum, `v = momentum * v - learning_rate * g` and `w += v`; with `nesterov`,
    `w += momentum * v - learning_rate * g` instead.

    Args:
        learning_rate: a number, a schedule, or a function (see `Optimizer`); 0.01 by default.
        momentum: the decay rate of the momentum, from 0 to 1; 0, the default, for none.
        nesterov: If True, use Nesterov momentum. False by default.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Raises:
        ValueError: if `momentum` is not between 0 and 1.

    Source: for Nesterov momentum in this form, Sutskever et al., On the importance of initialization and momentum in
    deep learning, ICML 2013.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import SGD
        >>> w, optimizer = Variable([1.0, 2.0]), SGD(0.5, momentum=0.9)
        >>> for _ in range(2):
        ...     optimizer.apply([w * 1.0], [w])
        >>> [round(float(x), 4) for x in w]
        [-0.2, -0.4]
    """

    slot_order = (("momentum",),)
    slot_names: ClassVar[dict[str, str]] = {"trace": "momentum"}

    learning_rate: Any = 0.01
    momentum: float = 0.0
    nesterov: bool = False
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
        check_between("momentum", self.momentum, 0, 1)
        super().__post_init__()

    def _direction(self) -> Transformation:
        import optax

        from jaxlayers.optimizers._transformations import scale_by_learning_rate

        descend = scale_by_learning_rate(-1)
        return optax.chain(descend, optax.trace(self.momentum, self.nesterov)) if self.momentum else descend
