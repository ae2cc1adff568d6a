"""The loss and the metrics that a model is compiled with, for outputs in any structure.

`compile` may name losses before the outputs of the model are known. The first call of `compute_loss` resolves them into
a list of terms: each term is one loss, the outputs it is for, and its weight.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxlayers import losses, metrics
from jaxlayers.common.settings import free_name
from jaxlayers.core.protocols import Role
from jaxlayers.core.tracking import Tracked, keep_apart
from jaxlayers.training.compiled_metrics import CompiledMetrics, name_of, output_kind
from jaxlayers.training.outputs import (
    arrays_by_output,
    by_name,
    by_output,
    is_leaf,
    items,
    number_leaves,
    output_names,
)


class Term(NamedTuple):
    """One term of the total loss.

    Attributes:
        outputs: the number of its output; or a structure of numbers, for a loss of several outputs at once.
        loss: a `Loss`, a function, or the name of either.
        weight: the factor of the term; None for 1.
        name: the parts of the name under which it is reported; None stands for the name of the loss.
    """

    outputs: Any
    loss: Any
    weight: Any
    name: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class _Entry:
    """A loss as `compile` received it, with its weight."""

    loss: Any
    weight: Any


@keep_apart
class Objective(Tracked):
    """The losses and metrics that `compile` received.

    Args:
        loss: a loss (or its name) for every output; or losses in the structure of the outputs, in a list, or in a dict
            keyed by the names of the outputs, with None for an output without a loss. A list for a single output, or a
            tuple for a list of outputs (or a list for a tuple), holds several losses of the same outputs, and they are
            added up. A function for several outputs is called with all of them.
        loss_weights: numbers in the structure of `loss`, or by output.
        given_metrics: a list of metrics for a single output; for several outputs a list or dict of such lists.
        weighted_metrics: like `given_metrics`, for the metrics that use the sample weights.
        names: the names of the outputs, if the model knows them.

    Attributes:
        takes_classes: True if the targets of every loss are integers, and not one-hot rows.

    Raises:
        ValueError: if the name of a loss is unknown, or a loss weight is no number.
    """

    _variable_role = Role.METRIC

    def __init__(self, loss: Any, loss_weights: Any, given_metrics: Any, weighted_metrics: Any, names: Any = None):
        self.name = "objective"
        self.tracker = metrics.Mean(name="loss")
        has_metrics = given_metrics is not None or weighted_metrics is not None
        self.metrics = CompiledMetrics(given_metrics, weighted_metrics, names) if has_metrics else None
        # Tracking does not look into a namespace: metrics in it are tracked once they are part of a term.
        self._arguments = types.SimpleNamespace(loss=loss, loss_weights=loss_weights)
        single_losses = [leaf for leaf in jax.tree.leaves(loss, is_leaf=is_leaf) if leaf is not None]
        # This raises for an unknown name now, not in the first step.
        known = [
            None if _is_generic_crossentropy(single_loss) else losses.get(single_loss) for single_loss in single_losses
        ]
        self.takes_classes = bool(known) and all(map(_is_of_classes, known))
        kinds = str | losses.Loss | metrics.Metric
        wrong = [weight for weight in jax.tree.leaves(loss_weights) if isinstance(weight, kinds)]
        if wrong:
            raise ValueError(
                f"loss_weights must be numbers in the structure of the loss; received {wrong[0]!r}. Pass metrics as "
                "metrics=."
            )
        self._number_of_losses = len(single_losses)
        self._names = names
        self._terms: list[Term] | None = None  # known after the first call of compute_loss
        self._loss_trackers: list[Any] = []

    @property
    def has_loss(self) -> bool:
        """True if there is a loss on the outputs."""
        return self._number_of_losses > 0

    def compute_loss(self, y: Any, y_pred: Any, sample_weight: Any) -> jax.Array:
        """Return the weighted sum of all losses, and update the means of the single ones."""
        tree = number_leaves(y_pred)
        names, outputs = output_names(tree, self._names), jax.tree.leaves(y_pred)
        terms = _make_terms(self._arguments.loss, self._arguments.loss_weights, tree, names)
        targets = arrays_by_output(y, tree, names, "targets", _outputs_with_loss(terms))
        samples = arrays_by_output(sample_weight, tree, names, "sample_weight")
        if self._terms is None:
            self._terms = [term._replace(loss=_as_loss(term, targets, outputs)) for term in terms]
            if len(terms) > 1:
                tracker_names: dict[str, None] = {}
                for term in self._terms:
                    name = "/".join(term.loss.name if part is None else str(part) for part in term.name)
                    tracker_names[free_name(f"{name}_loss", tracker_names)] = None
                self._loss_trackers = [metrics.Mean(name=name) for name in tracker_names]
                for tracker in self._loss_trackers:
                    tracker._direction = "down"
        total: Any = 0.0
        values = []
        for numbers, loss, weight, _ in self._terms:
            missing = [names[i] or i for i in jax.tree.leaves(numbers) if targets[i] is None]
            if missing:
                raise ValueError(
                    f"The output {missing[0]!r} has a loss but no target. Add an entry for it to y, or set its loss to "
                    "None."
                )
            target, output, weights = (_gather(numbers, entries) for entries in (targets, outputs, samples))
            value = loss(target, output, weights)
            values.append(value)
            total = total + (value if weight is None else weight * value)
        for tracker, value in zip(self._loss_trackers, values, strict=False):
            tracker.update_state(value, sample_weight=outputs[0].shape[0])
        return jnp.asarray(total)

    def update_metrics(self, y: Any, y_pred: Any, sample_weight: Any) -> None:
        """Add a batch to every metric."""
        if self.metrics is not None:
            self.metrics.outputs_with_loss = _outputs_with_loss(self._terms or [])
            self.metrics.update_state(y, y_pred, sample_weight)

    @property
    def parts(self) -> list[Any]:
        """The metrics: the mean of the loss, the metrics of `compile` as one, and the means of the single losses."""
        return [self.tracker, *([] if self.metrics is None else [self.metrics]), *self._loss_trackers]

    @property
    def is_resolved(self) -> bool:
        """True if all metrics are known. Some depend on the outputs, and are known after the first batch only."""
        has_loss_metrics = self._number_of_losses > 1 or (self.has_loss and len(self._names or ()) > 1)
        if has_loss_metrics and self._terms is None:
            return False
        return self.metrics is None or self.metrics.is_resolved


def _make_terms(loss: Any, loss_weights: Any, tree: Any, names: list[Any]) -> list[Term]:
    """Return the terms of the total loss, in the order in which the losses were written.

    Args:
        loss: the losses as `compile` received them.
        loss_weights: their weights as `compile` received them.
        tree: the numbered structure of the outputs.
        names: the names of the outputs.
    """
    if is_leaf(loss):
        loss = jax.tree.map(lambda _: loss, tree)
    elif isinstance(loss, dict) and not isinstance(tree, dict):
        loss = by_name(loss, names, "loss")
    of_loss, of_output = _weights(loss_weights, len(jax.tree.leaves(loss, is_leaf=is_leaf)), tree, names)
    terms = []
    for entry, outputs, path in _assign_losses(_with_weights(loss, iter(of_loss)), tree, ()):
        weight = entry.weight if of_output is None or not is_leaf(outputs) else of_output[outputs]
        terms.append(Term(outputs, entry.loss, weight, _term_name(path, outputs, names)))
    return terms


def _with_weights(losses: Any, weights: Iterator[Any]) -> Any:
    """Return the losses with an entry for each; the weights come in the order in which JAX flattens the losses."""
    if is_leaf(losses):
        return _Entry(losses, next(weights))
    entries = {key: _with_weights(part, weights) for key, part in items(losses)}
    if isinstance(losses, dict):
        return {key: entries[key] for key in losses}  # in the order in which the dict was written
    return list(entries.values()) if isinstance(losses, list) else tuple(entries.values())


def _assign_losses(losses: Any, tree: Any, path: tuple[Any, ...]) -> Iterator[tuple[_Entry, Any, tuple[Any, ...]]]:
    """Yield each loss, in the order in which it was written, with the outputs it is for and the path to them."""
    if not is_leaf(losses):
        for part, below, path_below in _pair_children(losses, tree, path):
            yield from _assign_losses(part, below, path_below)
    elif losses.loss is not None:
        yield losses, tree, path


def _pair_children(losses: Any, tree: Any, path: tuple[Any, ...]) -> list[tuple[Any, Any, tuple[Any, ...]]]:
    """Return each entry of a container of losses with the outputs it is for and the path to them."""
    if isinstance(losses, list | tuple):
        if len(losses) == len(jax.tree.leaves(tree)) and all(map(is_leaf, losses)):
            losses = jax.tree.unflatten(jax.tree.structure(tree), losses)  # one loss for each output
            if is_leaf(losses):
                return [(losses, tree, path)]
        elif not isinstance(tree, list if isinstance(losses, list) else tuple):
            return [(loss, tree, path) for loss in losses]  # several losses of the same outputs
    children = dict(items(tree)) if not is_leaf(tree) and isinstance(losses, dict) == isinstance(tree, dict) else {}
    parts = list(losses.items() if isinstance(losses, dict) else enumerate(losses))
    for key, _ in parts:
        if key not in children:
            raise ValueError(
                f"loss has an entry {'/'.join(map(str, (*path, key)))!r}, but the outputs there are "
                f"{list(children) or 'a single one'}."
            )
    return [(loss, children[key], (*path, key)) for key, loss in parts]


def _weights(loss_weights: Any, count: int, tree: Any, names: list[Any]) -> tuple[list[Any], list[Any] | None]:
    """Return the weight of each loss; and the weight of each output, if the weights are given by output."""
    if is_leaf(loss_weights):
        return [loss_weights] * count, None
    leaves = jax.tree.leaves(loss_weights, is_leaf=is_leaf)
    if len(leaves) == count and (isinstance(tree, dict) or not isinstance(loss_weights, dict)):
        return leaves, None
    return [None] * count, by_output(loss_weights, tree, names, "loss_weights")


def _term_name(path: tuple[Any, ...], outputs: Any, names: list[Any]) -> tuple[Any, ...]:
    """Return the parts of a term's name: the path to its outputs, with the name of an output instead of an index."""
    if is_leaf(outputs):
        return path if path and not isinstance(path[-1], int) else (*path[:-1], names[outputs])
    if path:
        return path
    parts = list(outputs) if isinstance(outputs, dict) else names
    return (None if None in parts else "_".join(parts),)


