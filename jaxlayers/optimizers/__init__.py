"""Optimizers: how gradients change parameters. Keras's names and arguments, over optax transformations."""

from jaxlayers.optimizers import schedules
from jaxlayers.optimizers._adam import Adam, AdamW, Nadam
from jaxlayers.optimizers._identifiers import deserialize, get, serialize
from jaxlayers.optimizers._optax import OptaxOptimizer
from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.optimizers._rmsprop import RMSprop
from jaxlayers.optimizers._sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Nadam",
    "OptaxOptimizer",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]
