"""Optimizers: Keras's names and arguments, implemented as optax transformations."""

from jaxlayers.common import exports
from jaxlayers.optimizers import schedules
from jaxlayers.optimizers._adafactor import Adafactor as Adafactor
from jaxlayers.optimizers._adagrad import Adadelta as Adadelta, Adagrad as Adagrad
from jaxlayers.optimizers._adam import Adam as Adam, AdamW as AdamW, Nadam as Nadam
from jaxlayers.optimizers._adamax import Adamax as Adamax
from jaxlayers.optimizers._ftrl import Ftrl as Ftrl
from jaxlayers.optimizers._identifiers import deserialize as deserialize, get as get, serialize as serialize
from jaxlayers.optimizers._lamb import Lamb as Lamb
from jaxlayers.optimizers._lion import Lion as Lion
from jaxlayers.optimizers._loss_scale import LossScaleOptimizer as LossScaleOptimizer
from jaxlayers.optimizers._multi import MultiOptimizer as MultiOptimizer, OptimizerMap as OptimizerMap
from jaxlayers.optimizers._muon import Muon as Muon
from jaxlayers.optimizers._optax import OptaxOptimizer as OptaxOptimizer
from jaxlayers.optimizers._optimizer import Optimizer as Optimizer
from jaxlayers.optimizers._rmsprop import RMSprop as RMSprop
from jaxlayers.optimizers._schedule_free import ScheduleFreeAdamW as ScheduleFreeAdamW
from jaxlayers.optimizers._sgd import SGD as SGD

__all__ = [*exports.public_names(vars()), "schedules"]
