"""Callbacks: objects whose hooks `fit`, `evaluate` and `predict` call while they run."""

from jaxlayers.callbacks._callback import Callback
from jaxlayers.callbacks._callback_list import CallbackList
from jaxlayers.callbacks._csv_logger import CSVLogger
from jaxlayers.callbacks._early_stopping import EarlyStopping
from jaxlayers.callbacks._history import History
from jaxlayers.callbacks._lambda_callback import LambdaCallback
from jaxlayers.callbacks._learning_rates import LearningRateScheduler, ReduceLROnPlateau
from jaxlayers.callbacks._model_checkpoint import ModelCheckpoint
from jaxlayers.callbacks._monitor import MonitorCallback
from jaxlayers.callbacks._progbar_logger import ProgbarLogger
from jaxlayers.callbacks._remote_monitor import RemoteMonitor
from jaxlayers.callbacks._swap_ema_weights import SwapEMAWeights
from jaxlayers.callbacks._tensorboard import TensorBoard
from jaxlayers.callbacks._terminate_on_nan import TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "MonitorCallback",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]
