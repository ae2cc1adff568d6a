"""What is told of the course of training, and may stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

_HOOKS = (
    *(f"on_{phase}_{end}" for phase in ("train", "test", "predict", "epoch") for end in ("begin", "end")),
    *(f"on_{phase}_batch_{end}" for phase in ("train", "test", "predict") for end in ("begin", "end")),
)


class Callback:
    """Is told of the course of `fit`, `evaluate` and `predict`; a subclass overrides the hooks it wants.

    `self.model` is the model, `self.params` a dict with `epochs`, `steps` and `verbose`. The logs of a batch hold
    arrays that may still be being computed: reading one waits for it.
    """

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model that is trained."""
        return self._model

    def set_model(self, model: Any) -> None:
        """Told once, before anything else."""
        self._model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Told once, before anything else."""
        self.params = params

    def on_train_begin(self, logs: Any = None) -> None:
        """Before the first epoch of `fit`."""

    def on_train_end(self, logs: Any = None) -> None:
        """After the last epoch of `fit`."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Before the first batch of `evaluate`, or of a validation."""

    def on_test_end(self, logs: Any = None) -> None:
        """After the last batch of `evaluate`, or of a validation."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Before the first batch of `predict`."""

    def on_predict_end(self, logs: Any = None) -> None:
        """After the last batch of `predict`."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Before each epoch of `fit`."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After each epoch of `fit`, and its validation: `logs` holds the epoch's figures as floats."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before each batch of `fit`."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After each batch of `fit`: `logs` holds the figures of the epoch so far."""

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before each batch of `evaluate`."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """After each batch of `evaluate`."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before each batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """After each batch of `predict`."""


class History(Callback):
    """Keeps the figures of every epoch: what `fit` returns.

    Attributes:
        history: a list of floats for each name, one for each epoch.
        epoch: the numbers of the epochs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Start anew."""
        self.history, self.epoch = {}, []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep this epoch's figures."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class CallbackList:
    """Tells several callbacks; a hook that none of them has costs nothing."""

    def __init__(self, callbacks: Iterable[Any], model: Any, **params: Any):
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            callback.set_model(model)
            callback.set_params(params)
        self._hooks: dict[str, Callable[..., None] | None] = {}
        for name in _HOOKS:
            default = getattr(Callback, name)
            heard = [getattr(c, name) for c in self.callbacks if getattr(type(c), name, default) is not default]
            self._hooks[name] = self._tell(heard) if heard else None

    @staticmethod
    def _tell(heard: list[Any]) -> Callable[..., None]:
        def tell(*args: Any) -> None:
            for hook in heard:
                hook(*args)

        return tell

    def hook(self, name: str) -> Callable[..., None] | None:
        """What calls a hook of all callbacks that have it; None when none has."""
        return self._hooks[name]

    def tell(self, name: str, *args: Any) -> None:
        """Call a hook of all callbacks that have it."""
        function = self._hooks[name]
        if function is not None:
            function(*args)
