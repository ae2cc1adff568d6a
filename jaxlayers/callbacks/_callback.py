"""The base class of all callbacks, and the names of its hooks."""

from __future__ import annotations

from typing import Any

HOOKS = (
    *(f"on_{phase}_{end}" for phase in ("train", "test", "predict", "epoch") for end in ("begin", "end")),
    *(f"on_{phase}_batch_{end}" for phase in ("train", "test", "predict") for end in ("begin", "end")),
)
ALIASES = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


class Callback:
    """The base class of callbacks: `fit`, `evaluate` and `predict` call the hooks that a subclass overrides.

    `self.model` is the model; `self.params` is a dict with `epochs`, `steps` and `verbose`. A hook that no callback
    overrides is not called. The logs of a batch hold arrays that may not be computed yet: reading one waits for it. The
    logs of an epoch hold floats, in one dict for all callbacks: an entry that a callback adds is visible to the
    callbacks after it and to the history. Setting `self.model.stop_training = True` ends the training.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> class LogPrinter(jl.callbacks.Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print(epoch, sorted(logs))
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=[LogPrinter()])
        0 ['loss']
        1 ['loss']

    A callback whose attributes decide what it does later has `get_state` and `set_state`. `BackupAndRestore` saves and
    restores them, so that a run that was interrupted goes on as if it had not been:

        >>> class BatchCounter(jl.callbacks.Callback):
        ...     count = 0
        ...     def on_train_batch_end(self, batch, logs=None):
        ...         self.count += 1
        ...     def get_state(self):
        ...         return {"count": self.count}
        ...     def set_state(self, state):
        ...         self.count = state["count"]
    """

    _state_attributes: tuple[str, ...] = ()  # the attributes that make up the state, for `get_state` and `set_state`
    params: dict[str, Any] | None = None
    _model: Any = None

    @property
    def model(self) -> Any:
        """The model that is trained."""
        return self._model

    def set_model(self, model: Any) -> None:
        """Set `model`; called once, before all hooks."""
        self._model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Set `params`; called once, before all hooks."""
        self.params = params

    def get_state(self) -> Any:
        """Return what `set_state` needs to make another object go on like this one; None, the default, for nothing.

        The state is plain data: None, booleans, numbers, text, bytes and arrays, nested in lists, tuples and dicts.
        Not in Keras.
        """
        return {name: getattr(self, name) for name in self._state_attributes} or None

    def set_state(self, state: Any) -> None:
        """Restore a state of `get_state`; called after `on_train_begin`, and within an epoch after `on_epoch_begin`.

        Arrays are NumPy arrays then. Not in Keras.
        """
        for name, value in state.items():
            setattr(self, name, value)

    def close(self) -> None:
        """Release resources: called after `fit`, `evaluate` or `predict`, even if they failed. Not in Keras."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Called before the first epoch of `fit`."""

    def on_train_end(self, logs: Any = None) -> None:
        """Called after the last epoch of `fit`, unless it failed; `logs` is that of the last epoch."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Called before the first batch of `evaluate` or of a validation."""

    def on_test_end(self, logs: Any = None) -> None:
        """Called after the last batch of `evaluate` or of a validation; `logs` holds the loss and metrics as floats."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Called before the first batch of `predict`."""

    def on_predict_end(self, logs: Any = None) -> None:
        """Called after the last batch of `predict`."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Called before each epoch of `fit`; epochs are counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Called after each epoch of `fit` and its validation; `logs` holds its loss and metrics as floats."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Called before each batch of `fit`; batches are counted from 0 in each epoch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called after each batch of `fit`; `logs` holds the loss and metrics of the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Called by `on_train_batch_begin`; an alias of it."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called by `on_train_batch_end`; an alias of it."""

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Called before each batch of `evaluate` or of a validation."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called after each batch of `evaluate` or of a validation."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Called before each batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called after each batch of `predict`; `logs` holds the `outputs`."""
