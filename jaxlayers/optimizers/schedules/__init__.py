"""Learning-rate schedules: learning rates that depend on the number of updates."""

from jaxlayers.common import exports
from jaxlayers.optimizers.schedules.decays import (
    CosineDecay as CosineDecay,
    CosineDecayRestarts as CosineDecayRestarts,
    ExponentialDecay as ExponentialDecay,
    InverseTimeDecay as InverseTimeDecay,
    LearningRateSchedule as LearningRateSchedule,
    PiecewiseConstantDecay as PiecewiseConstantDecay,
    PolynomialDecay as PolynomialDecay,
    deserialize as deserialize,
    serialize as serialize,
)

__all__ = exports.public_names(vars())
