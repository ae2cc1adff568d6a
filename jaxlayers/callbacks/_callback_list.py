"""Several callbacks told as one.

Which callback has which hook is found out once. A hook that none has is None (see `hook`), so that a loop need not call
anything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from jaxlayers.callbacks._callback import ALIASES, HOOKS, Callback
from jaxlayers.callbacks._history import History
from jaxlayers.callbacks._progbar_logger import ProgbarLogger


class CallbackList(Callback):
    """Tells several callbacks, each hook in their order; for loops of one's own too.

    Args:
        callbacks: a callback, or a list of them, which may be nested.
        add_history: whether to add a `History` when there is none, and to set `model.history` to it.
        add_progbar: whether to add a `ProgbarLogger` when there is none.
        model: what the callbacks are told to be their model.
        **params: what they are told as their `params`.

    Raises:
        TypeError: when something is not a callback.

    Example:
        >>> import jaxlayers as jl
        >>> saying = jl.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs))
        >>> callbacks = jl.callbacks.CallbackList([saying], epochs=1, steps=None, verbose=0)
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
        self.callbacks = list(_flat(callbacks))
        for callback in self.callbacks:
            if isinstance(callback, type) or not hasattr(callback, "set_model"):
                what = f"the class {callback.__name__}" if isinstance(callback, type) else type(callback).__name__
                raise TypeError(f"callbacks must be callback objects, such as EarlyStopping(); received {what}.")
        self._adds_history = add_history
        if add_history and not any(isinstance(callback, History) for callback in self.callbacks):
            self.callbacks.append(History())
        if add_progbar and not any(isinstance(callback, ProgbarLogger) for callback in self.callbacks):
            self.callbacks.append(ProgbarLogger())
        self._hooks = {name: _together(name, self._having(name)) for name in HOOKS}
        for name, function in self._hooks.items():
            setattr(self, name, function or _nothing)
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def _having(self, name: str) -> list[Callable[..., None]]:
        return [hook for callback in self.callbacks if (hook := _own_hook(callback, name)) is not None]

    def set_model(self, model: Any) -> None:
        """Tell every callback its model."""
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)
            if self._adds_history and isinstance(callback, History):
                model.history = callback

    def set_params(self, params: dict[str, Any]) -> None:
        """Tell every callback the parameters."""
        super().set_params(params)
        for callback in self.callbacks if params else ():
            callback.set_params(params)

    def hook(self, name: str) -> Callable[..., None] | None:
        """What calls a hook of all callbacks that have it; None when none has."""
        return self._hooks[name]

    def tell(self, name: str, *args: Any) -> None:
        """Call a hook of all callbacks that have it."""
        function = self._hooks[name]
        if function is not None:
            function(*args)

    def close(self) -> None:
        """Close every callback, whatever happens in others; call it in the `finally` of a loop.

        When a loop is already failing, what goes wrong here becomes a note on its error.
        """
        failing = sys.exception()
        for callback in reversed(self.callbacks):
            try:
                getattr(callback, "close", _nothing)()
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


def _flat(callbacks: Any) -> Iterator[Any]:
    if isinstance(callbacks, CallbackList):
        callbacks = callbacks.callbacks
    if isinstance(callbacks, list | tuple):
        for one in callbacks:
            yield from _flat(one)
    elif callbacks is not None:
        yield callbacks


def _own_hook(callback: Any, name: str) -> Callable[..., None] | None:
    """A callback's hook where it has one of its own, in its class or in itself."""
    for candidate in (name, ALIASES.get(name)):
        if candidate is None:
            continue
        default = getattr(Callback, candidate)
        if candidate in getattr(callback, "__dict__", ()) or getattr(type(callback), candidate, default) is not default:
            return getattr(callback, candidate)
    return None


def _together(name: str, hooks: list[Callable[..., None]]) -> Callable[..., None] | None:
    """One function for several; `logs` are always passed on, as a dict."""
    if not hooks:
        return None

    def tell(logs: Any = None) -> None:
        logs = {} if logs is None else logs
        for hook in hooks:
            hook(logs)

    def tell_number(number: int, logs: Any = None) -> None:
        logs = {} if logs is None else logs
        for hook in hooks:
            hook(number, logs)

    return tell_number if "epoch" in name or "batch" in name else tell


def _nothing(*args: Any, **kwargs: Any) -> None:
    """A hook that no callback has."""
