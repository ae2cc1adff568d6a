"""`fit`, `evaluate`, `predict`: loops around a model's steps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from jaxlayers import config
from jaxlayers.callbacks import CallbackList, History, ProgbarLogger
from jaxlayers.callbacks.progress import Progress
from jaxlayers.training.compiled import Compiled
from jaxlayers.training.feeding import Feed, as_numpy, feed, is_arrays, pack, split, weigh
from jaxlayers.training.loop import Loop, as_figures, as_list


class Trainer(Compiled):
    """What makes a layer a model: mixed into one."""

    stop_training = False  # callbacks set these
    stop_evaluating = False
    stop_predicting = False
    history: History | None = None

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | list[int] = 1,
    ) -> History:
        """Train for a number of epochs.

        Args:
            x: arrays (in any nested structure), or an iterable of batches `x`, `(x, y)`, `(x, y, sample_weight)`.
            y: targets, when `x` is arrays.
            batch_size: of batches from arrays; 32 by default. The last one may be smaller.
            epochs: train until this epoch, counted from 0.
            verbose: 0 for nothing, 1 for a progress bar, 2 for a line per epoch; `"auto"` for 1.
            callbacks: a list of `Callback`s.
            validation_split: the part of the arrays, from their end, that is not trained on but evaluated.
            validation_data: what is evaluated after epochs: `(x, y)`, `(x, y, sample_weight)` or an iterable.
            shuffle: whether arrays are put in a new order for each epoch.
            class_weight: a dict from class to weight.
            sample_weight: a weight for each sample, or time step; by output for several outputs.
            initial_epoch: the number of the first epoch.
            steps_per_epoch: batches in an epoch, when not all. The next epoch goes on with the others; where the data
                ends, so does the epoch, with a warning.
            validation_steps: batches in a validation, when not all.
            validation_batch_size: of the validation; `batch_size` by default.
            validation_freq: after how many epochs there is a validation, or a list of the epochs, counted from 1.

        Returns:
            A `History`: its `history` has a list of figures, means over the samples of each epoch, for every name.

        Raises:
            ValueError: before `compile`; when arrays do not fit together.
        """
        self._check_compiled("fit")
        epochs = min(epochs, config.max_epochs() or epochs)
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = split((x, y, sample_weight), validation_split)
        data = feed(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            shuffle=shuffle,
            steps=steps_per_epoch,
            class_weight=class_weight,
        )
        validation = None
        if validation_data is not None:
            validation = _validation_feed(validation_data, validation_batch_size or batch_size, validation_steps)
        history = History()
        told = CallbackList([callbacks, history], model=self, epochs=epochs, steps=data.steps, verbose=verbose)
        progress = Progress(_verbosity(verbose, told), epochs, data.steps)
        self.stop_training = False
        logs: dict[str, Any] = {}
        try:
            train = Loop(self, "train_step", data, _hooks(told, "train"), progress)
            test = None if validation is None else Loop(self, "test_step", validation, _hooks(told, "test"))
            told.tell("on_train_begin")
            for epoch in range(initial_epoch, epochs):
                if not data.has_more():  # an iterator that has run out
                    break
                told.tell("on_epoch_begin", epoch)
                progress.start(epoch, data.steps)
                count, logs = train.run()
                if test is not None and _is_due(epoch, validation_freq):
                    told.tell("on_test_begin")
                    _, figures = test.run()
                    told.tell("on_test_end", figures)
                    logs.update({f"val_{name}": value for name, value in figures.items()})
                told.tell("on_epoch_end", epoch, logs)
                progress.end(epoch, count, logs)
                if self.stop_training:
                    break
            if epochs > initial_epoch:
                self.optimizer.finalize_variable_values(self.trainable_variables)  # type: ignore[attr-defined]
            told.tell("on_train_end", logs)
        finally:
            _close(progress, told, data, validation)
            self.history = history
        return history

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics on data, as in `fit` without training.

        Returns:
            A dict by name with `return_dict`; else a list in Keras's order, the loss first; or the loss where it is
            alone.

        Raises:
            ValueError: before `compile`.
        """
        self._check_compiled("evaluate")
        data = feed(x, y, sample_weight, batch_size=batch_size, steps=steps, from_start=True)
        told = CallbackList(callbacks, model=self, epochs=1, steps=data.steps, verbose=verbose)
        progress = Progress(_verbosity(verbose, told), 0, data.steps)
        try:
            told.tell("on_test_begin")
            progress.start(0)
            count, logs = Loop(self, "test_step", data, _hooks(told, "test"), progress).run()
            progress.end(0, count, logs)
            told.tell("on_test_end", logs)
        finally:
            _close(progress, told, data)
        return logs if return_dict else as_list(self, logs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for data, gathered as NumPy arrays in the structure that the model returns."""
        parts = list(Trainer.predict_batches(self, x, batch_size, verbose, steps, callbacks))
        if not parts:
            raise ValueError("The data has no batches (left).")
        return jax.tree.map(lambda *pieces: np.concatenate(pieces), *parts)

    def predict_batches(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = 0,
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Iterator[Any]:
        """The outputs for data batch by batch, as NumPy arrays: for more of them than fit into memory.

        Example:
            >>> import jaxlayers as jl, numpy as np
            >>> model = jl.Sequential([jl.layers.Dense(2)])
            >>> [outputs.shape for outputs in model.predict_batches(np.ones((5, 3)), batch_size=2)]
            [(2, 2), (2, 2), (1, 2)]
        """
        data = feed(x, batch_size=batch_size, steps=steps)
        told = CallbackList(callbacks, model=self, epochs=1, steps=data.steps, verbose=verbose)
        begin, end = _hooks(told, "predict")
        progress = Progress(_verbosity(verbose, told), 0, data.steps)
        step = self._step("predict_step")
        waiting: list[Any] = []
        count = 0
        self.stop_predicting = False
        try:
            told.tell("on_predict_begin")
            progress.start(0)
            for count, batch in enumerate(data.epoch(), start=1):
                if begin is not None:
                    begin(count - 1)
                waiting.append(step(batch))
                if end is not None:
                    end(count - 1, {"outputs": waiting[-1]})
                progress.step(count - 1, {"outputs": waiting[-1]})
                if len(waiting) > 2:  # the device computes the next while these are fetched
                    yield jax.device_get(waiting.pop(0))
                if self.stop_predicting:
                    break
            for outputs in waiting:
                yield jax.device_get(outputs)
            progress.end(0, count, {})
            told.tell("on_predict_end")
        finally:
            _close(progress, told, data)

    # Single batches.

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Train on one batch; returns its figures."""
        self._check_compiled("train_on_batch")
        batch = pack(as_numpy(x), as_numpy(y), as_numpy(sample_weight))
        if class_weight is not None:
            batch = weigh(batch, class_weight)
        self._build_for(batch)
        self.reset_metrics()
        return self._figures(self._step("train_step")(batch), return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Evaluate one batch; returns its figures."""
        self._check_compiled("test_on_batch")
        batch = pack(as_numpy(x), as_numpy(y), as_numpy(sample_weight))
        self.reset_metrics()
        return self._figures(self._step("test_step")(batch), return_dict)

    def _figures(self, logs: Any, return_dict: bool) -> Any:
        figures = as_figures(logs)
        return figures if return_dict else as_list(self, figures)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as NumPy arrays."""
        return jax.device_get(self._step("predict_step")(pack(as_numpy(x))))


def _verbosity(verbose: Any, told: CallbackList) -> Any:
    """What is shown by the loop itself: nothing when a callback does."""
    return 0 if any(isinstance(callback, ProgbarLogger) for callback in told.callbacks) else verbose


def _hooks(told: CallbackList, phase: str) -> tuple[Any, Any]:
    return told.hook(f"on_{phase}_batch_begin"), told.hook(f"on_{phase}_batch_end")


def _validation_feed(data: Any, batch_size: int | None, steps: int | None) -> Feed:
    if isinstance(data, tuple | list) and 1 <= len(data) <= 3 and is_arrays(data[0]):
        return feed(*data, batch_size=batch_size, steps=steps, from_start=True)
    return feed(data, batch_size=batch_size, steps=steps, from_start=True)


def _close(*things: Any) -> None:
    """Close all, whatever happens in some."""
    with contextlib.ExitStack() as stack:
        for thing in things:
            if thing is not None:
                stack.callback(thing.close)


def _is_due(epoch: int, frequency: int | list[int]) -> bool:
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency
