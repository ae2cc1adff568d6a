"""Training: `compile`, `fit`, `evaluate` and `predict`, and the callbacks that they call."""

from jaxlayers.callbacks import Callback, CallbackList, History
from jaxlayers.training.trainer import Trainer

__all__ = ["Callback", "CallbackList", "History", "Trainer"]
