"""The table of metrics by name, and `get`, `serialize` and `deserialize`."""

from __future__ import annotations

from typing import Any

from jaxlayers.common import registry
from jaxlayers.common.settings import to_snake_case
from jaxlayers.metrics import (
    _accuracy,
    _auc,
    _confusion,
    _correlation,
    _f_score,
    _hinge,
    _operating_point,
    _overlap,
    _probabilistic,
    _r2,
    _reduction,
    _regression,
)
from jaxlayers.metrics._metric import Metric
from jaxlayers.samplewise.configs import write

_CLASSES: tuple[type[Metric], ...] = (
    Metric,
    _accuracy.Accuracy,
    _accuracy.BinaryAccuracy,
    _accuracy.CategoricalAccuracy,
    _accuracy.SparseCategoricalAccuracy,
    _accuracy.SparseTopKCategoricalAccuracy,
    _accuracy.TopKCategoricalAccuracy,
    _auc.AUC,
    _confusion.FalseNegatives,
    _confusion.FalsePositives,
    _confusion.Precision,
    _confusion.Recall,
    _confusion.TrueNegatives,
    _confusion.TruePositives,
    _correlation.ConcordanceCorrelation,
    _correlation.PearsonCorrelation,
    _f_score.F1Score,
    _f_score.FBetaScore,
    _hinge.CategoricalHinge,
    _hinge.Hinge,
    _hinge.SquaredHinge,
    _operating_point.PrecisionAtRecall,
    _operating_point.RecallAtPrecision,
    _operating_point.SensitivityAtSpecificity,
    _operating_point.SpecificityAtSensitivity,
    _overlap.BinaryIoU,
    _overlap.IoU,
    _overlap.MeanIoU,
    _overlap.OneHotIoU,
    _overlap.OneHotMeanIoU,
    _probabilistic.BinaryCrossentropy,
    _probabilistic.CategoricalCrossentropy,
    _probabilistic.KLDivergence,
    _probabilistic.Poisson,
    _probabilistic.SparseCategoricalCrossentropy,
    _r2.R2Score,
    _reduction.Mean,
    _reduction.MeanMetricWrapper,
    _reduction.Sum,
    _regression.CosineSimilarity,
    _regression.LogCoshError,
    _regression.MeanAbsoluteError,
    _regression.MeanAbsolutePercentageError,
    _regression.MeanSquaredError,
    _regression.MeanSquaredLogarithmicError,
    _regression.RootMeanSquaredError,
)
_SHORT: dict[str, type[Metric]] = {
    "bce": _probabilistic.BinaryCrossentropy,
    "mae": _regression.MeanAbsoluteError,
    "mape": _regression.MeanAbsolutePercentageError,
    "mse": _regression.MeanSquaredError,
    "msle": _regression.MeanSquaredLogarithmicError,
}
registry.register(
    "metric",
    {
        **{cls.__name__: cls for cls in _CLASSES},
        **{to_snake_case(cls.__name__): cls for cls in _CLASSES},
        **_SHORT,
        **{name.upper(): cls for name, cls in _SHORT.items()},
    },
)
# In the table above these names stand for classes. In the config of a `MeanMetricWrapper` they stand for functions.
registry.register(
    "metric_function",
    {
        function.__name__: function
        for function in (
            _accuracy.accuracy,
            _accuracy.binary_accuracy,
            _accuracy.categorical_accuracy,
            _accuracy.sparse_categorical_accuracy,
            _accuracy.sparse_top_k_categorical_accuracy,
            _accuracy.top_k_categorical_accuracy,
            _correlation.concordance_correlation,
            _correlation.pearson_correlation,
        )
    },
)


def get(identifier: Any) -> Any:
    """Return the metric that an identifier names or describes.

    Args:
        identifier: the name of a class as it is (`"MeanSquaredError"`), in snake case (`"mean_squared_error"`) or
            short (`"mse"`, `"MSE"`), a config, a function, a `Metric`, or None.

    Raises:
        ValueError: for an unknown name.
        TypeError: when it is none of these.

    Example:
        >>> from jaxlayers import metrics
        >>> metrics.get("mse")
        <MeanSquaredError name=mean_squared_error>
    """
    return registry.lookup("metric", identifier)


def serialize(metric: Any) -> Any:
    """The config of a metric; `get` makes it again.

    Example:
        >>> from jaxlayers import metrics
        >>> metrics.serialize(metrics.Mean(name="so_far"))["config"]
        {'name': 'so_far', 'dtype': 'float32'}
    """
    return write(metric)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The metric that a name or config describes.

    Args:
        config: as for `get`.
        custom_objects: functions and classes by name, looked at first.

    Raises:
        ValueError: for an unknown name.
    """
    return registry.lookup("metric", config, custom_objects)
