"""The metrics that a model was compiled with, for outputs in any structure: one metric, of a dict of figures."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from typing import Any

import jax

from jaxlayers import metrics
from jaxlayers.common.settings import free_name, to_snake_case
from jaxlayers.training.outputs import arrays_by_output, by_output, is_leaf, numbered, output_names


class CompiledMetrics(metrics.Metric):
    """All compiled metrics in one, as in Keras: `update_state(y, y_pred)` gives each the outputs it is for.

    Which metrics there are is known when outputs have been seen: names such as `"accuracy"` wait for them.

    Args:
        given: what `compile` was given as `metrics`.
        weighted: what it was given as `weighted_metrics`.
        names: what the outputs of a graph are called.
    """

    def __init__(self, given: Any, weighted: Any, names: list[str] | None):
        super().__init__(name="compile_metrics")
        self._asked = types.SimpleNamespace(metrics=given, weighted_metrics=weighted)  # where nobody looks for metrics
        self._output_names = names
        self.judged: list[int] = []  # the numbers of the outputs that have a loss
        self._entries: list[tuple[int, Any, bool, str]] | None = None  # output, metric, whether weighted, figure

    @property
    def is_resolved(self) -> bool:
        """Whether all metrics are known."""
        return self._entries is not None

    @property
    def metrics(self) -> list[Any]:
        """The metrics, as far as they are known."""
        return [metric for _, metric, _, _ in self._entries or ()]

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """The metrics by the names of their figures."""
        for _, metric, _, figure in self._entries or ():
            yield figure, metric

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch to every metric."""
        tree = numbered(y_pred)
        names, outputs = output_names(tree, self._output_names), jax.tree.leaves(y_pred)
        targets = arrays_by_output(y_true, tree, names, "targets", self.judged)
        samples = arrays_by_output(sample_weight, tree, names, "sample_weight")
        if self._entries is None:
            self._entries = list(self._resolve(tree, names, targets, outputs))
        for number, metric, weighted, _ in self._entries:
            if targets[number] is None:
                continue
            if weighted:
                metric.update_state(targets[number], outputs[number], sample_weight=samples[number])
            else:
                metric.update_state(targets[number], outputs[number])

    def result(self) -> dict[str, Any]:
        """The figures by name."""
        return {figure: metric.result() for _, metric, _, figure in self._entries or ()}

    def reset_state(self) -> None:
        """Forget everything, also in metrics that were used before."""
        given = jax.tree.leaves(vars(self._asked), is_leaf=is_leaf)
        for metric in self.metrics if self.is_resolved else given:
            if isinstance(metric, metrics.Metric):
                metric.reset_state()

    def _resolve(self, tree: Any, names: list[Any], targets: list[Any], outputs: list[Any]) -> Iterator[Any]:
        taken: set[str] = set()
        for what, given in vars(self._asked).items():
            lists = [given] if len(names) == 1 else by_output(given, tree, names, what)
            for number, some in enumerate(lists):
                prefix = f"{names[number]}_" if len(names) > 1 and names[number] else ""
                for one in jax.tree.leaves(some, is_leaf=is_leaf):
                    if one is None:
                        continue
                    metric, weighted = as_metric(one, targets[number], outputs[number]), what == "weighted_metrics"
                    again = weighted and prefix + metric.name in taken
                    figure = f"{prefix}weighted_{metric.name}" if again else f"{prefix}{metric.name}"
                    figure = free_name(figure, taken)
                    taken.add(figure)
                    yield number, metric, weighted, figure


def single_metrics(several: list[Any]) -> list[Any]:
    """Metrics, with those in the place of the compiled ones that they are made of."""
    return [one for metric in several for one in (metric.metrics if isinstance(metric, CompiledMetrics) else [metric])]


def as_metric(identifier: Any, y: Any, y_pred: Any) -> Any:
    """A metric from a name, function or object; `"accuracy"` is the kind that the outputs call for.

    Raises:
        TypeError: for one that does not compare predictions with targets, as `Mean`.
    """
    if isinstance(identifier, metrics.Metric):
        takes = list(inspect.signature(identifier.update_state).parameters)
        if takes[1:2] == ["sample_weight"]:
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
    """0 for yes or no, 1 for class numbers, 2 for one-hot rows."""
    if y_pred.ndim == 0 or y_pred.shape[-1] == 1:
        return 0
    return 1 if y.ndim < y_pred.ndim or y.shape[-1] == 1 else 2


def name_of(function: Any) -> str:
    """What the figure of a function is called."""
    return getattr(function, "name", None) or to_snake_case(getattr(function, "__name__", type(function).__name__))
