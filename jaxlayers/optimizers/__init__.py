"""Optimizers: Keras's names and arguments, implemented as optax transformations."""

from jaxlayers.optimizers import schedules
from jaxlayers.optimizers._adafactor import Adafactor
from jaxlayers.optimizers._adagrad import Adadelta, Adagrad
from jaxlayers.optimizers._adam import Adam, AdamW, Nadam
from jaxlayers.optimizers._adamax import Adamax
from jaxlayers.optimizers._ftrl import Ftrl
from jaxlayers.optimizers._identifiers import deserialize, get, serialize
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

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "MultiOptimizer",
    "Muon",
    "Nadam",
    "OptaxOptimizer",
    "Optimizer",
    "OptimizerMap",
    "RMSprop",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]
