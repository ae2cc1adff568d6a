"""Initializers: functions that compute the initial values of variables."""

from jaxlayers.common import exports
from jaxlayers.initializers._base import Initializer as Initializer, RandomInitializer as RandomInitializer
from jaxlayers.initializers._constant import (
    STFT as STFT,
    Constant as Constant,
    Identity as Identity,
    IdentityInitializer as IdentityInitializer,
    Ones as Ones,
    STFTInitializer as STFTInitializer,
    Zeros as Zeros,
    constant as constant,
    identity as identity,
    ones as ones,
    stft as stft,
    zeros as zeros,
)
from jaxlayers.initializers._lookup import deserialize as deserialize, get as get, serialize as serialize
from jaxlayers.initializers._random import (
    Orthogonal as Orthogonal,
    OrthogonalInitializer as OrthogonalInitializer,
    RandomNormal as RandomNormal,
    RandomUniform as RandomUniform,
    TruncatedNormal as TruncatedNormal,
    orthogonal as orthogonal,
    random_normal as random_normal,
    random_uniform as random_uniform,
    truncated_normal as truncated_normal,
)
from jaxlayers.initializers._scaling import (
    GlorotNormal as GlorotNormal,
    GlorotUniform as GlorotUniform,
    HeNormal as HeNormal,
    HeUniform as HeUniform,
    LecunNormal as LecunNormal,
    LecunUniform as LecunUniform,
    VarianceScaling as VarianceScaling,
    glorot_normal as glorot_normal,
    glorot_uniform as glorot_uniform,
    he_normal as he_normal,
    he_uniform as he_uniform,
    lecun_normal as lecun_normal,
    lecun_uniform as lecun_uniform,
    variance_scaling as variance_scaling,
)

__all__ = exports.public_names(vars())
