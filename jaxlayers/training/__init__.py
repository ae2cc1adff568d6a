"""Training: what `compile`, `fit`, `evaluate` and `predict` are made of."""

from jaxlayers.callbacks import Callback, CallbackList, History
from jaxlayers.training.trainer import Trainer

__all__ = ["Callback", "CallbackList", "History", "Trainer"]
