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
from jaxlayers.saving.configured import public_members

_MEMBERS = public_members(
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
    _regression,
)
_BASES = (Metric, _reduction.Mean, _reduction.MeanMetricWrapper, _reduction.Sum)
_CLASSES = (*_BASES, *(member for member in _MEMBERS.values() if isinstance(member, type)))
_SHORT = {
    "bce": _probabilistic.BinaryCrossentropy,
    "mae": _regression.MeanAbsoluteError,
    "mape": _regression.MeanAbsolutePercentageError,
    "mse": _regression.MeanSquaredError,
    "msle": _regression.MeanSquaredLogarithmicError,
}
registry.register("metric", {cls.__name__: cls for cls in _CLASSES})
registry.register("metric", {to_snake_case(cls.__name__): cls for cls in _CLASSES})
registry.register("metric", {**_SHORT, **{name.upper(): cls for name, cls in _SHORT.items()}})
# In the table above these names stand for classes. In the config of a `MeanMetricWrapper` they stand for functions.
registry.register("metric_function", {name: f for name, f in _MEMBERS.items() if not isinstance(f, type)})


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
