"""Callbacks: objects whose hooks `fit`, `evaluate` and `predict` call while they run."""

from jaxlayers.callbacks._backup_and_restore import BackupAndRestore as BackupAndRestore
from jaxlayers.callbacks._callback import Callback as Callback
from jaxlayers.callbacks._callback_list import CallbackList as CallbackList
from jaxlayers.callbacks._csv_logger import CSVLogger as CSVLogger
from jaxlayers.callbacks._early_stopping import EarlyStopping as EarlyStopping
from jaxlayers.callbacks._history import History as History
from jaxlayers.callbacks._lambda_callback import LambdaCallback as LambdaCallback
from jaxlayers.callbacks._learning_rates import (
    LearningRateScheduler as LearningRateScheduler,
    ReduceLROnPlateau as ReduceLROnPlateau,
)
from jaxlayers.callbacks._model_checkpoint import ModelCheckpoint as ModelCheckpoint
from jaxlayers.callbacks._monitor import MonitorCallback as MonitorCallback
from jaxlayers.callbacks._nan_guard import NanGuard as NanGuard
from jaxlayers.callbacks._orbax_checkpoint import OrbaxCheckpoint as OrbaxCheckpoint
from jaxlayers.callbacks._progbar_logger import ProgbarLogger as ProgbarLogger
from jaxlayers.callbacks._remote_monitor import RemoteMonitor as RemoteMonitor
from jaxlayers.callbacks._swap_ema_weights import SwapEMAWeights as SwapEMAWeights
from jaxlayers.callbacks._tensorboard import TensorBoard as TensorBoard
from jaxlayers.callbacks._terminate_on_nan import TerminateOnNaN as TerminateOnNaN
from jaxlayers.common import exports

__all__ = exports.public_names(vars())
