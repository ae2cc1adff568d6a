"""Evaluating with the moving averages of the weights, training on with the weights themselves."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxlayers.callbacks._callback import Callback
from jaxlayers.callbacks._learning_rates import optimizers_of
from jaxlayers.core.scope import unwrap
from jaxlayers.core.variable import Variable


class SwapEMAWeights(Callback):
    """Puts the optimizer's moving averages in the place of the weights while the model is evaluated or predicts.

    The weights come back afterwards, also when something fails, and when the training ends early (in Keras they stay
    away after `predict`, and take the place of the averages when `swap_on_epoch` meets early stopping). Before the
    first update there are no averages, and nothing is swapped.

    Args:
        swap_on_epoch: whether the averages also stand in between epochs, for callbacks further down the list, such as
            `ModelCheckpoint`. The model then keeps them when the training ends.

    Raises:
        ValueError: when the optimizer was not made with `use_ema=True`.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile(jl.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
        >>> data = (np.ones((4, 2)), np.ones((4, 1)))
        >>> _ = model.fit(*data, validation_data=data, verbose=0, callbacks=[jl.callbacks.SwapEMAWeights()])
    """

    def __init__(self, swap_on_epoch: bool = False):
        self.swap_on_epoch = swap_on_epoch
        self._kept: list[tuple[Variable, Any]] = []  # the weights that have averages in their places

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Take the averages out."""
        self._swap_out()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Put the averages in, when they are to be there between epochs."""
        if self.swap_on_epoch:
            self._swap_in()

    def on_train_end(self, logs: Any = None) -> None:
        """Leave the averages where they are."""
        self._kept = []

    def on_test_begin(self, logs: Any = None) -> None:
        """Put the averages in."""
        self._swap_in()

    def on_test_end(self, logs: Any = None) -> None:
        """Take the averages out."""
        self._swap_out()

    def on_predict_begin(self, logs: Any = None) -> None:
        """Put the averages in."""
        self._swap_in()

    def on_predict_end(self, logs: Any = None) -> None:
        """Take the averages out."""
        self._swap_out()

    def close(self) -> None:
        """Take the averages out, when something failed while they were in."""
        self._swap_out()

    def _swap_in(self) -> None:
        if self._kept:
            return
        optimizers = [one for _, one in optimizers_of(self.model) if getattr(one, "use_ema", False)]
        if not optimizers:
            raise ValueError("SwapEMAWeights needs an optimizer that keeps averages: make it with use_ema=True.")
        updated = [one for one in optimizers if int(np.asarray(one.iterations)) > 0]  # until then averages are zero
        pairs = [pair for optimizer in updated for pair in optimizer.moving_averages]
        self._kept = [(variable, unwrap(variable)) for variable, _ in pairs]
        for variable, average in pairs:
            variable.assign(jnp.copy(unwrap(average)))  # one array in two places could not be overwritten in a step

    def _swap_out(self) -> None:
        for variable, value in self._kept:
            variable.assign(value)
        self._kept = []
