"""The table of losses by name, and `get`, `serialize` and `deserialize`."""

from __future__ import annotations

from typing import Any

from jaxlayers.common import registry
from jaxlayers.losses import _base, _circle, _ctc, _focal, _hinge, _overlap, _probabilistic, _regression
from jaxlayers.samplewise.configs import write
from jaxlayers.saving.configured import public_members

_SHORT = {
    "bce": _probabilistic.binary_crossentropy,
    "kld": _probabilistic.kl_divergence,
    "mae": _regression.mean_absolute_error,
    "mape": _regression.mean_absolute_percentage_error,
    "mse": _regression.mean_squared_error,
    "msle": _regression.mean_squared_logarithmic_error,
}
_MEMBERS = public_members(_circle, _ctc, _focal, _hinge, _overlap, _probabilistic, _regression)
registry.register("loss", _MEMBERS)
registry.register("loss", {**_SHORT, **{name.upper(): function for name, function in _SHORT.items()}})
registry.register("loss", {"LossFunctionWrapper": _base.LossFunctionWrapper}, module="keras.src.losses.losses")


def get(identifier: Any) -> Any:
    """Return the loss that an identifier names or describes.

    Args:
        identifier: the name of a function (`"mse"`, `"huber"`) or class (`"Huber"`), a config, a function, a `Loss`,
            or None.

    Raises:
        ValueError: for an unknown name.
        TypeError: when it is none of these.

    Example:
        >>> from jaxlayers import losses
        >>> losses.get("mse").__name__, losses.get("Huber").name
        ('mean_squared_error', 'huber_loss')
    """
    return registry.lookup("loss", identifier)


def serialize(loss: Any) -> Any:
    """The config of a loss; `get` makes it again.

    Example:
        >>> from jaxlayers import losses
        >>> losses.serialize(losses.get("Huber"))["config"]
        {'reduction': 'sum_over_batch_size', 'name': 'huber_loss'}
    """
    return write(loss)


def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The loss that a name or config describes.

    Args:
        name: as for `get`.
        custom_objects: functions and classes by name, looked at first.

    Raises:
        ValueError: for an unknown name.
    """
    return registry.lookup("loss", name, custom_objects)
