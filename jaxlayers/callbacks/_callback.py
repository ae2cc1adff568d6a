"""What is told of the course of training: the base of all callbacks, and the names of its hooks."""

from __future__ import annotations

from typing import Any

HOOKS = (
    *(f"on_{phase}_{end}" for phase in ("train", "test", "predict", "epoch") for end in ("begin", "end")),
    *(f"on_{phase}_batch_{end}" for phase in ("train", "test", "predict") for end in ("begin", "end")),
)
ALIASES = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


class Callback:
    """Is told of the course of `fit`, `evaluate` and `predict`; a subclass overrides the hooks it wants.

    `self.model` is the model; `self.params` is a dict with `epochs`, `steps` and `verbose`. A hook that nobody
    overrides costs nothing. The logs of a batch hold arrays that may still be being computed: reading one waits for
    it, so a callback pays for what it reads. The logs of an epoch are floats, and one dict for all callbacks: what one
    adds, those after it and the history have too. Setting `self.model.stop_training = True` ends the training.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> class Telling(jl.callbacks.Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print(epoch, sorted(logs))
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=[Telling()])
        0 ['loss']
        1 ['loss']
    """

    params: dict[str, Any] | None = None
    _model: Any = None

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

    def close(self) -> None:
        """After `fit`, `evaluate` or `predict`, also when they failed: for files, and for what must be put back."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Before the first epoch of `fit`."""

    def on_train_end(self, logs: Any = None) -> None:
        """After the last epoch of `fit`, unless it failed: `logs` is that of the last epoch."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Before the first batch of `evaluate`, or of a validation."""

    def on_test_end(self, logs: Any = None) -> None:
        """After the last batch of `evaluate`, or of a validation: `logs` holds its figures as floats."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Before the first batch of `predict`."""

    def on_predict_end(self, logs: Any = None) -> None:
        """After the last batch of `predict`."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Before each epoch of `fit`; epochs are counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After each epoch of `fit`, and its validation: `logs` holds the epoch's figures as floats."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before each batch of `fit`; batches are counted from 0 in each epoch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After each batch of `fit`: `logs` holds the figures of the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Another name for `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Another name for `on_train_batch_end`."""

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before each batch of `evaluate`, or of a validation."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """After each batch of `evaluate`, or of a validation."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before each batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """After each batch of `predict`: `logs` holds the `outputs`."""
