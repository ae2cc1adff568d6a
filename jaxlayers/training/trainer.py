"""`fit`, `evaluate` and `predict`: the loops over a model's steps."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers import config
from jaxlayers.callbacks import CallbackList, History, NanGuard, ProgbarLogger
from jaxlayers.callbacks.progress import Progress
from jaxlayers.checkpoint import failures
from jaxlayers.common import placement, processes
from jaxlayers.training import agreement
from jaxlayers.training.compiled import Compiled
from jaxlayers.training.feeding import Feed, as_numpy, feed, is_arrays, pack, split, weigh
from jaxlayers.training.loop import Loop, fresh_metrics, to_host, to_list
from jaxlayers.training.run import Run
from jaxlayers.training.stopping import StopFlag


class Trainer(Compiled):
    """The mixin that gives a layer `fit`, `evaluate` and `predict`."""

    stop_training = False  # a callback sets one of these to True to end the loop
    stop_evaluating = False
    stop_predicting = False
    history: History | None = None
    _running_passes = 0  # the number of passes over data, one inside of the other
    _outside_programs = frozenset(
        ["stop_training", "stop_evaluating", "stop_predicting", "history", "_compiled_steps", "_running_passes"]
    )

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
        """Train the model.

        Args:
            x: arrays in any nested structure; or an iterable of batches `x`, `(x, y)` or `(x, y, sample_weight)`.
            y: the targets, if `x` is arrays.
            batch_size: the number of samples in a batch, if `x` is arrays. By default 32; with `steps_per_epoch`, the
                number of samples divided by it, rounded up. The last batch may be smaller.
            epochs: the number of the epoch before which training ends: with `initial_epoch=0`, the number of epochs.
            verbose: 0 for no output, 1 for a progress bar, 2 for a line per epoch; `"auto"` (the default) is 1.
            callbacks: a `Callback`, or a list of them.
            validation_split: the fraction of the samples, taken from the end of the arrays, that is used for validation
                and not for training. 0 by default.
            validation_data: the data to evaluate after each epoch: `(x, y)`, `(x, y, sample_weight)`, or an iterable of
                batches. It takes the place of `validation_split`.
            shuffle: if True (the default), the samples of arrays, and the batches of a `PyDataset`, have a new random
                order in each epoch.
            class_weight: a dict from class to weight; for several outputs a dict or list of such dicts.
            sample_weight: a weight for each sample, or for each time step of each sample; for several outputs a dict or
                list of them.
            initial_epoch: the number of the first epoch, counted from 0.
            steps_per_epoch: the number of batches in an epoch; by default all. Each epoch continues where the one
                before ended. If the data has fewer batches, the epoch ends with a warning.
            validation_steps: the number of batches in a validation; by default all.
            validation_batch_size: the batch size in validation; by default `batch_size`.
            validation_freq: the number of epochs between validations (1 by default), or a list of the epochs with a
                validation, counted from 1.

        Returns:
            A `History`. Its `history` is a dict from the name of each log to a list with its value in each epoch: a
            mean over the samples for losses and most metrics.

        Raises:
            ValueError: if the model is not compiled, the data has no batches, or the arrays do not match.

        Example:
            >>> import jaxlayers as jl, numpy as np
            >>> model = jl.Sequential([jl.layers.Dense(1)])
            >>> model.compile("sgd", "mse", metrics=["mae"])
            >>> history = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=3, verbose=0)
            >>> sorted(history.history), len(history.history["loss"])
            (['loss', 'mae'], 3)
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
            has_classes=self._compiled_objective.takes_classes,  # type: ignore[union-attr]
        )
        validation = None
        if validation_data is not None:
            validation = _validation_feed(validation_data, validation_batch_size or batch_size, validation_steps)
        history = History()
        self.stop_training = False
        with (
            _listening(self, [callbacks, history], verbose, data, validation, epochs) as (listeners, progress),
            Run(self, data, validation, listeners, initial_epoch) as run,
        ):
            agreement.check(self, data, validation)
            self.history = history
            hooks = _batch_hooks(listeners, "train")
            train = Loop(self, "train_step", data, hooks, progress, _guard_of(listeners), run.after_batches)
            test = None
            if validation is not None:
                hooks = _batch_hooks(listeners, "test")
                test = Loop(self, "test_step", validation, hooks, after=run.during_validation)
            listeners.on_train_begin()
            run.begin()
            logs = run.logs
            for epoch in range(run.epoch, epochs):
                if self.stop_training or not data.has_more():  # restored as stopped; the iterator is exhausted
                    break
                listeners.on_epoch_begin(epoch)
                progress.start(epoch, data.steps)
                count, logs = train.run(run.resume)
                if test is not None and _is_due(epoch, validation_freq):
                    listeners.on_test_begin()
                    _, test_logs = test.run()
                    listeners.on_test_end(test_logs)
                    logs.update({f"val_{name}": value for name, value in test_logs.items()})
                listeners.on_epoch_end(epoch, logs)
                if placement.spans_processes():
                    self.stop_training = processes.is_any(self.stop_training)
                progress.end(epoch, count, logs)
                run.end_epoch(epoch, logs)
                if self.stop_training:
                    break
            if epochs > initial_epoch:
                weights = self.trainable_variables  # type: ignore[attr-defined]  # a step may train some of them
                self.optimizer.finalize_variable_values(set(weights).intersection(dict(self.optimizer.moving_averages)))
            listeners.on_train_end(logs)
            run.end()
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
        """Return the loss and the metrics on data, without training.

        Args:
            x: arrays, or an iterable of batches, as in `fit`.
            y: the targets, if `x` is arrays.
            batch_size: the number of samples in a batch, if `x` is arrays. By default 32; with `steps`, the number of
                samples divided by it, rounded up.
            verbose: 0 for no output, 1 for a progress bar, 2 for a single line; `"auto"` (the default) is 1.
            sample_weight: a weight for each sample, as in `fit`.
            steps: the number of batches; by default all.
            callbacks: a `Callback`, or a list of them.
            return_dict: if True, return a dict by name. False by default.

        Returns:
            A list of floats, the loss first, then the metrics in the order of `compile`. If there is only the loss, a
            float. With `return_dict=True` a dict by name.

        Raises:
            ValueError: if the model is not compiled, or the data has no batches.

        Example:
            >>> import jaxlayers as jl, numpy as np
            >>> model = jl.Sequential([jl.layers.Dense(1, kernel_initializer="zeros")])
            >>> model.compile("sgd", "mse", metrics=["mae"])
            >>> model.evaluate(np.ones((4, 2)), 3 * np.ones((4, 1)), verbose=0, return_dict=True)
            {'loss': 9.0, 'mae': 3.0}
        """
        self._check_compiled("evaluate")
        data = feed(x, y, sample_weight, batch_size=batch_size, steps=steps, from_start=True)
        with _listening(self, callbacks, verbose, data) as (listeners, progress):
            agreement.check(self, data)
            listeners.on_test_begin()
            progress.start(0)
            count, logs = Loop(self, "test_step", data, _batch_hooks(listeners, "test"), progress).run()
            progress.end(0, count, logs)
            listeners.on_test_end(logs)
        return logs if return_dict else to_list(self, logs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Return the outputs for data, as NumPy arrays in the structure that the model returns.

        Args:
            x: arrays, or an iterable of batches, as in `fit`; targets are ignored.
            batch_size: the number of samples in a batch, if `x` is arrays. By default 32; with `steps`, the number of
                samples divided by it, rounded up.
            verbose: 0 for no output, 1 for a progress bar, 2 for a single line; `"auto"` (the default) is 1.
            steps: the number of batches; by default all.
            callbacks: a `Callback`, or a list of them.

        Raises:
            ValueError: if the data has no batches.

        Example:
            >>> import jaxlayers as jl, numpy as np
            >>> model = jl.Sequential([jl.layers.Dense(2)])
            >>> model.predict(np.ones((5, 3)), verbose=0).shape
            (5, 2)
        """
        parts = list(Trainer.predict_batches(self, x, batch_size, verbose, steps, callbacks))
        if not parts:
            raise ValueError(
                f"{self.name!r}: the data has no batches, or no batches are left. Pass data with at least one batch."  # type: ignore[attr-defined]
            )
        return jax.tree.map(lambda *pieces: np.concatenate(pieces), *parts)

    def predict_batches(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = 0,
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Iterator[Any]:
        """Yield the outputs for data batch by batch, as NumPy arrays, so that they need not fit into memory together.

        Args:
            x: arrays, or an iterable of batches, as in `fit`; targets are ignored.
            batch_size: the number of samples in a batch, if `x` is arrays. By default 32; with `steps`, the number of
                samples divided by it, rounded up.
            verbose: 0 (the default) for no output, 1 for a progress bar, 2 for a single line.
            steps: the number of batches; by default all.
            callbacks: a `Callback`, or a list of them.

        Example:
            >>> import jaxlayers as jl, numpy as np
            >>> model = jl.Sequential([jl.layers.Dense(2)])
            >>> [outputs.shape for outputs in model.predict_batches(np.ones((5, 3)), batch_size=2)]
            [(2, 2), (2, 2), (1, 2)]
        """
        data = feed(x, batch_size=batch_size, steps=steps)
        step = self._compiled_step("predict_step")
        most = 1 if self.steps_per_execution == "auto" else int(self.steps_per_execution)
        pending: list[Any] = []
        count = 0
        self.stop_predicting = False
        flag = StopFlag(self, "stop_predicting")
        with _listening(self, callbacks, verbose, data) as (listeners, progress):
            begin, end = _batch_hooks(listeners, "predict")
            agreement.check(self, data)
            listeners.on_predict_begin()
            progress.start(0)
            batches = ((batch, data.rows) for batch in itertools.islice(data.epoch(), config.max_steps_per_epoch()))
            while execution := list(itertools.islice(batches, most)):
                if begin is not None:
                    begin(count)
                outputs = [step(batch) for batch, _ in execution]
                count += len(outputs)
                if end is not None:
                    end(count - 1, {"outputs": _concatenate(outputs)})
                progress.step(count - 1, {"outputs": outputs[-1]})
                pending += zip(outputs, (rows for _, rows in execution), strict=True)
                while len(pending) > most + 1:  # the device computes the next batches while these outputs are fetched
                    yield placement.fetch(*pending.pop(0))
                if flag.ends_pass():
                    break
            for outputs, rows in pending:
                yield placement.fetch(outputs, rows)
            progress.end(0, count, {})
            listeners.on_predict_end()

    # Single batches.

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Run one training step on a batch; return the loss and the metrics of that batch.

        Args:
            x: the inputs.
            y: the targets.
            sample_weight: a weight for each sample.
            class_weight: a dict from class to weight.
            return_dict: if True, return a dict by name; if False (the default), a list, or a float for the loss alone.

        Raises:
            ValueError: if the model is not compiled.
        """
        return self._on_batch("train", (x, y, sample_weight), class_weight, return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Return the loss and the metrics of one batch, without training.

        Args:
            x: the inputs.
            y: the targets.
            sample_weight: a weight for each sample.
            return_dict: if True, return a dict by name; if False (the default), a list, or a float for the loss alone.

        Raises:
            ValueError: if the model is not compiled.
        """
        return self._on_batch("test", (x, y, sample_weight), None, return_dict)

    def _on_batch(self, kind: str, parts: tuple[Any, Any, Any], class_weight: Any, return_dict: bool) -> Any:
        self._check_compiled(f"{kind}_on_batch")
        batch = pack(*map(as_numpy, parts))
        if class_weight is not None:
            batch = weigh(batch, class_weight, self._compiled_objective.takes_classes)  # type: ignore[union-attr]
        self._build_for(batch)
        with fresh_metrics(self):
            logs = to_host(self._compiled_step(f"{kind}_step")(placement.place_alone(batch)[0]))
        return logs if return_dict else to_list(self, logs)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for one batch, as NumPy arrays."""
        batch, rows = placement.place_alone(pack(as_numpy(x)))
        return jax.tree.map(np.array, placement.fetch(self._compiled_step("predict_step")(batch), rows))


@contextlib.contextmanager
def _listening(
    model: Any, callbacks: Any, verbose: Any, data: Feed, validation: Feed | None = None, epochs: int | None = None
) -> Iterator[tuple[CallbackList, Progress]]:
    """Provide the callbacks and the progress bar of a loop. Close them and the data after it, also after an error.

    Args:
        model: the model.
        callbacks: the callbacks as the caller of the loop received them.
        verbose: the verbosity of the loop.
        data: the batches of the loop.
        validation: the batches of the validations; None, the default, for none.
        epochs: the number of epochs of `fit`; None, the default, for `evaluate` and `predict`.
    """
    listeners = CallbackList(
        callbacks, model=model, epochs=1 if epochs is None else epochs, steps=data.steps, verbose=verbose
    )
    shows_progress = any(isinstance(callback, ProgbarLogger) for callback in listeners.callbacks)
    progress = Progress(0 if shows_progress else verbose, epochs or 0, data.steps)
    # The last one is closed first, and all are closed even if closing one of them fails.
    noting, closing = failures.noting(placement.spans_processes()), contextlib.closing
    with noting, closing(progress), closing(listeners), data, validation or contextlib.nullcontext():
        yield listeners, progress


def _batch_hooks(listeners: CallbackList, phase: str) -> tuple[Any, Any]:
    """Return the functions to call before and after each batch; None for a hook that no callback has."""
    return listeners.hook(f"on_{phase}_batch_begin"), listeners.hook(f"on_{phase}_batch_end")


def _guard_of(listeners: CallbackList) -> NanGuard | None:
    """Return the `NanGuard` among callbacks, or None."""
    guards = [callback for callback in listeners.callbacks if isinstance(callback, NanGuard)]
    if len(guards) > 1:
        raise ValueError(f"fit() takes at most one NanGuard; received {len(guards)}.")
    return guards[0] if guards else None


def _validation_feed(data: Any, batch_size: int | None, steps: int | None) -> Feed:
    has_parts = isinstance(data, tuple | list) and 1 <= len(data) <= 3 and is_arrays(data[0])
    return feed(*(data if has_parts else [data]), batch_size=batch_size, steps=steps, from_start=True)


def _concatenate(outputs: list[Any]) -> Any:
    """Return the outputs of several batches as those of one batch, on the device."""
    return outputs[0] if len(outputs) == 1 else jax.tree.map(lambda *parts: jnp.concatenate(parts), *outputs)


def _is_due(epoch: int, frequency: int | list[int]) -> bool:
    return (epoch + 1) % frequency == 0 if isinstance(frequency, int) else epoch + 1 in frequency
