"""Layers that prepare data: values scaled, images resized, moved, coloured and mixed."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxlayers import layers
from tests.layers.table import Case, floats


def shares(*shape: int) -> np.ndarray:
    """Images from 0 to 1."""
    return np.random.default_rng(shape).random(shape).astype("float32")


def shades(*shape: int) -> np.ndarray:
    """Images of whole numbers from 0 to 255: layers that count shades have no slopes."""
    return np.random.default_rng(shape).integers(0, 256, shape).astype("int32")


FIRST = {"data_format": "channels_first"}
UNIT = {"value_range": (0, 1)}
WIDE = {"value_range": (-1, 2)}  # nothing is held back, so that slopes have no corners
ALONE = "another result while not training, or for a batch: see the class"
X, SHADES = shares(3, 6, 7, 3), shades(3, 6, 7, 3)
WHOLE = "Keras leaves whole numbers as they are while not training"


def pipeline(dtype: Any = None, **kwargs: Any) -> Any:
    inside = [layers.Rescaling(0.5, dtype=dtype), layers.CenterCrop(2, 3, dtype=dtype)]
    return layers.Pipeline(inside, dtype=dtype, **kwargs)


CASES = [
    Case("rescaling", layers.Rescaling, {"scale": 0.5, "offset": -1.0}, floats(4, 5)),
    Case("normalization", layers.Normalization, {}, floats(4, 5), alone="Keras reads its weights only when built"),
    Case("normalization_given", layers.Normalization, {"mean": 0.5, "variance": 4.0}, floats(4, 5)),
    Case("resizing", layers.Resizing, {"height": 4, "width": 9}, X),
    Case("center_crop", layers.CenterCrop, {"height": 3, "width": 4}, X),
    Case("random_crop", layers.RandomCrop, {"height": 3, "width": 4}, X, "draws", alone=ALONE),
    Case("random_flip", layers.RandomFlip, {}, X, "draws"),
    Case("random_rotation", layers.RandomRotation, {"factor": 0.2, "seed": 3}, X, "draws"),
    Case("random_translation", layers.RandomTranslation, {"height_factor": 0.2, "width_factor": 0.3}, X, "draws"),
    Case("random_zoom", layers.RandomZoom, {"height_factor": 0.2, "width_factor": (-0.3, 0.1)}, X, "draws"),
    Case("random_shear", layers.RandomShear, {"x_factor": (0.0, 0.3), "y_factor": (0.1, 0.2)}, X, "draws"),
    Case("random_perspective", layers.RandomPerspective, {"factor": (1.0, 1.0), "scale": 0.5}, X, "draws"),
    Case("random_elastic_transform", layers.RandomElasticTransform, {**WIDE, "factor": (1, 1)}, shares(2, 20, 20, 3),
         "draws"),
    Case("random_brightness", layers.RandomBrightness, {"factor": 0.1, "value_range": (-1, 2)}, X, "draws"),
    Case("random_contrast", layers.RandomContrast, {"factor": 0.3, "value_range": (-1, 2)}, X, "draws"),
    Case("random_saturation", layers.RandomSaturation, {"factor": 0.4}, SHADES, "draws", half=6.0, alone=WHOLE),
    Case("random_hue", layers.RandomHue, {"factor": 0.2}, SHADES, "draws", half=6.0, alone=WHOLE),
    Case("random_grayscale", layers.RandomGrayscale, {}, shares(8, 2, 2, 3), "draws"),
    Case("random_color_degeneration", layers.RandomColorDegeneration, {"factor": 0.5, **WIDE}, X, "draws"),
    Case("random_posterization", layers.RandomPosterization, {"factor": 6}, SHADES, "draws", half=2.0,
         alone=WHOLE),
    Case("random_invert", layers.RandomInvert, {"factor": (0.5, 0.5), **UNIT}, shares(8, 2, 2, 3), "draws"),
    Case("random_color_jitter", layers.RandomColorJitter,
         {"brightness_factor": 0.1, "contrast_factor": 0.2, "saturation_factor": 0.3, "hue_factor": 0.1},
         SHADES, "draws", half=6.0, alone=WHOLE),
    Case("random_sharpness", layers.RandomSharpness, {"factor": 0.4, "value_range": (-1, 2)}, X, "draws"),
    Case("random_gaussian_blur", layers.RandomGaussianBlur, {"factor": (0.5, 1.0), **WIDE}, X, "draws"),
    Case("random_erasing", layers.RandomErasing, {"factor": (1, 1), **UNIT}, X, "draws"),
    Case("auto_contrast", layers.AutoContrast, {}, SHADES, half=3.0),
    Case("solarization", layers.Solarization, {"addition_factor": 0.3, "threshold_factor": 0.5}, SHADES, "draws"),
    Case("equalization", layers.Equalization, {}, SHADES, half=3.0, alone=ALONE),
    Case("clahe", layers.ContrastLimitedAdaptiveHistogramEqualization, {"tile_grid_size": (2, 3)}, SHADES),
    Case("mix_up", layers.MixUp, {"alpha": 0.4}, X, "draws", alone="Keras warns of 64 bits"),
    Case("cut_mix", layers.CutMix, {}, X, "draws"),
    Case("rand_augment", layers.RandAugment, {"factor": 0.3}, SHADES, "draws", half=3.0),
    Case("aug_mix", layers.AugMix, {"num_chains": 2, "chain_depth": 2, "all_ops": False}, SHADES, "draws", half=3.0),
    Case("pipeline", pipeline, {}, X),
    Case("max_num_bounding_boxes", layers.MaxNumBoundingBoxes, {"max_number": 3}, X),
]  # fmt: skip

MORE_CASES = [
    Case("rescaling_channels", layers.Rescaling, {"scale": [0.5, 2.0, 3.0], "offset": [1.0, 2.0, 3.0]}, X),
    Case("normalization_axes", layers.Normalization,
         {"axis": (1, -1), "mean": [[1.0, 2.0, 3.0]] * 6, "variance": [[4.0, 2.0, 1.0]] * 6, "invert": True}, X),
    Case("normalization_none", layers.Normalization, {"axis": None, "mean": 2.0, "variance": 0.0}, floats(4, 5)),
    Case("normalization_row", layers.Normalization, {"mean": [1.0, 2.0, 3.0], "variance": [1.0, 0.5, 3.0]}, X),
    Case("resizing_shades", layers.Resizing, {"height": 4, "width": 9, "interpolation": "bicubic"}, SHADES),
    Case("resizing_crop", layers.Resizing,
         {"height": 4, "width": 3, "crop_to_aspect_ratio": True, "antialias": True}, X),
    Case("resizing_pad", layers.Resizing, {"height": 4, "width": 12, "pad_to_aspect_ratio": True, **FIRST}, X),
    Case("center_crop_small", layers.CenterCrop, {"height": 9, "width": 4}, X),
    Case("center_crop_first", layers.CenterCrop, {"height": 3, "width": 2, **FIRST}, X),
    Case("auto_contrast_flat", layers.AutoContrast, {}, np.concatenate([X * 0 + 7, X[:1] * 200]),
         alone="the gradient of Keras's is NaN"),
    Case("clahe_first", layers.ContrastLimitedAdaptiveHistogramEqualization,
         {"tile_grid_size": [3, 2], "clip_limit": 0.0, **UNIT, **FIRST}, X, loose=1e-4),
]  # fmt: skip
