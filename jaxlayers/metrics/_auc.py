"""The area under a curve of operating points."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import epsilon
from jaxlayers.core.scope import read
from jaxlayers.losses._weights import divide_no_nan
from jaxlayers.metrics._outcomes import OutcomeMetric, Rule, evenly_spaced

_CURVES = ("ROC", "PR", "PRGAIN")
_METHODS = ("interpolation", "majoring", "minoring")


class AUC(OutcomeMetric):
    """The area under a curve that goes through the thresholds, as a sum over the pieces between them.

    | `curve` | x | y |
    | --- | --- | --- |
    | `"ROC"` | FP / (FP + TN) | TP / (TP + FN) |
    | `"PR"` | recall, TP / (TP + FN) | precision, TP / (TP + FP) |
    | `"PRGAIN"` | recall gain, max(1 - P / N FN / TP, 0) | precision gain, 1 - P / N FP / TP |

    with P = TP + FN and N = TN + FP. A piece is as high as the mean of its ends (`"interpolation"`), the lower one
    (`"minoring"`) or the higher one (`"majoring"`). For `"PR"`, interpolation means that of the counts, not of the
    precision, which is not linear between two points.

    Args:
        num_thresholds: how many thresholds, evenly spaced from 0 to 1; at least 2.
        curve: `"ROC"`, `"PR"` or `"PRGAIN"`.
        summation_method: `"interpolation"`, `"minoring"` or `"majoring"`.
        name: its name.
        dtype: what it computes in; `floatx()` by default.
        thresholds: thresholds of one's own between 0 and 1, in place of `num_thresholds`; both ends are added.
        multi_label: whether y is [batch, labels] and the result the mean of each label's area; otherwise all values
            are one curve's.
        num_labels: the number of labels, with `multi_label`; seen at the first update where it is not given.
        label_weights: how much each label counts: its area in the mean with `multi_label`, its values otherwise.
        from_logits: whether scores are logits instead of probabilities.

    Raises:
        ValueError: for an unknown curve or summation method, thresholds out of range, or `num_labels` without
            `multi_label`.

    Source: Davis and Goadrich, The relationship between precision-recall and ROC curves, ICML 2006; Flach and Kull,
    Precision-Recall-Gain curves, NeurIPS 2015.

    Example:
        >>> from jaxlayers import metrics
        >>> float(metrics.AUC(num_thresholds=3)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9]))
        0.75
    """

    _direction = "up"
    _config_attributes: ClassVar[dict[str, str | None]] = {"thresholds": "_own_thresholds"}
    _config_if_changed = ("thresholds",)
    _own_thresholds: list[float] | None = None

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ):
        super().__init__(name=name, dtype=dtype)
        self.curve = _one_of("curve", str(curve).upper(), _CURVES)
        self.summation_method = _one_of("summation_method", str(summation_method).lower(), _METHODS)
        if num_labels and not multi_label:
            raise ValueError(f"num_labels needs multi_label=True; received num_labels={num_labels}.")
        if thresholds is None:
            if num_thresholds < 2:
                raise ValueError(f"num_thresholds must be at least 2; received {num_thresholds}.")
            inner = [i / (num_thresholds - 1) for i in range(1, num_thresholds - 1)]
        else:
            inner = self._own_thresholds = sorted(float(threshold) for threshold in thresholds)
            if inner and not 0 <= inner[0] <= inner[-1] <= 1:
                raise ValueError(f"thresholds must be between 0 and 1; received {inner}.")
        numbers = (-epsilon(), *inner, 1 + epsilon())
        self.num_thresholds = len(numbers)
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else [float(weight) for weight in np.asarray(label_weights)]
        if not multi_label and self.label_weights is not None:
            self._label_weights = np.asarray(self.label_weights, "float32")
        self.from_logits = from_logits
        self._rule = Rule(numbers, evenly_spaced(numbers), by_label=multi_label, from_logits=from_logits)
        if not multi_label:
            self._count((self.num_thresholds,))
        else:
            self._built_for = None
            if num_labels:
                self._build((0, num_labels))

    def _build(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2:
            raise ValueError(f"{self.name!r}: multi_label needs y_pred [batch, labels]; received shape {shape}.")
        self._count((self.num_thresholds, shape[1]))
        self._built_for = shape[1:]

    @property
    def thresholds(self) -> list[float]:
        """All thresholds, the ends included."""
        return list(self._rule.thresholds)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in labels and scores.

        Args:
            y_true: labels: what is not 0 is a yes; [batch, ...], or [batch, labels] with `multi_label`.
            y_pred: scores of the same shape.
            sample_weight: the leading axes of that shape, e.g. [batch], where a size may be 1. A mask that travels
                with `y_pred` is part of the weights.

        Raises:
            ValueError: when the shapes do not fit each other.
        """
        if self._built_for is None:
            self._build(np.shape(y_pred))
        super().update_state(y_true, y_pred, sample_weight)

    def result(self) -> jax.Array:
        """The area so far; 0 when there is nothing yet."""
        if self._built_for is None:
            return jnp.zeros(())
        areas = _areas([read(variable) for variable in self._sums()], self.curve, self.summation_method)
        if not self.multi_label or self.label_weights is None:
            return jnp.mean(areas)
        weights = jnp.asarray(self.label_weights, areas.dtype)
        return divide_no_nan(jnp.sum(areas * weights), jnp.sum(weights))


def _one_of(what: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{what} must be one of {known}; received {value!r}.")
    return value


def _areas(counts: list[jax.Array], curve: str, method: str) -> jax.Array:
    """The area below each curve, from counts [thresholds, ...]."""
    tp, fp, tn, fn = counts
    recall = divide_no_nan(tp, tp + fn)
    if curve == "PR" and method == "interpolation":
        return _area_between_counts(tp, fp, fn)
    if curve == "ROC":
        x, y = divide_no_nan(fp, fp + tn), recall
    elif curve == "PR":
        x, y = recall, divide_no_nan(tp, tp + fp)
    else:
        odds = divide_no_nan(tp + fn, tn + fp)
        x = jnp.where(tp == 0, 0, jnp.maximum(1 - odds * divide_no_nan(fn, tp), 0))
        y = 1 - odds * divide_no_nan(fp, tp)  # 1 where there is no true positive
    low, high = y[:-1], y[1:]
    if method == "interpolation":
        heights = (low + high) / 2
    else:
        heights = jnp.minimum(low, high) if method == "minoring" else jnp.maximum(low, high)
    return jnp.sum((x[:-1] - x[1:]) * heights, axis=0)


def _area_between_counts(tp: jax.Array, fp: jax.Array, fn: jax.Array) -> jax.Array:
    """The area under precision over recall, where the counts are linear between two thresholds.

    There, TP = intercept + slope P with P = TP + FP, so that the precision is slope + intercept / P: the integral
    over TP is slope (dTP + intercept log(P_high / P_low)).
    """
    p = tp + fp
    gained, seen = tp[:-1] - tp[1:], p[:-1] - p[1:]
    slope = divide_no_nan(gained, jnp.maximum(seen, 0))
    intercept = tp[1:] - slope * p[1:]
    both = (p[:-1] > 0) & (p[1:] > 0)
    ratio = jnp.where(both, p[:-1] / jnp.where(both, p[1:], 1), 1)
    pieces = slope * (gained + intercept * jnp.log(ratio))
    return jnp.sum(divide_no_nan(pieces, jnp.maximum(tp[1:] + fn[1:], 0)), axis=0)
