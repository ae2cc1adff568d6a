"""AUC: the area under a curve through the operating points of many thresholds."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import epsilon
from jaxlayers.core.scope import read
from jaxlayers.metrics._outcomes import OutcomeMetric, Rule
from jaxlayers.numerics.spatial import one_of
from jaxlayers.samplewise.weights import divide_no_nan

_METHODS = ("interpolation", "majoring", "minoring")


class AUC(OutcomeMetric):
    """AUC: the area under a curve through the points of all thresholds, summed over the intervals between them.

    | `curve` | x | y |
    | --- | --- | --- |
    | `"ROC"` | FP / (FP + TN) | TP / (TP + FN) |
    | `"PR"` | recall, TP / (TP + FN) | precision, TP / (TP + FP) |
    | `"PRGAIN"` | recall gain, max(1 - P / N FN / TP, 0) | precision gain, 1 - P / N FP / TP |

    with P = TP + FN and N = TN + FP. The height of an interval is the mean of y at its two ends (`"interpolation"`),
    the lower one (`"minoring"`) or the higher one (`"majoring"`). For `"PR"`, interpolation interpolates the counts
    linearly, not the precision.

    Labels and scores are [batch, ...]. A label that is not 0 is positive; a score above a threshold predicts positive.

    Args:
        num_thresholds: the number of thresholds, evenly spaced from 0 to 1; at least 2, 200 by default.
        curve: `"ROC"` (default), `"PR"` or `"PRGAIN"`.
        summation_method: `"interpolation"` (default), `"minoring"` or `"majoring"`.
        name: the name of the metric, under which logs list it.
        dtype: the dtype of the computation; `floatx()` by default.
        thresholds: a sequence of thresholds between 0 and 1, in place of `num_thresholds`; both ends are added. None by
            default.
        multi_label: If True, labels and scores are [batch, labels], and the result is the mean of the areas of all
            labels. If False (default), one curve is computed from all values.
        num_labels: the number of labels under `multi_label`; None, the default, to infer it at the first update.
        label_weights: a weight for each label: of its area under `multi_label`, of its values otherwise. None, the
            default, weights all by 1.
        from_logits: If True, scores are logits; if False (default), probabilities.

    Raises:
        ValueError: if the curve or the summation method is unknown, thresholds are out of range, or `num_labels` is
            given without `multi_label`.

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
        self.curve = one_of("AUC", "curve", curve, ("roc", "pr", "prgain")).upper()
        self.summation_method = one_of("AUC", "summation_method", summation_method, _METHODS)
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
        all_thresholds = (-epsilon(), *inner, 1 + epsilon())
        self.num_thresholds = len(all_thresholds)
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else [float(weight) for weight in np.asarray(label_weights)]
        if not multi_label and self.label_weights is not None:
            self._label_weights = np.asarray(self.label_weights, "float32")
        self.from_logits = from_logits
        self._rule = Rule(all_thresholds, by_label=multi_label, from_logits=from_logits)
        if not multi_label:
            self._count((self.num_thresholds,))
        else:
            self._built_for = None
            if num_labels:
                self._build_for_shape((0, num_labels))

    def _add_outputs(self, outputs: int) -> None:
        self._count((self.num_thresholds, outputs))

    def result(self) -> jax.Array:
        """Return the area over all batches so far; 0 before the first one."""
        if self._built_for is None:
            return jnp.zeros(())
        areas = _areas([read(variable) for variable in self._sums()], self.curve, self.summation_method)
        if not self.multi_label or self.label_weights is None:
            return jnp.mean(areas)
        weights = jnp.asarray(self.label_weights, areas.dtype)
        return divide_no_nan(jnp.sum(areas * weights), jnp.sum(weights))


def _areas(counts: list[jax.Array], curve: str, method: str) -> jax.Array:
    """Return the area under each curve, from counts [thresholds, ...]."""
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
        y = 1 - odds * divide_no_nan(fp, tp)  # 1 if there are no true positives
    low, high = y[:-1], y[1:]
    if method == "interpolation":
        heights = (low + high) / 2
    else:
        heights = jnp.minimum(low, high) if method == "minoring" else jnp.maximum(low, high)
    return jnp.sum((x[:-1] - x[1:]) * heights, axis=0)


def _area_between_counts(tp: jax.Array, fp: jax.Array, fn: jax.Array) -> jax.Array:
    """Return the area under precision over recall, with counts that are linear between two thresholds.

    Between two thresholds, TP = intercept + slope P with P = TP + FP, so the precision is slope + intercept / P. Its
    integral over TP is slope (dTP + intercept log(P_high / P_low)).
    """
    p = tp + fp
    tp_step, p_step = tp[:-1] - tp[1:], p[:-1] - p[1:]
    slope = divide_no_nan(tp_step, jnp.maximum(p_step, 0))
    intercept = tp[1:] - slope * p[1:]
    both = (p[:-1] > 0) & (p[1:] > 0)
    ratio = jnp.where(both, p[:-1] / jnp.where(both, p[1:], 1), 1)
    integrals = slope * (tp_step + intercept * jnp.log(ratio))
    return jnp.sum(divide_no_nan(integrals, jnp.maximum(tp[1:] + fn[1:], 0)), axis=0)
