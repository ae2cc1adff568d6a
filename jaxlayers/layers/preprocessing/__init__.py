"""Layers that prepare data: image augmentation and resizing, scaling, categorical features, texts and audio."""

from jaxlayers.layers.preprocessing._augmentation import BaseImagePreprocessingLayer as BaseImagePreprocessingLayer
from jaxlayers.layers.preprocessing.category_encoding import CategoryEncoding
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
from jaxlayers.layers.preprocessing.discretization import Discretization
from jaxlayers.layers.preprocessing.filters import RandomErasing, RandomGaussianBlur, RandomSharpness
from jaxlayers.layers.preprocessing.flips_and_bends import RandomElasticTransform, RandomFlip
from jaxlayers.layers.preprocessing.geometry import (
    RandomPerspective,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from jaxlayers.layers.preprocessing.hashing import HashedCrossing, Hashing
from jaxlayers.layers.preprocessing.histograms import (
    AutoContrast,
    ContrastLimitedAdaptiveHistogramEqualization,
    Equalization,
    Solarization,
)
from jaxlayers.layers.preprocessing.lookup import IntegerLookup, StringLookup
from jaxlayers.layers.preprocessing.mixing import AugMix, CutMix, MixUp, RandAugment
from jaxlayers.layers.preprocessing.pipeline import MaxNumBoundingBoxes, Pipeline
from jaxlayers.layers.preprocessing.sizes import CenterCrop, RandomCrop, Resizing
from jaxlayers.layers.preprocessing.spectrograms import MelSpectrogram, STFTSpectrogram
from jaxlayers.layers.preprocessing.text_vectorization import TextVectorization
from jaxlayers.layers.preprocessing.values import Normalization, Rescaling

__all__ = [
    "AugMix",
    "AutoContrast",
    "CategoryEncoding",
    "CenterCrop",
    "ContrastLimitedAdaptiveHistogramEqualization",
    "CutMix",
    "Discretization",
    "Equalization",
    "HashedCrossing",
    "Hashing",
    "IntegerLookup",
    "MaxNumBoundingBoxes",
    "MelSpectrogram",
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
    "STFTSpectrogram",
    "Solarization",
    "StringLookup",
    "TextVectorization",
]
