"""Means of losses of predicted probabilities."""

from __future__ import annotations

from typing import Any

from jaxlayers.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    kl_divergence,
    poisson,
    sparse_categorical_crossentropy,
)
from jaxlayers.metrics._reduction import NamedMean


class KLDivergence(NamedMean):
    """Mean Kullback-Leibler divergence: sum(y_true log(y_true / y_pred)) over the last axis.

    Labels and predictions are probabilities, [batch, ..., classes]; see `jaxlayers.losses.kl_divergence`.

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]])), 3)
        0.144
    """

    def __init__(self, name: str = "kl_divergence", dtype: Any = None):
        super().__init__(kl_divergence, name, dtype)


class Poisson(NamedMean):
    """Mean Poisson loss: y_pred - y_true log(y_pred + epsilon).

    Counts and expected counts are [batch, ..., features]; see `jaxlayers.losses.poisson`.

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.Poisson()([[0.0], [2.0]], [[1.0], [2.0]])), 3)
        0.807
    """

    def __init__(self, name: str = "poisson", dtype: Any = None):
        super().__init__(poisson, name, dtype)


class BinaryCrossentropy(NamedMean):
    """Mean binary cross-entropy: -(y log p + (1 - y) log(1 - p)).

    Labels y between 0 and 1 and predictions are [batch, ..., features]; see `jaxlayers.losses.binary_crossentropy`.

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.
        from_logits: If True, predictions are logits; if False (default), probabilities.
        label_smoothing: s replaces y by (1 - s) y + s / 2; between 0 (default) and 1.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.BinaryCrossentropy()([[0.0], [1.0]], [[0.5], [0.25]])), 3)
        1.04
    """

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ):
        super().__init__(binary_crossentropy, name, dtype)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing


class CategoricalCrossentropy(NamedMean):
    """Mean categorical cross-entropy: -sum(y log p) over the classes.

    Labels y (one-hot or probabilities) and predictions are [batch, ..., classes]; see
    `jaxlayers.losses.categorical_crossentropy`.

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.
        from_logits: If True, predictions are logits; if False (default), probabilities.
        label_smoothing: s replaces y by (1 - s) y + s / classes; between 0 (default) and 1.
        axis: the axis of the classes; -1 by default.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.CategoricalCrossentropy()([[0.0, 1.0, 0.0]], [[0.25, 0.5, 0.25]])), 3)
        0.693
    """

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ):
        super().__init__(categorical_crossentropy, name, dtype)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class SparseCategoricalCrossentropy(NamedMean):
    """Mean categorical cross-entropy of class indices: -log p of the true class.

    Labels are class indices [batch, ...], predictions [batch, ..., classes]; see
    `jaxlayers.losses.sparse_categorical_crossentropy`.

    Args:
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the mean; `floatx()` by default.
        from_logits: If True, predictions are logits; if False (default), probabilities.
        ignore_class: a label to ignore, or None (default). The mean leaves out samples with this label.
        axis: the axis of the classes; -1 by default.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.SparseCategoricalCrossentropy()([1], [[0.25, 0.5, 0.25]])), 3)
        0.693
    """

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ):
        super().__init__(sparse_categorical_crossentropy, name, dtype)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis
