"""The loss and the metrics that a model was compiled with, for outputs in any structure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import losses, metrics
from jaxlayers.core.tracking import Tracked, keep_apart
from jaxlayers.training.outputs import by_output, output_names


@keep_apart
class Objective(Tracked):
    """What `compile` was given to judge outputs by.

    Args:
        loss: a loss (or its name), or a structure of them by output; None for an output that has none.
        loss_weights: numbers in the same structure.
        metrics, weighted_metrics: a list of metrics for a single output; a list or dict by output of such lists.
        names: what the outputs in a list are called, where that is known beforehand.
    """

    kind = "metric"

    def __init__(self, loss: Any, loss_weights: Any, given_metrics: Any, weighted_metrics: Any, names: Any = None):
        self.name = "objective"
        self.tracker = metrics.Mean(name="loss")
        self._given = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": given_metrics,
            "weighted_metrics": weighted_metrics,
        }
        self._names = names
        self._losses: list[Any] | None = None  # by output, once outputs were seen
        self._loss_trackers: list[Any] = []
        self._metrics: list[Any] | None = None  # likewise: (output number, metric, whether it is weighted)

    @property
    def has_loss(self) -> bool:
        """Whether there is a loss on the outputs."""
        return bool(jax.tree.leaves(self._given["loss"]))

    def compute_loss(self, y: Any, y_pred: Any, sample_weight: Any) -> jax.Array:
        """The weighted sum of the losses of all outputs."""
        names = output_names(y_pred, self._names)
        if self._losses is None:
            self._resolve_losses(names)
        weights = by_output(self._given["loss_weights"], names, "loss_weights")
        outputs = by_output(y_pred, names, "outputs", arrays=True)
        targets = by_output(y, names, "targets", arrays=True)
        samples = by_output(sample_weight, names, "sample_weight", arrays=True)
        total: Any = 0.0
        values = []
        for name, loss, weight, target, output, sample in zip(
            names, self._losses or [], weights, targets, outputs, samples, strict=True
        ):
            if loss is None:
                continue
            if target is None:
                raise ValueError(f"The output {name!r} has a loss, and no target: y must have an entry for it.")
            value = loss(target, output, sample)
            values.append(value)
            total = total + (value if weight is None else weight * value)
        for tracker, value in zip(self._loss_trackers, values, strict=False):
            tracker.update_state(value, sample_weight=jax.tree.leaves(y_pred)[0].shape[0])
        return jnp.asarray(total)

    def _resolve_losses(self, names: list[str]) -> None:
        found = [_as_loss(one) for one in by_output(self._given["loss"], names, "loss")]
        if sum(one is not None for one in found) > 1:
            self._loss_trackers = [
                metrics.Mean(name=f"{name}_loss") for name, one in zip(names, found, strict=True) if one is not None
            ]
        self._losses = found

    def update_metrics(self, y: Any, y_pred: Any, sample_weight: Any) -> None:
        """Add a batch to every metric."""
        names = output_names(y_pred, self._names)
        targets = by_output(y, names, "targets", arrays=True)
        outputs = by_output(y_pred, names, "outputs", arrays=True)
        samples = by_output(sample_weight, names, "sample_weight", arrays=True)
        if self._metrics is None:
            found = list(self._resolve_metrics(names, targets, outputs))
            taken: dict[str, int] = {}
            for _, metric, _ in found:
                number = taken[metric.name] = taken.get(metric.name, -1) + 1
                metric.name = f"{metric.name}_{number}" if number else metric.name
            self._metrics = found
        for number, metric, weighted in self._metrics:
            if targets[number] is None:
                continue
            if weighted:
                metric.update_state(targets[number], outputs[number], sample_weight=samples[number])
            else:
                metric.update_state(targets[number], outputs[number])

    @property
    def compiled_metrics(self) -> list[Any]:
        """The losses by output and the metrics, as far as they are known: some need to see outputs first."""
        return [*self._loss_trackers, *(metric for _, metric, _ in self._metrics or [])]

    @property
    def is_resolved(self) -> bool:
        """Whether all metrics are known."""
        asked = [name for name in ("metrics", "weighted_metrics") if jax.tree.leaves(self._given[name])]
        several = self.has_loss and len(jax.tree.leaves(self._given["loss"])) > 1
        return (self._metrics is not None or not asked) and (self._losses is not None or not several)

    def _resolve_metrics(self, names: list[str], targets: list[Any], outputs: list[Any]) -> Iterator[Any]:
        for kind in ("metrics", "weighted_metrics"):
            given = self._given[kind]
            if given is None:
                continue
            if len(names) == 1 and not isinstance(given, dict):
                lists = [given if isinstance(given, list | tuple) else [given]]
            else:
                lists = by_output(given, names, kind)
            for number, some in enumerate(lists):
                for one in some if isinstance(some, list | tuple) else [some]:
                    if one is not None:
                        prefix = f"{names[number]}_" if len(names) > 1 else ""
                        yield number, as_metric(one, targets[number], outputs[number], prefix), kind != "metrics"


def _as_loss(identifier: Any) -> Any:
    loss = losses.get(identifier)
    return loss if loss is None or isinstance(loss, losses.Loss) else losses.LossFunctionWrapper(loss)


def as_metric(identifier: Any, y: Any, y_pred: Any, prefix: str = "") -> Any:
    """A metric from a name, function or object; `"accuracy"` is the kind that the outputs call for."""
    if isinstance(identifier, metrics.Metric):
        metric = identifier
    elif isinstance(identifier, str) and identifier in _BY_KIND:
        metric = _BY_KIND[identifier][_kind(y, y_pred)](name=identifier)
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


_ACCURACIES = (metrics.BinaryAccuracy, metrics.SparseCategoricalAccuracy, metrics.CategoricalAccuracy)
_CROSSENTROPIES = tuple(
    getattr(metrics, name, None)
    for name in ("BinaryCrossentropy", "SparseCategoricalCrossentropy", "CategoricalCrossentropy")
)
_BY_KIND: dict[str, Any] = {
    "accuracy": _ACCURACIES,
    "acc": _ACCURACIES,
    "crossentropy": _CROSSENTROPIES,
    "ce": _CROSSENTROPIES,
}


def _kind(y: Any, y_pred: Any) -> int:
    """0 for yes or no, 1 for class numbers, 2 for one-hot rows."""
    if y_pred.ndim == 0 or y_pred.shape[-1] == 1:
        return 0
    return 1 if y.ndim < y_pred.ndim or y.shape[-1] == 1 else 2
