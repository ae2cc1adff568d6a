"""The figures of every epoch, as lists and as curves."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from jaxlayers.callbacks._callback import Callback


class History(Callback):
    """Keeps the figures of every epoch: what `fit` returns.

    Attributes:
        history: a list of floats for each name, one for each epoch.
        epoch: the numbers of the epochs.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> history = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=3, verbose=0)
        >>> history.epoch, len(history.history["loss"])
        ([0, 1, 2], 3)
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self._seen: dict[str, list[int]] = {}  # the epochs of each figure: validation may come every few

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
        """Start anew."""
        self.history, self.epoch, self._seen = {}, [], {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep this epoch's figures."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            self._seen.setdefault(name, []).append(epoch)

    def plot(self, names: str | Sequence[str] | None = None) -> Any:
        """Draw the figures over the epochs, training and validation in one panel.

        Args:
            names: what to draw, without `val_`; everything by default.

        Returns:
            A `matplotlib.figure.Figure` with a panel for each name, side by side.

        Raises:
            ImportError: without matplotlib.
            ValueError: when there is nothing to draw, or a name is not known.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("History.plot() needs matplotlib: pip install matplotlib.") from error
        known = list(dict.fromkeys(name.removeprefix("val_") for name in self.history))
        wanted = known if names is None else [names] if isinstance(names, str) else list(names)
        unknown = [name for name in wanted if name not in known]
        if unknown or not wanted:
            raise ValueError(f"There are no figures {unknown or 'at all'} to plot; there are {known}.")
        figure, panels = pyplot.subplots(
            1, len(wanted), figsize=(4.5 * len(wanted), 3.4), squeeze=False, layout="constrained"
        )
        for panel, name in zip(panels[0], wanted, strict=True):
            for key, label in ((name, "training"), (f"val_{name}", "validation")):
                if key in self.history:
                    panel.plot([epoch + 1 for epoch in self._seen[key]], self.history[key], marker=".", label=label)
            panel.set(title=name, xlabel="epoch")
            panel.xaxis.get_major_locator().set_params(integer=True)
            panel.legend()
        return figure
