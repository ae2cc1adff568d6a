"""How often predictions are right."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.losses._samplewise import classes_and_scores, match_ranks, mismatch, samplewise
from jaxlayers.metrics._reduction import NamedMean


def _as_they_are(name: str, y_true: jax.Array, y_pred: jax.Array) -> tuple[jax.Array, jax.Array]:
    y_true, y_pred = match_ranks(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise mismatch(name, y_true, y_pred)
    return y_true, y_pred


@samplewise(prepare=_as_they_are)
def accuracy(y_true: Any, y_pred: Any) -> jax.Array:
    """1 where y_true = y_pred, 0 elsewhere.

    Args:
        y_true: labels [batch, ...].
        y_pred: predictions of the same shape.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes differ.

    Example:
        >>> from jaxlayers.metrics import Accuracy
        >>> float(Accuracy()([1, 2, 3, 4], [0, 2, 3, 4]))
        0.75
    """
    return y_true == y_pred


@samplewise(prepare=_as_they_are)
def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> jax.Array:
    """1 where y_pred > threshold says what the label says, 0 elsewhere.

    Args:
        y_true: labels 0 and 1, [batch, ...].
        y_pred: scores of the same shape.
        threshold: what a score must exceed to say 1.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes differ.

    Example:
        >>> from jaxlayers import metrics
        >>> metrics.binary_accuracy([[1], [1], [0]], [[0.9], [0.2], [0.4]]).tolist()
        [[1.0], [0.0], [1.0]]
    """
    return y_true == (y_pred > threshold).astype(y_true.dtype)


@samplewise(prepare=classes_and_scores)
def categorical_accuracy(y_true: Any, y_pred: Any) -> jax.Array:
    """1 where the class with the highest score is that with the highest label, 0 elsewhere.

    Args:
        y_true: labels, one-hot or probabilities, [batch, ..., classes].
        y_pred: scores of the same shape.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import metrics
        >>> metrics.categorical_accuracy([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]]).tolist()
        [0.0, 1.0]
    """
    return _agree("categorical_accuracy", jnp.argmax(y_true, axis=-1), y_pred)


@samplewise(prepare=classes_and_scores)
def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> jax.Array:
    """1 where the class with the highest score is the right one, 0 elsewhere.

    Args:
        y_true: the number of the right class, [batch, ...] or [batch, ..., 1].
        y_pred: scores [batch, ..., classes].

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import metrics
        >>> metrics.sparse_categorical_accuracy([2, 1], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]]).tolist()
        [0.0, 1.0]
    """
    matches = _agree("sparse_categorical_accuracy", y_true, y_pred)
    return matches[..., 0] if matches.ndim > 1 and matches.shape[-1] == 1 else matches


@samplewise("k", prepare=classes_and_scores)
def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> jax.Array:
    """1 where fewer than k classes have a higher score than the right one, 0 elsewhere.

    Args:
        y_true: labels, one-hot or probabilities, [batch, ..., classes].
        y_pred: scores of the same shape.
        k: among how many the right class must be.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import metrics
        >>> metrics.top_k_categorical_accuracy([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.9, 0, 0.8]], k=2).tolist()
        [1.0, 0.0]
    """
    return _in_top_k("top_k_categorical_accuracy", jnp.argmax(y_true, axis=-1), y_pred, k)


@samplewise("k", "from_sorted_ids", prepare=classes_and_scores)
def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> jax.Array:
    """1 where fewer than k classes have a higher score than the right one, 0 elsewhere.

    Args:
        y_true: the number of the right class, [batch, ...].
        y_pred: scores [batch, ..., classes].
        k: among how many the right class must be.
        from_sorted_ids: whether `y_pred` holds numbers of classes instead, the best ones first.

    Returns:
        Values [batch, ...].

    Raises:
        ValueError: when the shapes do not fit each other.

    Example:
        >>> from jaxlayers import metrics
        >>> metrics.sparse_top_k_categorical_accuracy([2, 1], [[0.1, 0.9, 0.8], [0.9, 0, 0.8]], k=2).tolist()
        [1.0, 0.0]
    """
    name = "sparse_top_k_categorical_accuracy"
    if from_sorted_ids:
        return jnp.any(_labels(name, y_true, y_pred)[..., None] == y_pred[..., :k], axis=-1).reshape(y_true.shape)
    return _in_top_k(name, y_true.astype(jnp.int32), y_pred, k)


def _labels(name: str, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Labels of the shape that the scores have without classes."""
    if y_true.shape not in (y_pred.shape[:-1], (*y_pred.shape[:-1], 1)):
        raise mismatch(name, y_true, y_pred, "the same shape but for the last axis, the classes in y_pred")
    return y_true.reshape(y_pred.shape[:-1])


def _agree(name: str, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    return _labels(name, y_true, y_pred) == jnp.argmax(y_pred, axis=-1)


def _in_top_k(name: str, y_true: jax.Array, y_pred: jax.Array, k: int) -> jax.Array:
    right = jnp.take_along_axis(y_pred, _labels(name, y_true, y_pred)[..., None], axis=-1)
    right = jnp.where(jnp.isnan(right), -jnp.inf, right)  # no class, or no score, is never among the best
    return (jnp.sum(y_pred > right, axis=-1) < k).reshape(y_true.shape)


class Accuracy(NamedMean):
    """How often labels and predictions are equal.

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> metric = metrics.Accuracy()
        >>> metric.update_state([1, 2, 3, 4], [0, 2, 3, 4])
        >>> float(metric.result())
        0.75
    """

    _direction = "up"

    def __init__(self, name: str = "accuracy", dtype: Any = None):
        super().__init__(accuracy, name=name, dtype=dtype)


class BinaryAccuracy(NamedMean):
    """How often scores are on the side of a threshold where the labels, 0 and 1, want them.

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.
        threshold: what a score must exceed to say 1.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.BinaryAccuracy()([[1], [1], [0], [0]], [[0.98], [1], [0], [0.6]]))
        0.75
    """

    _direction = "up"

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5):
        super().__init__(binary_accuracy, name=name, dtype=dtype, threshold=threshold)
        self.threshold = threshold


class CategoricalAccuracy(NamedMean):
    """How often the class with the highest score is the right one, for one-hot labels.

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.CategoricalAccuracy()([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]]))
        0.5
    """

    _direction = "up"

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None):
        super().__init__(categorical_accuracy, name=name, dtype=dtype)


class SparseCategoricalAccuracy(NamedMean):
    """How often the class with the highest score is the right one, for labels that are numbers of classes.

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.SparseCategoricalAccuracy()([[2], [1]], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]]))
        0.5
    """

    _direction = "up"

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None):
        super().__init__(sparse_categorical_accuracy, name=name, dtype=dtype)


class TopKCategoricalAccuracy(NamedMean):
    """How often the right class is among the k with the highest scores, for one-hot labels.

    Args:
        k: how many.
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.TopKCategoricalAccuracy(k=1)([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]]))
        0.5
    """

    _direction = "up"

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None):
        super().__init__(top_k_categorical_accuracy, name=name, dtype=dtype, k=k)
        self.k = k


class SparseTopKCategoricalAccuracy(NamedMean):
    """How often the right class is among the k with the highest scores, for labels that are numbers of classes.

    Args:
        k: how many.
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.
        from_sorted_ids: whether predictions are numbers of classes, the best ones first, instead of scores.

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
        super().__init__(
            sparse_top_k_categorical_accuracy, name=name, dtype=dtype, k=k, from_sorted_ids=from_sorted_ids
        )
        self.k, self.from_sorted_ids = k, from_sorted_ids
