"""How surprising labels are to predicted probabilities."""

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
    """Mean of the Kullback-Leibler divergence; see `jaxlayers.losses.kl_divergence`.

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]])), 3)
        0.144
    """

    def __init__(self, name: str = "kl_divergence", dtype: Any = None):
        super().__init__(kl_divergence, name=name, dtype=dtype)


class Poisson(NamedMean):
    """Mean of y_pred - y_true log(y_pred); see `jaxlayers.losses.poisson`.

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.

    Example:
        >>> from jaxlayers import metrics
        >>> round(float(metrics.Poisson()([[0.0], [2.0]], [[1.0], [2.0]])), 3)
        0.807
    """

    def __init__(self, name: str = "poisson", dtype: Any = None):
        super().__init__(poisson, name=name, dtype=dtype)


class BinaryCrossentropy(NamedMean):
    """Mean cross-entropy of yes-or-no labels; see `jaxlayers.losses.binary_crossentropy`.

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.
        from_logits: whether predictions are logits instead of probabilities.
        label_smoothing: how far labels are moved towards 1/2, between 0 and 1.

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
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing}
        super().__init__(binary_crossentropy, name=name, dtype=dtype, **options)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing


class CategoricalCrossentropy(NamedMean):
    """Mean cross-entropy of one-hot labels; see `jaxlayers.losses.categorical_crossentropy`.

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.
        from_logits: whether predictions are logits instead of probabilities.
        label_smoothing: how far labels are moved towards all classes alike, between 0 and 1.
        axis: the axis of the classes.

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
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(categorical_crossentropy, name=name, dtype=dtype, **options)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class SparseCategoricalCrossentropy(NamedMean):
    """Mean cross-entropy of labels that are numbers of classes; see `losses.sparse_categorical_crossentropy`.

    Args:
        name: its name.
        dtype: what the mean is computed in; `floatx()` by default.
        from_logits: whether predictions are logits instead of probabilities.
        ignore_class: the label of what does not count, neither in the values nor in their mean.
        axis: the axis of the classes.

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
        options = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(sparse_categorical_crossentropy, name=name, dtype=dtype, **options)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis
