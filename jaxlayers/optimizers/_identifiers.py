"""Conversions from names, configs and optax transformations to optimizers, and from optimizers to configs."""

from __future__ import annotations

from typing import Any

from jaxlayers.common import registry
from jaxlayers.optimizers._adafactor import Adafactor
from jaxlayers.optimizers._adagrad import Adadelta, Adagrad
from jaxlayers.optimizers._adam import Adam, AdamW, Nadam
from jaxlayers.optimizers._adamax import Adamax
from jaxlayers.optimizers._ftrl import Ftrl
from jaxlayers.optimizers._lamb import Lamb
from jaxlayers.optimizers._lion import Lion
from jaxlayers.optimizers._loss_scale import LossScaleOptimizer
from jaxlayers.optimizers._multi import MultiOptimizer, OptimizerMap
from jaxlayers.optimizers._muon import Muon
from jaxlayers.optimizers._optax import OptaxOptimizer
from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.optimizers._rmsprop import RMSprop
from jaxlayers.optimizers._schedule_free import ScheduleFreeAdamW
from jaxlayers.optimizers._sgd import SGD
from jaxlayers.saving import serialize_keras_object


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """The config of an optimizer: `module`, `class_name`, `config` and `registered_name`."""
    return serialize_keras_object(optimizer)


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Optimizer:
    """Return the optimizer that a config identifies.

    Args:
        config: what `serialize` returned; `class_name` in any case.
        custom_objects: optimizers and schedules by name, looked at before the library's own.

    Raises:
        ValueError: when the name is unknown.
    """
    return registry.lookup("optimizer", {**config, "class_name": _table_name(config["class_name"])}, custom_objects)


def get(identifier: Any) -> Any:
    """Return the optimizer that an identifier names or describes.

    Args:
        identifier: None; a name, in any case (`"adam"`); a config; an optimizer, or its class; or an optax
            transformation, which becomes an `OptaxOptimizer`.

    Raises:
        ValueError: when it is none of these, or the name is unknown.

    Example:
        >>> from jaxlayers import optimizers
        >>> optimizers.get("sgd").get_config()["momentum"]
        0.0
    """
    if identifier is None or isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str):
        return registry.lookup("optimizer", _table_name(identifier))
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return registry.lookup("optimizer", identifier)
    if callable(getattr(identifier, "init", None)) and callable(getattr(identifier, "update", None)):
        return OptaxOptimizer(identifier)
    raise ValueError(
        "Expected an optimizer, its name or config, or an optax transformation; received "
        f"{identifier!r} of type {type(identifier).__name__}."
    )


def _table_name(name: str) -> str:
    return name if name in registry.names("optimizer") else name.lower()


for _class in (
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    AdamW,
    Adamax,
    Ftrl,
    Lamb,
    Lion,
    LossScaleOptimizer,
    MultiOptimizer,
    Muon,
    Nadam,
    Optimizer,
    OptimizerMap,
    RMSprop,
    ScheduleFreeAdamW,
):
    registry.register("optimizer", {_class.__name__: _class, _class.__name__.lower(): _class})
