"""Weights of samples: from weights of classes, and for several outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxlayers.common.settings import floatx
from jaxlayers.data.batches import unpack_x_y_sample_weight


def weigh(batch: Any, class_weight: Any) -> Any:
    """A batch with sample weights by class; those it has already are multiplied.

    Args:
        batch: `(x, y)` or `(x, y, sample_weight)`.
        class_weight: a dict from class to weight, where a class that is missing weighs 1. The class is the integer in
            `y`, or its place in a one-hot row; each step of a sequence of one-hot rows has its own weight. For several
            outputs, a dict or list of such dicts in the structure of `y`, with None where nothing is to be weighed.

    Raises:
        ValueError: when there are no targets, or `class_weight` has another structure than they have.
    """
    x, y, sample_weight = unpack_x_y_sample_weight(batch)
    if y is None:
        raise ValueError("class_weight= needs targets: the data has no y.")
    return x, y, _weights(y, class_weight, sample_weight)


def _weights(y: Any, class_weight: Any, sample_weight: Any) -> Any:
    if not isinstance(y, dict | list | tuple):
        if not isinstance(class_weight, Mapping) or any(isinstance(key, str) for key in class_weight):
            raise ValueError(
                "class_weight must be a dict from class to weight, such as {0: 1.0, 1: 5.0}; received "
                f"{class_weight}."
            )
        return _combine(_of_classes(np.asarray(y), class_weight), sample_weight)
    keys = list(y) if isinstance(y, dict) else list(range(len(y)))
    given = class_weight if isinstance(class_weight, dict) else dict(enumerate(class_weight))
    if not set(given) <= set(keys) or not all(one is None or isinstance(one, Mapping) for one in given.values()):
        raise ValueError(
            f"With several outputs, class_weight must have a dict from class to weight for each of {keys}; received "
            f"{class_weight}."
        )
    several = isinstance(sample_weight, dict | list | tuple)
    found = {}
    for key in keys:
        own = _entry(sample_weight, key) if several else sample_weight
        found[key] = own if given.get(key) is None else _weights(y[key], given[key], own)
    return found if isinstance(y, dict) else [found[key] for key in keys]


def _entry(given: Any, key: Any) -> Any:
    return given.get(key) if isinstance(given, dict) else given[key]


def _of_classes(labels: np.ndarray, class_weight: Mapping[Any, float]) -> np.ndarray:
    """The weight of each label `[batch, ...]`, of one-hot rows `[batch, ..., class]` too."""
    if labels.ndim > 1:
        labels = labels[..., 0] if labels.shape[-1] == 1 else labels.argmax(-1)
    classes, where = np.unique(np.round(labels).astype("int64"), return_inverse=True)
    table = np.array([class_weight.get(int(label), 1.0) for label in classes], floatx())
    return table[where].reshape(labels.shape)


def _combine(weights: np.ndarray, sample_weight: Any) -> np.ndarray:
    """Weights of classes times those of samples."""
    if sample_weight is None:
        return weights
    given = np.asarray(sample_weight, floatx())
    if given.ndim > weights.ndim and given.shape[-1] == 1:
        given = given[..., 0]
    if given.ndim < weights.ndim:
        given = given.reshape(given.shape + (1,) * (weights.ndim - given.ndim))
    elif given.ndim > weights.ndim:
        weights = weights.reshape(weights.shape + (1,) * (given.ndim - weights.ndim))
    return weights * given


def check_sample_weight(y: Any, sample_weight: Any) -> None:
    """See whether weights fit the outputs.

    Raises:
        ValueError: when several outputs have one array with more than a weight for each sample, or weights in another
            structure than theirs.
    """
    if not isinstance(y, dict | list | tuple) or sample_weight is None:
        return
    if not isinstance(sample_weight, dict | list | tuple):
        shape = np.shape(sample_weight)
        if len(y) > 1 and not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
            raise ValueError(
                f"With several outputs, one array of sample weights must have the shape (samples,); received {shape}. "
                "Pass an array for each output to weigh more than whole samples."
            )
        return
    keys, given = (set(one if isinstance(one, dict) else range(len(one))) for one in (y, sample_weight))
    if not given <= keys or (not isinstance(y, dict) and given != keys):
        raise ValueError(
            f"sample_weight must have an array for each output {sorted(keys, key=str)}; received "
            f"{sorted(given, key=str)}."
        )
