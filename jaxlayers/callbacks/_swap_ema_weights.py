"""A callback that evaluates a model with the moving averages of its weights."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxlayers.callbacks._callback import Callback
from jaxlayers.callbacks._learning_rates import optimizers_of
from jaxlayers.common.array_like import unwrap
from jaxlayers.core.variable import Variable


class SwapEMAWeights(Callback):
    """A callback that replaces the weights by their moving averages during evaluation and prediction.

    The weights are restored afterwards, even if an error occurs or training ends early. (In Keras they are not restored
    after `predict`, and they overwrite the averages if `swap_on_epoch` is combined with early stopping.) Before the
    first update there are no averages, and nothing is replaced.

    Args:
        swap_on_epoch: If True, the averages also replace the weights at the end of each epoch, for callbacks later in
            the list, such as `ModelCheckpoint`. The model then keeps the averages when training ends. False by default.

    Raises:
        ValueError: during training, evaluation or prediction, if the optimizer was not created with `use_ema=True`.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile(jl.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
        >>> data = (np.ones((4, 2)), np.ones((4, 1)))
        >>> _ = model.fit(*data, validation_data=data, verbose=0, callbacks=[jl.callbacks.SwapEMAWeights()])
    """

    def __init__(self, swap_on_epoch: bool = False):
        self.swap_on_epoch = swap_on_epoch
        self._weights: list[tuple[Variable, Any]] = []  # the variables that hold averages, with their weights

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Restore the weights."""
        self._swap_out()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Replace the weights by the averages, if `swap_on_epoch` is True."""
        if self.swap_on_epoch:
            self._swap_in()

    def on_train_end(self, logs: Any = None) -> None:
        """Keep the averages in the model, if they have replaced the weights."""
        self._weights = []

    def on_test_begin(self, logs: Any = None) -> None:
        """Replace the weights by the averages."""
        self._swap_in()

    def on_test_end(self, logs: Any = None) -> None:
        """Restore the weights."""
        self._swap_out()

    on_predict_begin, on_predict_end = on_test_begin, on_test_end

    def close(self) -> None:
        """Restore the weights after an error."""
        self._swap_out()

    # Hooks do not call each other: a subclass may override one of them.

    def get_state(self) -> dict[str, Any]:
        """Return the weights that averages have replaced."""
        return {"weights": [value for _, value in self._weights]}

    def set_state(self, state: dict[str, Any]) -> None:
        """Remember the weights that averages have replaced."""
        pairs = self._averages() if state["weights"] else []
        self._weights = [(pair[0], jnp.asarray(value)) for pair, value in zip(pairs, state["weights"], strict=True)]

    def _swap_in(self) -> None:
        if self._weights:
            return
        pairs = self._averages()
        self._weights = [(variable, unwrap(variable)) for variable, _ in pairs]
        for variable, average in pairs:
            variable.assign(jnp.copy(unwrap(average)))  # a copy: an array of two variables cannot be donated

    def _averages(self) -> list[tuple[Variable, Variable]]:
        """Return the variables that have averages, each with its average."""
        optimizers = [inner for _, inner in optimizers_of(self.model) if getattr(inner, "use_ema", False)]
        if not optimizers:
            raise ValueError("SwapEMAWeights needs an optimizer with moving averages: create it with use_ema=True.")
        # Before the first update of an optimizer its averages are zero.
        updated = [optimizer for optimizer in optimizers if int(np.asarray(optimizer.iterations)) > 0]
        return [pair for optimizer in updated for pair in optimizer.moving_averages]

    def _swap_out(self) -> None:
        for variable, value in self._weights:
            variable.assign(value)
        self._weights = []
