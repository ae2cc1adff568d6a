"""`compile`, `fit`, `evaluate`, `predict`: loops around a step that is plain facade code, compiled by `jl.jit`.

`train_step`, `test_step` and `predict_step` may be overridden, and so may `compute_loss`, `compute_metrics` and
`metrics`. The loops never wait for the device inside an epoch: figures stay there until the epoch ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxlayers import losses, optimizers
from jaxlayers import metrics as metrics_module
from jaxlayers.core import building, jit, value_and_grad
from jaxlayers.training.callbacks import CallbackList, History
from jaxlayers.training.feeding import Feed, as_numpy, feed, pack, split, unpack, weigh
from jaxlayers.training.objective import Objective
from jaxlayers.training.progress import Progress


class Trainer:
    """What makes a layer a model: mixed into one."""

    optimizer: Any = None
    stop_training = False
    _objective: Objective | None = None
    _run_eagerly = False

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
    ) -> None:
        """Say how to train: with which optimizer, towards what, and what to report.

        Args:
            optimizer: an optimizer, its name, or an optax transformation.
            loss: a loss, its name, or a function `(y_true, y_pred) -> loss of each sample`; for several outputs a
                list or dict of them. Without one, the losses that layers add are trained on.
            loss_weights: numbers in the structure of `loss`.
            metrics: a list of metrics, names or functions; by output for several outputs. They do not see sample
                weights.
            weighted_metrics: likewise, and they do.
            run_eagerly: whether steps are run as they are, not compiled: for looking into them.

        Raises:
            ValueError: for a name that is not known.
        """
        for one in jax.tree.leaves(loss):
            losses.get(one)  # an unknown name is told now, not in the first step
        self.optimizer = optimizers.get(optimizer)
        self._objective = Objective(loss, loss_weights, metrics, weighted_metrics)
        self._run_eagerly = run_eagerly
        self._steps: dict[str, Callable[..., Any]] = {}

    # One step; every piece may be overridden.

    def train_step(self, data: Any) -> dict[str, jax.Array]:
        """Train on one batch: `x`, `(x, y)` or `(x, y, sample_weight)`; returns the figures so far."""
        x, y, sample_weight = unpack(data)

        def objective() -> tuple[jax.Array, Any]:
            y_pred = self(x, training=True)  # type: ignore[operator]
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
            return self.optimizer.scale_loss(loss), (loss, y_pred)

        weights = self.trainable_variables  # type: ignore[attr-defined]
        (_, (loss, y_pred)), gradients = value_and_grad(objective, wrt=weights, has_aux=True)()
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        self._objective.tracker.update_state(loss, sample_weight=batch_size_of(x))  # type: ignore[union-attr]
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data: Any) -> dict[str, jax.Array]:
        """Evaluate one batch; returns the figures so far."""
        x, y, sample_weight = unpack(data)
        y_pred = self(x, training=False)  # type: ignore[operator]
        loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)
        self._objective.tracker.update_state(loss, sample_weight=batch_size_of(x))  # type: ignore[union-attr]
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def predict_step(self, data: Any) -> Any:
        """The outputs for one batch."""
        return self(unpack(data)[0], training=False)  # type: ignore[operator]

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> jax.Array:
        """The scalar to minimise: the compiled loss on the outputs plus all that layers added.

        Raises:
            ValueError: when there is neither.
        """
        parts = []
        if self._objective is not None and self._objective.has_loss:
            parts.append(self._objective.compute_loss(y, y_pred, sample_weight))
        parts += self.losses  # type: ignore[attr-defined]
        if not parts:
            raise ValueError(
                f"{self.name!r} has nothing to minimise: compile() was given no loss, and no layer adds one."  # type: ignore[attr-defined]
            )
        return sum(parts[1:], start=parts[0])

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, jax.Array]:
        """Add a batch to the compiled metrics, and report all metrics so far."""
        if y is not None:
            self._objective.update_metrics(y, y_pred, sample_weight)  # type: ignore[union-attr]
        return self.get_metrics_result()

    @property
    def metrics(self) -> list[Any]:
        """What is reported, and reset before each epoch: the loss, the compiled metrics, those of layers."""
        found = [] if self._objective is None else [self._objective.tracker, *self._objective.compiled_metrics]
        return found + [m for m in self.walk.objects if isinstance(m, metrics_module.Metric)]  # type: ignore[attr-defined]

    def get_metrics_result(self) -> dict[str, jax.Array]:
        """The value of every metric so far, by name."""
        results: dict[str, Any] = {}
        for metric in self.metrics:
            result = metric.result()
            results.update(result if isinstance(result, dict) else {metric.name: result})
        return results

    def reset_metrics(self) -> None:
        """Start all metrics anew."""
        for metric in self.metrics:
            metric.reset_state()

    # Loops.

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
            sample_weight: a weight for each sample.
            initial_epoch: the number of the first epoch.
            steps_per_epoch: batches in an epoch, when not all.
            validation_steps: batches in a validation, when not all.
            validation_batch_size: of the validation; `batch_size` by default.
            validation_freq: after how many epochs there is a validation, or a list of the epochs, counted from 1.

        Returns:
            A `History`: its `history` has a list of figures, means over the samples of each epoch, for every name.

        Raises:
            RuntimeError: before `compile`.
            ValueError: when arrays do not fit together.
        """
        self._check_compiled("fit")
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
            validation = self._validation_feed(validation_data, validation_batch_size or batch_size, validation_steps)
        history = History()
        told = CallbackList([*(callbacks or []), history], self, epochs=epochs, steps=data.steps, verbose=verbose)
        progress = Progress(verbose, epochs, data.steps)
        step = self._step("train_step")
        self.stop_training = False
        logs: dict[str, Any] = {}
        try:
            told.tell("on_train_begin")
            for epoch in range(initial_epoch, epochs):
                told.tell("on_epoch_begin", epoch)
                progress.start(epoch)
                count, logs = self._run(
                    data, step, told.hook("on_train_batch_begin"), told.hook("on_train_batch_end"), progress
                )
                if validation is not None and _is_due(epoch, validation_freq):
                    told.tell("on_test_begin")
                    _, figures = self._run(
                        validation,
                        self._step("test_step"),
                        told.hook("on_test_batch_begin"),
                        told.hook("on_test_batch_end"),
                        None,
                    )
                    told.tell("on_test_end", figures)
                    logs.update({f"val_{name}": value for name, value in figures.items()})
                progress.end(epoch, count, logs)
                told.tell("on_epoch_end", epoch, logs)
                if self.stop_training:
                    break
            told.tell("on_train_end", logs)
        finally:
            progress.close()
        return history

    def _validation_feed(self, data: Any, batch_size: int | None, steps: int | None) -> Feed:
        if isinstance(data, tuple | list) and len(data) in (2, 3):
            return feed(*data, batch_size=batch_size, steps=steps)
        return feed(data, batch_size=batch_size, steps=steps)

    def _run(
        self, data: Feed, step: Callable[..., Any], begin: Any, end: Any, progress: Progress | None
    ) -> tuple[int, dict[str, Any]]:
        """One pass over the data; the number of steps, and the figures it ends with, as floats."""
        self.reset_metrics()
        logs: dict[str, Any] = {}
        count = 0
        for batch in data.epoch():
            if begin is not None:
                begin(count)
            if not count:
                self._build_for(batch)
            logs = step(batch)
            if end is not None:
                end(count, logs)
            if progress is not None:
                progress.step(count, logs)
            count += 1
            if self.stop_training:
                break
        if not count:
            raise ValueError("The data has no batches (left).")
        return count, {name: _plain(value) for name, value in jax.device_get(logs).items()}

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
            A dict by name with `return_dict`; else a list in the order of `metrics`, or the loss where it is alone.

        Raises:
            RuntimeError: before `compile`.
        """
        self._check_compiled("evaluate")
        data = feed(x, y, sample_weight, batch_size=batch_size, steps=steps)
        told = CallbackList(callbacks or [], self, epochs=1, steps=data.steps, verbose=verbose)
        progress = Progress(verbose, 0, data.steps)
        self.stop_training = False
        try:
            told.tell("on_test_begin")
            progress.start(0)
            count, logs = self._run(
                data,
                self._step("test_step"),
                told.hook("on_test_batch_begin"),
                told.hook("on_test_batch_end"),
                progress,
            )
            progress.end(0, count, logs)
            told.tell("on_test_end", logs)
        finally:
            progress.close()
        return logs if return_dict else _as_list(logs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for data, gathered as NumPy arrays in the structure that the model returns."""
        data = feed(x, batch_size=batch_size, steps=steps)
        told = CallbackList(callbacks or [], self, epochs=1, steps=data.steps, verbose=verbose)
        step = self._step("predict_step")
        parts = []
        told.tell("on_predict_begin")
        for number, batch in enumerate(data.epoch()):
            told.tell("on_predict_batch_begin", number)
            parts.append(step(batch))
            told.tell("on_predict_batch_end", number, {"outputs": parts[-1]})
        told.tell("on_predict_end")
        if not parts:
            raise ValueError("The data has no batches (left).")
        return jax.tree.map(lambda *pieces: np.concatenate(pieces), *jax.device_get(parts))

    # Single batches.

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Train on one batch; returns the figures since the metrics were last reset."""
        self._check_compiled("train_on_batch")
        batch = pack(as_numpy(x), as_numpy(y), as_numpy(sample_weight))
        if class_weight is not None:
            batch = weigh(batch, class_weight)
        self._build_for(batch)
        return self._figures(self._step("train_step")(batch), return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Evaluate one batch; returns the figures since the metrics were last reset."""
        self._check_compiled("test_on_batch")
        logs = self._step("test_step")(pack(as_numpy(x), as_numpy(y), as_numpy(sample_weight)))
        return self._figures(logs, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as NumPy arrays."""
        return jax.device_get(self._step("predict_step")(pack(as_numpy(x))))

    def _figures(self, logs: Any, return_dict: bool) -> Any:
        logs = {name: _plain(value) for name, value in jax.device_get(logs).items()}
        return logs if return_dict else _as_list(logs)

    def _step(self, name: str) -> Callable[..., Any]:
        """A step as it is run: compiled, and kept for the next time."""
        steps = self.__dict__.setdefault("_steps", {})
        method = getattr(self, name)
        if self._run_eagerly:
            return method
        if name not in steps:
            steps[name] = jit(method)
        return steps[name]

    def _build_for(self, batch: Any) -> None:
        """Build the model before its first step, which then finds all its weights.

        A step of the user's own may call the model with something else, or not at all; so when this fails, nothing
        has changed, and the step will tell what is wrong.
        """
        if not self.built:  # type: ignore[attr-defined]
            with contextlib.suppress(Exception):
                building.from_call(self, (unpack(batch)[0],), {})  # type: ignore[arg-type]

    def _check_compiled(self, what: str) -> None:
        if self._objective is None:
            raise RuntimeError(f"{self.name!r}: call compile() before {what}().")  # type: ignore[attr-defined]


def batch_size_of(x: Any) -> int:
    """The number of samples in a batch."""
    leaves = jax.tree.leaves(x)
    shape = np.shape(leaves[0]) if leaves else ()
    return shape[0] if shape else 1


def _is_due(epoch: int, frequency: int | list[int]) -> bool:
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency


def _plain(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else np.asarray(value)


def _as_list(logs: dict[str, Any]) -> Any:
    return next(iter(logs.values())) if len(logs) == 1 else list(logs.values())
