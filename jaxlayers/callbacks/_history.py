"""A callback that records the logs of every epoch, and plots them."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from jaxlayers.callbacks._callback import Callback


class History(Callback):
    """A callback that records the loss and metrics of every epoch; `fit` returns it.

    Attributes:
        history: a dict from each name in the logs to a list of floats, one for each epoch.
        epoch: the numbers of the epochs, counted from 0.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> history = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=3, verbose=0)
        >>> history.epoch, len(history.history["loss"])
        ([0, 1, 2], 3)
    """

    _state_attributes = ("history", "epoch", "_epochs_of")

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self._epochs_of: dict[str, list[int]] = {}  # the epochs of each entry: validation may be skipped in some epochs

    # The model holds its history, so the history refers to the model weakly: a strong reference would be a cycle, and
    # the model would be freed by the garbage collector only.

    @property
    def model(self) -> Any:
        """The model that was trained; None if it no longer exists."""
        return None if self._model is None else self._model()

    def set_model(self, model: Any) -> None:
        """Refer to the model weakly."""
        self._model = None if model is None else weakref.ref(model)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_model": self.model}  # a weak reference cannot be pickled

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.set_model(state["_model"])

    def on_train_begin(self, logs: Any = None) -> None:
        """Forget the previous training."""
        self.history, self.epoch, self._epochs_of = {}, [], {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record the logs of an epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            self._epochs_of.setdefault(name, []).append(epoch)

    def plot(self, names: str | Sequence[str] | None = None) -> Any:
        """Plot the recorded values over the epochs, training and validation in one panel. Not in Keras.

        Args:
            names: a name or a sequence of names without `val_`; None, the default, for all.

        Returns:
            A `matplotlib.figure.Figure` with a panel for each name, side by side.

        Raises:
            ImportError: if matplotlib is not installed.
            ValueError: if nothing is recorded, or a name is unknown.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("History.plot() needs matplotlib: pip install matplotlib.") from error
        recorded = list(dict.fromkeys(name.removeprefix("val_") for name in self.history))
        plotted = recorded if names is None else [names] if isinstance(names, str) else list(names)
        unknown = [name for name in plotted if name not in recorded]
        if unknown or not plotted:
            of_unknown = f" of {unknown}" if unknown else ""
            raise ValueError(f"There are no recorded values{of_unknown} to plot; the recorded names are {recorded}.")
        figure, panels = pyplot.subplots(
            1, len(plotted), figsize=(4.5 * len(plotted), 3.4), squeeze=False, layout="constrained"
        )
        for panel, name in zip(panels[0], plotted, strict=True):
            for key, label in ((name, "training"), (f"val_{name}", "validation")):
                if key in self.history:
                    epochs = [epoch + 1 for epoch in self._epochs_of[key]]
                    panel.plot(epochs, self.history[key], marker=".", label=label)
            panel.set(title=name, xlabel="epoch")
            panel.xaxis.get_major_locator().set_params(integer=True)
            panel.legend()
        return figure