def _outputs_with_loss(terms: list[Term]) -> list[int]:
    """Return the numbers of the outputs that have a loss."""
    return sorted({number for term in terms for number in jax.tree.leaves(term.outputs)})


def _gather(numbers: Any, entries: list[Any]) -> Any:
    """Return the entries of some outputs in their structure; a single entry if it is the same for all of them."""
    leaves = jax.tree.leaves(numbers)
    first = entries[leaves[0]]
    if all(entries[number] is first for number in leaves):
        return first
    return jax.tree.map(lambda number: entries[number], numbers)


def _as_loss(term: Term, targets: list[Any], outputs: list[Any]) -> losses.Loss:
    """Return the loss of a term as an object; `"crossentropy"` becomes the kind that the output calls for."""
    if _is_generic_crossentropy(term.loss):
        loss = _CROSSENTROPIES[output_kind(_gather(term.outputs, targets), _gather(term.outputs, outputs))]
    else:
        loss = losses.get(term.loss)
    if isinstance(loss, losses.Loss):
        return loss
    return wrap_function(loss, name=term.loss if isinstance(term.loss, str) else name_of(loss))


def wrap_function(function: Callable[..., Any], name: str) -> losses.Loss:
    """Return the `Loss` of a function; for a function of the library, an object of its class with default options.

    The class knows what the function does not tell: whether labels are cast, and what becomes of masks.
    """
    classes = (cls for known, cls in _classes_of_functions() if known is function)
    cls: Any = next(classes, functools.partial(losses.LossFunctionWrapper, function))
    return cls(name=name)


@functools.cache
def _classes_of_functions() -> list[tuple[Callable[..., Any], type[losses.LossFunctionWrapper]]]:
    """Return the loss functions of the library, each with its class."""
    classes = {
        cls: None
        for cls in vars(losses).values()
        if isinstance(cls, type) and issubclass(cls, losses.LossFunctionWrapper)
    }
    del classes[losses.LossFunctionWrapper]
    return [(cls().fn, cls) for cls in classes]  # type: ignore[call-arg]


def _is_generic_crossentropy(loss: Any) -> bool:
    """True for the names that stand for the crossentropy of any kind of output."""
    return isinstance(loss, str) and loss.lower() in ("crossentropy", "ce")


def _is_of_classes(loss: Any) -> bool:
    """True for the crossentropies of integers, as objects or as functions of the library."""
    functions = (losses.sparse_categorical_crossentropy, losses.categorical_generalized_cross_entropy)
    classes = losses.SparseCategoricalCrossentropy | losses.CategoricalGeneralizedCrossEntropy
    return isinstance(loss, classes) or any(loss is function for function in functions)


_CROSSENTROPIES = (losses.binary_crossentropy, losses.sparse_categorical_crossentropy, losses.categorical_crossentropy)
