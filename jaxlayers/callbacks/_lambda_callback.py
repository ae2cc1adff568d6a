"""A callback made of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxlayers.callbacks._callback import ALIASES, HOOKS, Callback

_NAMES = (*HOOKS, *ALIASES.values(), "close")


class LambdaCallback(Callback):
    """A callback whose hooks are functions.

    Args:
        on_epoch_begin: called with `epoch, logs` before each epoch; None, the default of all hooks, for no call.
        on_epoch_end: called with `epoch, logs` after each epoch.
        on_train_begin: called with `logs` before the first epoch.
        on_train_end: called with `logs` after the last epoch.
        on_train_batch_begin: called with `batch, logs` before each batch.
        on_train_batch_end: called with `batch, logs` after each batch.
        **kwargs: any other hook of `Callback`, or a method of the user's own, by its name.

    Raises:
        TypeError: if a name in `kwargs` begins with `on_` and is not that of a hook.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> printer = jl.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: print("epoch", epoch))
        >>> _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=[printer])
        epoch 0
        epoch 1
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Callable[..., Any] | None,
    ):
        unknown = [name for name in kwargs if name.startswith("on_") and name not in _NAMES]
        if unknown:
            raise TypeError(f"LambdaCallback has no hooks {unknown}; the hooks are {', '.join(_NAMES)}.")
        functions = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, function in functions.items():
            if function is not None:
                setattr(self, name, function)
