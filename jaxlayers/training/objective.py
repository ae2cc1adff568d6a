"""The loss and the metrics that a model was compiled with, for outputs in any structure."""

from __future__ import annotations

import types
from collections.abc import Iterator
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
    in_given_order,
    is_leaf,
    items,
    numbered,
    output_names,
)


class Term(NamedTuple):
    """One loss of the sum.

    Attributes:
        place: the numbers of the outputs that it is of: one, or a structure of them for a loss of several at once.
        loss: a `Loss`, a function, or the name of either.
        weight: what it counts; None for 1.
        name: what its figure is called, in parts; None stands for the name of the loss.
    """

    place: Any
    loss: Any
    weight: Any
    name: tuple[Any, ...]


@keep_apart
class Objective(Tracked):
    """What `compile` was given to judge outputs by.

    Args:
        loss: a loss (or its name) for every output, or losses in the structure of the outputs: by places in lists, by
            keys or the names of outputs in dicts, None where there is none. A list in the place of an output, or a
            tuple in the place of a list of outputs (or the other way around), holds several losses for the same
            thing, and they are added up. A function in the place of several outputs is given all of them.
        loss_weights: numbers in the structure of `loss`, or by output.
        metrics, weighted_metrics: a list of metrics for a single output; a list or dict by output of such lists.
        names: what the outputs of a graph are called.

    Raises:
        ValueError: for the name of no loss.
    """

    _role = Role.METRIC

    def __init__(self, loss: Any, loss_weights: Any, given_metrics: Any, weighted_metrics: Any, names: Any = None):
        self.name = "objective"
        self.tracker = metrics.Mean(name="loss")
        asked = given_metrics is not None or weighted_metrics is not None
        self.metrics = CompiledMetrics(given_metrics, weighted_metrics, names) if asked else None
        self._given = types.SimpleNamespace(loss=loss, loss_weights=loss_weights)
        every = [one for one in jax.tree.leaves(loss, is_leaf=is_leaf) if one is not None]
        for one in every:
            if not _is_any_crossentropy(one):
                losses.get(one)  # an unknown name is told now, not in the first step
        strange = [one for one in jax.tree.leaves(loss_weights) if isinstance(one, str | losses.Loss | metrics.Metric)]
        if strange:
            raise ValueError(
                f"loss_weights must be numbers in the structure of the loss; received {strange[0]!r}. What is to be "
                "measured goes into metrics=."
            )
        self._number_of_losses = len(every)
        self._names = names
        self._terms: list[Term] | None = None  # known once outputs were seen
        self._loss_trackers: list[Any] = []

    @property
    def has_loss(self) -> bool:
        """Whether there is a loss on the outputs."""
        return self._number_of_losses > 0

    def compute_loss(self, y: Any, y_pred: Any, sample_weight: Any) -> jax.Array:
        """The weighted sum of all losses."""
        tree = numbered(y_pred)
        names, outputs = output_names(tree, self._names), jax.tree.leaves(y_pred)
        terms = _terms(self._given.loss, self._given.loss_weights, tree, names)
        targets = arrays_by_output(y, tree, names, "targets", _judged(terms))
        samples = arrays_by_output(sample_weight, tree, names, "sample_weight")
        if self._terms is None:
            self._terms = [term._replace(loss=_as_loss(term, targets, outputs)) for term in terms]
            if len(terms) > 1:
                called: dict[str, None] = {}
                for term in self._terms:
                    called[free_name(f"{_joined(term.name, term.loss.name)}_loss", called)] = None
                self._loss_trackers = [metrics.Mean(name=name) for name in called]
        total: Any = 0.0
        values = []
        for place, loss, weight, _ in self._terms:
            missing = [names[i] or i for i in jax.tree.leaves(place) if targets[i] is None]
            if missing:
                raise ValueError(f"The output {missing[0]!r} has a loss, and no target: y must have an entry for it.")
            target, output, sample = (_take(place, entries) for entries in (targets, outputs, samples))
            value = loss(target, output, sample)
            values.append(value)
            total = total + (value if weight is None else weight * value)
        for tracker, value in zip(self._loss_trackers, values, strict=False):
            tracker.update_state(value, sample_weight=outputs[0].shape[0])
        return jnp.asarray(total)

    def update_metrics(self, y: Any, y_pred: Any, sample_weight: Any) -> None:
        """Add a batch to every metric."""
        if self.metrics is not None:
            self.metrics.judged = _judged(self._terms or [])
            self.metrics.update_state(y, y_pred, sample_weight)

    @property
    def parts(self) -> list[Any]:
        """The metrics that it is made of: the loss, those of `compile` as one, the losses by output."""
        return [self.tracker, *([] if self.metrics is None else [self.metrics]), *self._loss_trackers]

    @property
    def is_resolved(self) -> bool:
        """Whether all metrics are known."""
        several = self._number_of_losses > 1 or (self.has_loss and len(self._names or ()) > 1)
        return (self.metrics is None or self.metrics.is_resolved) and (self._terms is not None or not several)


