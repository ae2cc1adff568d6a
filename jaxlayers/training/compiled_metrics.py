"""The metrics that a model is compiled with, as one metric whose result is a dict, for outputs in any structure."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax

from jaxlayers import metrics
from jaxlayers.common.settings import free_name, to_snake_case
from jaxlayers.training.outputs import arrays_by_output, by_output, is_leaf, number_leaves, output_names


class CompiledMetrics(metrics.Metric):
    """All compiled metrics as one, as in Keras: `update_state(y, y_pred)` updates each with the outputs it is for.

    The metrics are known after the first batch only, because a name such as `"accuracy"` stands for a different metric
    for each kind of output.

    Args:
        unweighted: the `metrics` of `compile`.
        weighted: the `weighted_metrics` of `compile`.
        names: the names of the outputs, if the model knows them.
    """

    def __init__(self, unweighted: Any, weighted: Any, names: list[str] | None):
        super().__init__(name="compile_metrics")
        # Tracking does not look into a namespace: the metrics are tracked once they are resolved.
        self._arguments = types.SimpleNamespace(metrics=unweighted, weighted_metrics=weighted)
        self._output_names = names
        self.outputs_with_loss: list[int] = []  # the numbers of these outputs
        self._entries: list[_Entry] | None = None

    @property
    def is_resolved(self) -> bool:
        """True if all metrics are known, or there are none: a `train_step` without metrics may not update them."""
        return self._entries is not None or not jax.tree.leaves(vars(self._arguments), is_leaf=_is_metric)

    @property
    def metrics(self) -> list[Any]:
        """The metrics; an empty list before the first batch."""
        return [entry.metric for entry in self._entries or ()]

    @property
    def by_name(self) -> dict[str, Any]:
        """The metrics by the names under which they are reported; an empty dict before the first batch."""
        return {entry.name: entry.metric for entry in self._entries or ()}

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """The metrics, by the names under which they are reported."""
        for entry in self._entries or ():
            yield entry.name, entry.metric

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch to every metric."""
        tree = number_leaves(y_pred)
        names, outputs = output_names(tree, self._output_names), jax.tree.leaves(y_pred)
        targets = arrays_by_output(y_true, tree, names, "targets", self.outputs_with_loss)
        samples = arrays_by_output(sample_weight, tree, names, "sample_weight")
        if self._entries is None:
            self._entries = list(self._resolve(tree, names, targets, outputs))
        for entry in self._entries:
            target, output = targets[entry.output], outputs[entry.output]
            if target is None:
                continue
            if entry.is_weighted:
                entry.metric.update_state(target, output, sample_weight=samples[entry.output])
            else:
                entry.metric.update_state(target, output)

    def result(self) -> dict[str, Any]:
        """Return the result of each metric by name."""
        return {entry.name: entry.metric.result() for entry in self._entries or ()}

    def reset_state(self) -> None:
        """Reset every metric, including metric objects that another model has used before."""
        arguments = jax.tree.leaves(vars(self._arguments), is_leaf=is_leaf)
        for metric in self.metrics if self.is_resolved else arguments:
            if isinstance(metric, metrics.Metric):
                metric.reset_state()

    def _resolve(self, tree: Any, names: list[Any], targets: list[Any], outputs: list[Any]) -> Iterator[_Entry]:
        """Yield an entry for each metric, under a name that no other has."""
        taken: set[str] = set()
        for argument, value in vars(self._arguments).items():
            is_weighted = argument == "weighted_metrics"
            value = None if isinstance(value, list | tuple | dict) and not value else value  # as in Keras
            metrics_of = [value] if len(names) == 1 else by_output(value, tree, names, argument)
            for output, of_output in enumerate(metrics_of):
                prefix = f"{names[output]}_" if len(names) > 1 and names[output] else ""
                for identifier in jax.tree.leaves(of_output, is_leaf=is_leaf):
                    if identifier is None:
                        continue
                    metric = as_metric(identifier, targets[output], outputs[output])
                    is_repeated = is_weighted and prefix + metric.name in taken
                    name = free_name(f"{prefix}{'weighted_' if is_repeated else ''}{metric.name}", taken)
                    taken.add(name)
                    yield _Entry(output, metric, is_weighted, name)


def _is_metric(leaf: Any) -> bool:
    return leaf is not None and is_leaf(leaf)


class _Entry(NamedTuple):
    """A metric, the number of its output, and the name under which it is reported."""

    output: int
    metric: Any
    is_weighted: bool
    name: str


def single_metrics(model_metrics: list[Any]) -> list[Any]:
    """Return the metrics of a model, with the single compiled metrics instead of the `CompiledMetrics`."""
    singles: list[Any] = []
    for metric in model_metrics:
        singles += metric.metrics if isinstance(metric, CompiledMetrics) else [metric]
    return singles


def as_metric(identifier: Any, y: Any, y_pred: Any) -> Any:
    """Return a metric from a name, function or metric object.

    The names `"accuracy"` and `"crossentropy"` stand for the kind of metric that the outputs call for.

    Args:
        identifier: the name, function or object.
        y: the targets of a batch.
        y_pred: the outputs of a batch.

    Raises:
        TypeError: if the metric, such as `Mean`, does not compare predictions with targets.
    """
    if isinstance(identifier, metrics.Metric):
        parameters = list(inspect.signature(identifier.update_state).parameters)
        if parameters[1:2] == ["sample_weight"]:
            raise TypeError(
                f"The metric {identifier.name!r} takes values, and no targets to compare them with. Update it in "
                "call() or in a train_step of your own, or wrap a function: MeanMetricWrapper(lambda y, y_pred: ...)."
            )
        return identifier
    if isinstance(identifier, str) and identifier.lower() in _BY_KIND:
        return _BY_KIND[identifier.lower()][output_kind(y, y_pred)](name=identifier)
    metric = metrics.get(identifier)
    if not isinstance(metric, metrics.Metric):
        metric = metrics.MeanMetricWrapper(metric, name=name_of(metric))
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


_BY_KIND: dict[str, Any] = {
    **dict.fromkeys(
        ("accuracy", "acc"),
        (metrics.BinaryAccuracy, metrics.SparseCategoricalAccuracy, metrics.CategoricalAccuracy),
    ),
    **dict.fromkeys(
        ("crossentropy", "ce"),
        (metrics.BinaryCrossentropy, metrics.SparseCategoricalCrossentropy, metrics.CategoricalCrossentropy),
    ),
}


def output_kind(y: Any, y_pred: Any) -> int:
    """Return the kind of the targets: 0 for binary labels, 1 for class indices, 2 for one-hot rows."""
    if y_pred.ndim == 0 or y_pred.shape[-1] == 1:
        return 0
    return 1 if y.ndim < y_pred.ndim or y.shape[-1] == 1 else 2


def name_of(function: Any) -> str:
    """Return the name under which the metric or loss of a function is reported."""
    return getattr(function, "name", None) or to_snake_case(getattr(function, "__name__", type(function).__name__))
