"""Weights of samples: made from weights of classes, and checked against several outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxlayers.common.settings import floatx
from jaxlayers.data.batches import unpack_x_y_sample_weight


def weigh(batch: Any, class_weight: Any, has_classes: bool = False) -> Any:
    """Return a batch whose samples are weighted by class. Weights that the samples already have are multiplied by it.

    Args:
        batch: `(x, y)` or `(x, y, sample_weight)`.
        class_weight: a dict from class to weight; a class without an entry has the weight 1. The class of a sample is
            the integer in `y`, or the index of the one in a one-hot row. Each time step of a sequence of one-hot rows
            has a weight of its own. For several outputs, a dict or list of such dicts in the structure of `y`, with
            None for an output without class weights.
        has_classes: if True, all targets are known to be integers, one for each sample or time step. By default, the
            last axis of a target is that of one-hot rows, unless it has the size 1.

    Raises:
        ValueError: if there are no targets, `class_weight` has another structure than the targets, or targets are
            neither integers of samples nor one-hot rows.
    """
    x, y, sample_weight = unpack_x_y_sample_weight(batch)
    if y is None:
        raise ValueError("class_weight= needs targets: the data has no y.")
    return x, y, _weights(y, class_weight, sample_weight, has_classes)


def _weights(y: Any, class_weight: Any, sample_weight: Any, has_classes: bool) -> Any:
    if not isinstance(y, dict | list | tuple):
        if not isinstance(class_weight, Mapping) or any(isinstance(key, str) for key in class_weight):
            raise ValueError(
                "class_weight must be a dict from class to weight, such as {0: 1.0, 1: 5.0}; received "
                f"{class_weight}."
            )
        return _combine(_of_classes(np.asarray(y), class_weight, has_classes), sample_weight)
    keys = list(y) if isinstance(y, dict) else list(range(len(y)))
    by_key = class_weight if isinstance(class_weight, dict) else dict(enumerate(class_weight))
    are_mappings = all(weight is None or isinstance(weight, Mapping) for weight in by_key.values())
    if not set(by_key) <= set(keys) or not are_mappings:
        raise ValueError(
            f"With several outputs, class_weight must have a dict from class to weight for each of {keys}; received "
            f"{class_weight}."
        )
    weights = {}
    for key in keys:
        of_output = sample_weight
        if isinstance(sample_weight, dict | list | tuple):
            of_output = sample_weight.get(key) if isinstance(sample_weight, dict) else sample_weight[key]
        if by_key.get(key) is not None:
            of_output = _weights(y[key], by_key[key], of_output, has_classes)
        weights[key] = of_output
    return weights if isinstance(y, dict) else [weights[key] for key in keys]


def _of_classes(labels: np.ndarray, class_weight: Mapping[Any, float], has_classes: bool) -> np.ndarray:
    """Return the weight of each label; labels are `[batch, ...]`, or one-hot rows `[batch, ..., class]`."""
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    elif labels.ndim > 1 and not has_classes:
        sums = labels.sum(-1, dtype="float32")  # a row of zeros may pad a sequence
        is_padding = (sums == 0) & (labels.ndim > 2 and labels.dtype.kind == "f")
        if (labels < 0).any() or not (is_padding | (abs(sums - 1) < 1e-2)).all():
            raise ValueError(
                f"class_weight= needs the class of each sample [batch], or one-hot rows [batch, ..., class]; received "
                f"targets of shape {labels.shape} with rows that do not sum to 1. If they are the classes of time "
                "steps, give them a last axis of size 1: y[..., None]. Otherwise pass sample_weight=."
            )
        labels = labels.argmax(-1)
    classes, indices = np.unique(np.round(labels).astype("int64"), return_inverse=True)
    weights = np.array([class_weight.get(int(label), 1.0) for label in classes], floatx())
    return weights[indices].reshape(labels.shape)


def _combine(weights: np.ndarray, sample_weight: Any) -> np.ndarray:
    """Multiply the weights of classes by those of samples, with axes of size 1 added at the end of the smaller rank."""
    if sample_weight is None:
        return weights
    of_samples = np.asarray(sample_weight, floatx())
    if of_samples.ndim > weights.ndim and of_samples.shape[-1] == 1:
        of_samples = of_samples[..., 0]
    rank = max(weights.ndim, of_samples.ndim)
    weights, of_samples = (array.reshape(array.shape + (1,) * (rank - array.ndim)) for array in (weights, of_samples))
    return weights * of_samples


def check_sample_weight(y: Any, sample_weight: Any) -> None:
    """Check that sample weights match the outputs.

    Raises:
        ValueError: if there are several outputs, and `sample_weight` is one array with more than one weight for each
            sample, or has another structure than the outputs.
    """
    if not isinstance(y, dict | list | tuple) or sample_weight is None:
        return
    if not isinstance(sample_weight, dict | list | tuple):
        shape = np.shape(sample_weight)
        if len(y) > 1 and not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
            raise ValueError(
                f"With several outputs, one array of sample weights must have the shape (samples,); received {shape}. "
                "To weight time steps, pass an array for each output."
            )
        return
    keys, weight_keys = (set(tree if isinstance(tree, dict) else range(len(tree))) for tree in (y, sample_weight))
    if not weight_keys <= keys or (not isinstance(y, dict) and weight_keys != keys):
        raise ValueError(
            f"sample_weight must have an array for each output {sorted(keys, key=str)}; received "
            f"{sorted(weight_keys, key=str)}."
        )