def _terms(loss: Any, weights: Any, tree: Any, names: list[Any]) -> list[Term]:
    """The losses that are asked for, with their weights, in the structure of the outputs and the order they came in."""
    if is_leaf(loss):
        loss = jax.tree.map(lambda _: loss, tree)
    elif isinstance(loss, dict) and not isinstance(tree, dict):
        loss = by_name(loss, names, "loss")
    found, structure = jax.tree.flatten(loss, is_leaf=is_leaf)
    beside, by_place = _weights(weights, len(found), tree, names)
    numbers = in_given_order(loss)
    found = [
        types.SimpleNamespace(loss=one, weight=w, number=n) for one, w, n in zip(found, beside, numbers, strict=True)
    ]

    def walk(given: Any, place: Any, path: tuple[Any, ...]) -> Iterator[tuple[int, Term]]:
        if is_leaf(given):
            if given.loss is not None:
                weight = given.weight if by_place is None or not is_leaf(place) else by_place[place]
                yield given.number, Term(place, given.loss, weight, _figure(path, place, names))
            return
        if isinstance(given, list | tuple):
            if len(given) == len(jax.tree.leaves(place)) and all(map(is_leaf, given)):
                given = jax.tree.unflatten(jax.tree.structure(place), given)
                if is_leaf(given):
                    yield from walk(given, place, path)
                    return
            elif not isinstance(place, list if isinstance(given, list) else tuple):
                for one in given:
                    yield from walk(one, place, path)
                return
        here = dict(items(place)) if not is_leaf(place) and isinstance(given, dict) == isinstance(place, dict) else {}
        for key, one in items(given):
            if key not in here:
                where = "/".join(map(str, (*path, key)))
                raise ValueError(
                    f"loss has an entry {where!r}, and the outputs there are {list(here) or 'a single one'}."
                )
            yield from walk(one, here[key], (*path, key))

    terms = walk(jax.tree.unflatten(structure, found), tree, ())
    return [term for _, term in sorted(terms, key=lambda entry: entry[0])]


def _weights(given: Any, count: int, tree: Any, names: list[Any]) -> tuple[list[Any], list[Any] | None]:
    """The weights of losses in their order; or, by output, where they were given so."""
    if is_leaf(given):
        return [given] * count, None
    found = jax.tree.leaves(given, is_leaf=is_leaf)
    if len(found) == count and (isinstance(tree, dict) or not isinstance(given, dict)):
        return found, None
    return [None] * count, by_output(given, tree, names, "loss_weights")


def _figure(path: tuple[Any, ...], place: Any, names: list[Any]) -> tuple[Any, ...]:
    """What a loss is called: the way to its outputs, with the name of an output for its number in a list."""
    if is_leaf(place):
        return path if path and not isinstance(path[-1], int) else (*path[:-1], names[place])
    if path:
        return path
    parts = list(place) if isinstance(place, dict) else names
    return (None if None in parts else "_".join(parts),)


def _joined(parts: tuple[Any, ...], name: str) -> str:
    return "/".join(name if part is None else str(part) for part in parts)


def _judged(terms: list[Term]) -> list[int]:
    """The numbers of the outputs that have a loss."""
    return sorted({number for term in terms for number in jax.tree.leaves(term.place)})


def _take(place: Any, entries: list[Any]) -> Any:
    """What there is for some outputs, in their structure; one thing, where it is the same for all of them."""
    numbers = jax.tree.leaves(place)
    first = entries[numbers[0]]
    if all(entries[number] is first for number in numbers):
        return first
    return jax.tree.map(lambda number: entries[number], place)


def _as_loss(term: Term, targets: list[Any], outputs: list[Any]) -> losses.Loss:
    given = term.loss
    if _is_any_crossentropy(given):
        loss = _CROSSENTROPIES[output_kind(_take(term.place, targets), _take(term.place, outputs))]
    else:
        loss = losses.get(given)
    if isinstance(loss, losses.Loss):
        return loss
    return losses.LossFunctionWrapper(loss, name=given if isinstance(given, str) else name_of(loss))


def _is_any_crossentropy(loss: Any) -> bool:
    return isinstance(loss, str) and loss.lower() in ("crossentropy", "ce")


_CROSSENTROPIES = (losses.binary_crossentropy, losses.sparse_categorical_crossentropy, losses.categorical_crossentropy)
