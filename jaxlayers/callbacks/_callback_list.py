"""A list of callbacks that is itself a callback.

The list determines once which callback overrides which hook. A hook that no callback overrides is None (see `hook`), so
that a loop can skip the call.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

from jaxlayers.callbacks._callback import ALIASES, HOOKS, Callback
from jaxlayers.callbacks._history import History
from jaxlayers.callbacks._progbar_logger import ProgbarLogger


class CallbackList(Callback):
    """A callback that calls each hook of several callbacks in order; also for custom training loops.

    Args:
        callbacks: a callback, or a list of callbacks, which may be nested; None, the default, for none.
        add_history: If True, add a `History` if there is none, and set `model.history` to it. False by default.
        add_progbar: If True, add a `ProgbarLogger` if there is none. False by default.
        model: the model of the callbacks; None, the default, to leave it unset.
        **params: the `params` of the callbacks.

    Raises:
        TypeError: if something is not a callback.

    Example:
        >>> import jaxlayers as jl
        >>> printer = jl.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs))
        >>> callbacks = jl.callbacks.CallbackList([printer], epochs=1, steps=None, verbose=0)
        >>> callbacks.on_epoch_end(0, {"loss": 0.5})
        0 {'loss': 0.5}
        >>> print(callbacks.hook("on_train_batch_end"))
        None
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ):
        self.callbacks = list(_flatten(callbacks))
        for callback in self.callbacks:
            if isinstance(callback, type) or not hasattr(callback, "set_model"):
                received = f"the class {callback.__name__}" if isinstance(callback, type) else type(callback).__name__
                raise TypeError(f"callbacks must be callback objects, such as EarlyStopping(); received {received}.")
        self._adds_history = add_history
        if add_history and not any(isinstance(callback, History) for callback in self.callbacks):
            self.callbacks.append(History())
        if add_progbar and not any(isinstance(callback, ProgbarLogger) for callback in self.callbacks):
            self.callbacks.append(ProgbarLogger())
        self._hooks = {name: _combine(name, self.callbacks) for name in HOOKS}
        for name, function in self._hooks.items():
            setattr(self, name, function or _do_nothing)
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def set_model(self, model: Any) -> None:
        """Set the model of every callback."""
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)
            if self._adds_history and isinstance(callback, History):
                model.history = callback

    def set_params(self, params: dict[str, Any]) -> None:
        """Set the `params` of every callback."""
        super().set_params(params)
        for callback in self.callbacks if params else ():
            callback.set_params(params)

    def hook(self, name: str) -> Callable[..., None] | None:
        """Return a function that calls a hook of all callbacks that override it, or None if none does."""
        return self._hooks[name]

    def close(self) -> None:
        """Close every callback, even if closing another one fails; to be called in the `finally` clause of a loop.

        If the loop is already failing, errors raised here become notes on the error of the loop.
        """
        failing = sys.exception()
        for callback in reversed(self.callbacks):
            try:
                getattr(callback, "close", _do_nothing)()
            except Exception as error:
                if failing is None:
                    failing = error
                else:
                    failing.add_note(f"Closing {type(callback).__name__} failed as well: {error!r}")
        if failing is not None and failing is not sys.exception():
            try:
                raise failing
            finally:
                del failing  # its traceback refers to this frame, which would be a reference cycle


def _flatten(callbacks: Any) -> Iterator[Any]:
    if isinstance(callbacks, CallbackList):
        callbacks = callbacks.callbacks
    if isinstance(callbacks, list | tuple):
        for callback in callbacks:
            yield from _flatten(callback)
    elif callbacks is not None:
        yield callbacks


def _own_hook(callback: Any, name: str) -> Callable[..., None] | None:
    """Return a hook, or its alias, if the class of a callback or the callback itself overrides it; otherwise None."""
    for candidate in (name, ALIASES.get(name)):
        if candidate is None:
            continue
        default = getattr(Callback, candidate)
        if candidate in getattr(callback, "__dict__", ()) or getattr(type(callback), candidate, default) is not default:
            return getattr(callback, candidate)
    return None


def _combine(name: str, callbacks: list[Any]) -> Callable[..., None] | None:
    """Return a function that calls the hooks of all callbacks that override it, with a dict of `logs`; None if none."""
    hooks = [hook for callback in callbacks if (hook := _own_hook(callback, name)) is not None]
    if not hooks:
        return None

    return functools.partial(_call_with_number if "epoch" in name or "batch" in name else _call, hooks)


def _call(hooks: list[Callable[..., None]], logs: Any = None) -> None:
    logs = {} if logs is None else logs
    for hook in hooks:
        hook(logs)


def _call_with_number(hooks: list[Callable[..., None]], number: int, logs: Any = None) -> None:
    logs = {} if logs is None else logs
    for hook in hooks:
        hook(number, logs)


def _do_nothing(*args: Any, **kwargs: Any) -> None:
    """Do nothing: the hook that no callback overrides."""
