"""Layers that prepare data: images moved, coloured, mixed and made equal in size; values scaled."""

from jaxlayers.layers.preprocessing._augmentation import BaseImagePreprocessingLayer as BaseImagePreprocessingLayer
from jaxlayers.layers.preprocessing.colors import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomColorJitter,
    RandomContrast,
    RandomGrayscale,
    RandomHue,
    RandomInvert,
    RandomPosterization,
    RandomSaturation,
)
from jaxlayers.layers.preprocessing.filters import RandomErasing, RandomGaussianBlur, RandomSharpness
from jaxlayers.layers.preprocessing.flips_and_bends import RandomElasticTransform, RandomFlip
from jaxlayers.layers.preprocessing.geometry import (
    RandomPerspective,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from jaxlayers.layers.preprocessing.histograms import (
    AutoContrast,
    ContrastLimitedAdaptiveHistogramEqualization,
    Equalization,
    Solarization,
)
from jaxlayers.layers.preprocessing.mixing import AugMix, CutMix, MixUp, RandAugment
from jaxlayers.layers.preprocessing.pipeline import MaxNumBoundingBoxes, Pipeline
from jaxlayers.layers.preprocessing.sizes import CenterCrop, RandomCrop, Resizing
from jaxlayers.layers.preprocessing.values import Normalization, Rescaling

__all__ = [
    "AugMix",
    "AutoContrast",
    "CenterCrop",
    "ContrastLimitedAdaptiveHistogramEqualization",
    "CutMix",
    "Equalization",
    "MaxNumBoundingBoxes",
    "MixUp",
    "Normalization",
    "Pipeline",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "Rescaling",
    "Resizing",
    "Solarization",
]
