"""Accuracies: the share of predictions that are right."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.settings import is_float
from jaxlayers.metrics._reduction import NamedMean
from jaxlayers.numerics.types import wide
from jaxlayers.samplewise.functions import class_indices, classes_and_scores, equal_shapes, samplewise


@samplewise(prepare=equal_shapes)
def accuracy(y_true: Any, y_pred: Any) -> jax.Array:
    """Accuracy: 1 where y_true = y_pred, 0 elsewhere.

    Args:
        y_true: labels, [batch, ...].
        y_pred: predictions, of the shape of `y_true`.

    Returns:
        Values 0 and 1, [batch, ...].

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> from jaxlayers.metrics import Accuracy
        >>> float(Accuracy()([1, 2, 3, 4], [0, 2, 3, 4]))
        0.75
    """
    if is_float(y_true.dtype) or is_float(y_pred.dtype):  # a cast of integers to half precision would change them
        y_true, y_pred = wide(y_true), wide(y_pred)
    return y_true == y_pred


@samplewise(prepare=equal_shapes)
def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> jax.Array:
    """Binary accuracy: 1 where the label equals (y_pred > threshold), 0 elsewhere.

    Args:
        y_true: labels 0 and 1, [batch, ...].
        y_pred: scores, of the shape of `y_true`.
        threshold: a score above it predicts 1; 0.5 by default.

    Returns:
        Values 0 and 1, [batch, ...].

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> from jaxlayers import metrics
        >>> metrics.binary_accuracy([[1], [1], [0]], [[0.9], [0.2], [0.4]]).tolist()
        [[1.0], [0.0], [1.0]]
    """
    return y_true == (y_pred > threshold).astype(y_true.dtype)


@samplewise(prepare=classes_and_scores)
def categorical_accuracy(y_true: Any, y_pred: Any) -> jax.Array:
    """Categorical accuracy: 1 where argmax(y_true) = argmax(y_pred) over the last axis, 0 elsewhere.

    Args:
        y_true: labels, one-hot or probabilities, [batch, ..., classes].
        y_pred: scores, of the shape of `y_true`.

    Returns:
        Values 0 and 1, [batch, ...].

    Raises:
        ValueError: if the shapes do not fit each other.

    Example:
        >>> from jaxlayers import metrics
        >>> metrics.categorical_accuracy([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]]).tolist()
        [0.0, 1.0]
    """
    return _agree("categorical_accuracy", jnp.argmax(y_true, axis=-1), y_pred)


@samplewise(prepare=classes_and_scores)
def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> jax.Array:
    """Categorical accuracy of class indices: 1 where y_true = argmax(y_pred) over the last axis, 0 elsewhere.

    Args:
        y_true: class indices, [batch, ...] or [batch, ..., 1].
        y_pred: scores, [batch, ..., classes].

    Returns:
        Values 0 and 1, [batch, ...].

    Raises:
        ValueError: if the shapes do not fit each other.

    Example:
        >>> from jaxlayers import metrics
        >>> metrics.sparse_categorical_accuracy([2, 1], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]]).tolist()
        [0.0, 1.0]
    """
    matches = _agree("sparse_categorical_accuracy", y_true, y_pred)
    return matches[..., 0] if matches.ndim > 1 and matches.shape[-1] == 1 else matches


@samplewise("k", prepare=classes_and_scores)
def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> jax.Array:
    """Top-k accuracy: 1 where fewer than k classes have a higher score than the true class, 0 elsewhere.

    Args:
        y_true: labels, one-hot or probabilities, [batch, ..., classes].
        y_pred: scores, of the shape of `y_true`.
        k: the number of highest scores among which the true class must be; 5 by default.

    Returns:
        Values 0 and 1, [batch, ...].

    Raises:
        ValueError: if the shapes do not fit each other.

    Example:
        >>> from jaxlayers import metrics
        >>> metrics.top_k_categorical_accuracy([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.9, 0, 0.8]], k=2).tolist()
        [1.0, 0.0]
    """
    return _in_top_k("top_k_categorical_accuracy", jnp.argmax(y_true, axis=-1), y_pred, k)


@samplewise("k", "from_sorted_ids", prepare=classes_and_scores)
def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> jax.Array:
    """Top-k accuracy of class indices: 1 where fewer than k classes have a higher score than the true class.

    Elsewhere it is 0.

    Args:
        y_true: class indices, [batch, ...].
        y_pred: scores, [batch, ..., classes].
        k: the number of highest scores among which the true class must be; 5 by default.
        from_sorted_ids: If True, `y_pred` holds class indices, sorted by descending score, instead of scores. False
            by default.

    Returns:
        Values 0 and 1, [batch, ...].

    Raises:
        ValueError: if the shapes do not fit each other.

    Example:
        >>> from jaxlayers import metrics
        >>> metrics.sparse_top_k_categorical_accuracy([2, 1], [[0.1, 0.9, 0.8], [0.9, 0, 0.8]], k=2).tolist()
        [1.0, 0.0]
    """
    name = "sparse_top_k_categorical_accuracy"
    if from_sorted_ids:
        labels = class_indices(name, y_true, y_pred)
        labels = labels.astype(y_pred.dtype)
        return jnp.any(labels[..., None] == y_pred[..., :k], axis=-1).reshape(y_true.shape)
    return _in_top_k(name, y_true.astype(jnp.int32), y_pred, k)


def _agree(name: str, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    return class_indices(name, y_true, y_pred) == jnp.argmax(y_pred, axis=-1)


def _in_top_k(name: str, y_true: jax.Array, y_pred: jax.Array, k: int) -> jax.Array:
    score = jnp.take_along_axis(y_pred, class_indices(name, y_true, y_pred)[..., None], axis=-1)
    score = jnp.where(jnp.isnan(score), -jnp.inf, score)  # an index out of range, and a NaN score, rank last
    return (jnp.sum(y_pred > score, axis=-1) < k).reshape(y_true.shape)


class Accuracy(NamedMean):
    """Accuracy: the share of predictions that equal their labels.

    Labels and predictions are [batch, ...].

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> metric = metrics.Accuracy()
        >>> metric.update_state([1, 2, 3, 4], [0, 2, 3, 4])
        >>> float(metric.result())
        0.75
    """

    _direction = "up"

    def __init__(self, name: str = "accuracy", dtype: Any = None):
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(NamedMean):
    """Binary accuracy: the share of labels, 0 or 1, that equal (score > threshold).

    Labels and scores are [batch, ...].

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.
        threshold: a score above it predicts 1; 0.5 by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.BinaryAccuracy()([[1], [1], [0], [0]], [[0.98], [1], [0], [0.6]]))
        0.75
    """

    _direction = "up"

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5):
        super().__init__(binary_accuracy, name, dtype)
        self.threshold = threshold


class CategoricalAccuracy(NamedMean):
    """Categorical accuracy: how often argmax(y_true) = argmax(y_pred), for one-hot labels.

    Labels and scores are [batch, ..., classes].

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.CategoricalAccuracy()([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]]))
        0.5
    """

    _direction = "up"

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None):
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(NamedMean):
    """Categorical accuracy of class indices: how often y_true = argmax(y_pred).

    Labels are [batch, ...] or [batch, ..., 1], scores [batch, ..., classes].

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.SparseCategoricalAccuracy()([[2], [1]], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]]))
        0.5
    """

    _direction = "up"

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None):
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(NamedMean):
    """Top-k accuracy: how often the true class is among the k highest scores, for one-hot labels.

    Labels and scores are [batch, ..., classes].

    Args:
        k: the number of highest scores; 5 by default.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.TopKCategoricalAccuracy(k=1)([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]]))
        0.5
    """

    _direction = "up"

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None):
        super().__init__(top_k_categorical_accuracy, name, dtype)
        self.k = k


class SparseTopKCategoricalAccuracy(NamedMean):
    """Top-k accuracy of class indices: how often the true class is among the k highest scores.

    Labels are [batch, ...], scores [batch, ..., classes].

    Args:
        k: the number of highest scores; 5 by default.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.
        from_sorted_ids: If True, predictions are class indices, sorted by descending score, instead of scores. False
            by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.SparseTopKCategoricalAccuracy(k=1)([2, 1], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]]))
        0.5
    """

    _direction = "up"
    _config_if_changed = ("from_sorted_ids",)

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ):
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype)
        self.k, self.from_sorted_ids = k, from_sorted_ids
