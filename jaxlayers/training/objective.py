"""The loss and the metrics that a model was compiled with, for outputs in any structure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import losses, metrics
from jaxlayers.core.tracking import Tracked, keep_apart


@keep_apart
class Objective(Tracked):
    """What `compile` was given to judge outputs by.

    Args:
        loss: a loss (or its name), or a list or dict of them by output; None for an output that has none.
        loss_weights: numbers in the same structure.
        metrics, weighted_metrics: a list of metrics for a single output; a list or dict by output of such lists.
    """

    kind = "metric"

    def __init__(self, loss: Any, loss_weights: Any, given_metrics: Any, weighted_metrics: Any):
        self.name = "objective"
        self.tracker = metrics.Mean(name="loss")
        self._loss, self._loss_weights = loss, loss_weights
        self._given = {"plain": given_metrics, "weighted": weighted_metrics}
        self._losses: Any = None
        self._metrics: Any = None  # once outputs were seen: (output number, metric, whether it is weighted)

    @property
    def has_loss(self) -> bool:
        """Whether there is a loss on the outputs."""
        return self._loss is not None

    def compute_loss(self, y: Any, y_pred: Any, sample_weight: Any) -> jax.Array:
        """The weighted sum of the losses of all outputs."""
        names = output_names(y_pred)
        if self._losses is None:
            self._losses = [None if one is None else losses.get(one) for one in by_output(self._loss, names, "loss")]
        weights = by_output(self._loss_weights, names, "loss_weights")
        targets, outputs = matched(y, y_pred, names)
        samples = by_output(sample_weight, names, "sample_weight", arrays=True)
        total: Any = 0.0
        for loss, weight, target, output, sample in zip(self._losses, weights, targets, outputs, samples, strict=True):
            if loss is None:
                continue
            value = (
                loss(target, output, sample) if isinstance(loss, losses.Loss) else _mean(loss, target, output, sample)
            )
            total = total + (value if weight is None else weight * value)
        return jnp.asarray(total)

    def update_metrics(self, y: Any, y_pred: Any, sample_weight: Any) -> None:
        """Add a batch to every metric."""
        names = output_names(y_pred)
        targets, outputs = matched(y, y_pred, names)
        samples = by_output(sample_weight, names, "sample_weight", arrays=True)
        if self._metrics is None:
            self._metrics = list(self._resolve(names, targets, outputs))
        for number, metric, weighted in self._metrics:
            if targets[number] is None:
                continue
            if weighted:
                metric.update_state(targets[number], outputs[number], sample_weight=samples[number])
            else:
                metric.update_state(targets[number], outputs[number])

    @property
    def compiled_metrics(self) -> list[Any]:
        """The metrics, as far as they are known: those with names of several kinds need to see outputs first."""
        return [metric for _, metric, _ in self._metrics or []]

    def _resolve(self, names: list[str], targets: list[Any], outputs: list[Any]) -> Iterator[tuple[int, Any, bool]]:
        for kind, given in self._given.items():
            if given is None:
                continue
            if len(names) == 1 and not isinstance(given, dict):
                lists = [given if isinstance(given, list | tuple) else [given]]
            else:
                lists = by_output(given, names, "metrics")
            for number, some in enumerate(lists):
                for one in some if isinstance(some, list | tuple) else [some]:
                    if one is not None:
                        prefix = f"{names[number]}_" if len(names) > 1 else ""
                        yield number, as_metric(one, targets[number], outputs[number], prefix), kind == "weighted"


def as_metric(identifier: Any, y: Any, y_pred: Any, prefix: str = "") -> Any:
    """A metric from a name, function or object; `"accuracy"` is the kind that the outputs call for."""
    if isinstance(identifier, metrics.Metric):
        metric = identifier
    elif isinstance(identifier, str) and identifier in ("accuracy", "acc"):
        metric = _by_kind(identifier, y, y_pred)
    else:
        metric = metrics.get(identifier)
        if not isinstance(metric, metrics.Metric):
            name = identifier if isinstance(identifier, str) else getattr(metric, "__name__", "metric")
            metric = metrics.MeanMetricWrapper(metric, name=name)
        elif isinstance(identifier, str):
            metric.name = identifier
    if prefix and not metric.name.startswith(prefix):
        metric.name = f"{prefix}{metric.name}"
    return metric


def _by_kind(name: str, y: Any, y_pred: Any) -> Any:
    if y_pred.ndim == 0 or y_pred.shape[-1] == 1:
        return metrics.BinaryAccuracy(name=name)
    if y.ndim < y_pred.ndim or y.shape[-1] == 1:
        return metrics.SparseCategoricalAccuracy(name=name)
    return metrics.CategoricalAccuracy(name=name)


def _mean(function: Any, y: Any, y_pred: Any, sample_weight: Any) -> jax.Array:
    return losses.LossFunctionWrapper(function)(y, y_pred, sample_weight)


def output_names(y_pred: Any) -> list[str]:
    """A name for each output: its keys in dicts, `output_0` and so on in lists."""
    if isinstance(y_pred, dict):
        return list(y_pred)
    if isinstance(y_pred, list | tuple):
        return [f"output_{number}" for number in range(len(y_pred))]
    return ["output"]


def matched(y: Any, y_pred: Any, names: list[str]) -> tuple[list[Any], list[Any]]:
    """Targets and outputs, one beside the other.

    Raises:
        ValueError: when a target does not belong to an output.
    """
    outputs = by_output(y_pred, names, "outputs", arrays=True)
    return by_output(y, names, "targets", arrays=True), outputs


def by_output(given: Any, names: list[str], what: str, arrays: bool = False) -> list[Any]:
    """One entry for each output, from a dict, a list or a single thing.

    Raises:
        ValueError: when there are too many or too few, or a name is not that of an output.
    """
    if isinstance(given, dict):
        unknown = [key for key in given if key not in names]
        if unknown:
            raise ValueError(f"{what} names {unknown}, and the outputs are {names}.")
        return [given.get(name) for name in names]
    if isinstance(given, list | tuple) and (len(names) > 1 or not arrays or len(given) == 1):
        if len(given) != len(names):
            raise ValueError(f"{what} has {len(given)} entries for {len(names)} outputs ({names}).")
        return list(given)
    return [given] * len(names)
