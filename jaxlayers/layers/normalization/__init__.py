"""Layers that normalise their inputs to mean 0 and variance 1, or to norm 1; and weights to norm 1."""

from jaxlayers.layers.normalization.batch import BatchNormalization
from jaxlayers.layers.normalization.group import GroupNormalization
from jaxlayers.layers.normalization.layer import LayerNormalization
from jaxlayers.layers.normalization.rms import RMSNormalization
from jaxlayers.layers.normalization.spectral import SpectralNormalization
from jaxlayers.layers.normalization.unit import UnitNormalization

__all__ = [
    "BatchNormalization",
    "GroupNormalization",
    "LayerNormalization",
    "RMSNormalization",
    "SpectralNormalization",
    "UnitNormalization",
]
