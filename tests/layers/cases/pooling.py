"""Pools: of windows, of everything, of windows as many as wanted."""

from __future__ import annotations

import math

import numpy as np

from jaxlayers import layers
from tests.layers.table import Case, floats, integers, masks


def apart(*shape: int) -> np.ndarray:
    """Values so far apart that the largest stays the largest in the steps of numerical slopes."""
    values = np.random.default_rng(shape).permutation(math.prod(shape)) / 4 - 2
    return values.reshape(shape).astype("float32")


FIRST = {"data_format": "channels_first"}

CASES = [
    Case("max_pool1d", layers.MaxPooling1D, {}, apart(2, 5, 3)),
    Case("max_pool2d", layers.MaxPooling2D, {"pool_size": 3, "strides": 2, "padding": "same"}, apart(2, 4, 5, 2)),
    Case("max_pool3d", layers.MaxPooling3D, {"pool_size": (1, 2, 2), **FIRST}, apart(2, 2, 2, 4, 3)),
    Case("average_pool1d", layers.AveragePooling1D, {"pool_size": 2}, floats(2, 5, 3)),
    Case(
        "average_pool2d", layers.AveragePooling2D, {"pool_size": 3, "strides": 2, "padding": "same"}, floats(2, 4, 5, 2)
    ),
    Case("average_pool3d", layers.AveragePooling3D, {"pool_size": (1, 2, 2), **FIRST}, floats(2, 2, 2, 4, 3)),
    Case("global_max1d", layers.GlobalMaxPooling1D, {}, apart(2, 5, 3)),
    Case("global_max2d", layers.GlobalMaxPooling2D, {"keepdims": True, **FIRST}, apart(2, 3, 4, 5)),
    Case("global_max3d", layers.GlobalMaxPooling3D, {}, apart(2, 3, 2, 2, 3)),
    Case("global_average1d", layers.GlobalAveragePooling1D, {"keepdims": True}, floats(2, 5, 3)),
    Case("global_average2d", layers.GlobalAveragePooling2D, {}, floats(2, 3, 4, 5)),
    Case("global_average3d", layers.GlobalAveragePooling3D, FIRST, floats(2, 3, 2, 2, 3)),
    Case("adaptive_max1d", layers.AdaptiveMaxPooling1D, {"output_size": 3}, apart(2, 7, 2)),
    Case("adaptive_max2d", layers.AdaptiveMaxPooling2D, {"output_size": (2, 3)}, apart(2, 4, 5, 2)),
    Case("adaptive_max3d", layers.AdaptiveMaxPooling3D, {"output_size": 2, **FIRST}, apart(2, 2, 3, 4, 2)),
    Case("adaptive_average1d", layers.AdaptiveAveragePooling1D, {"output_size": 3}, floats(2, 7, 2)),
    Case("adaptive_average2d", layers.AdaptiveAveragePooling2D, {"output_size": (2, 3)}, floats(2, 4, 5, 2)),
    Case("adaptive_average3d", layers.AdaptiveAveragePooling3D, {"output_size": 2, **FIRST}, floats(2, 2, 3, 4, 2)),
]

MORE_CASES = [
    Case("max_pool2d_bools", layers.MaxPooling2D, {"pool_size": 2}, integers(2, 5, 4, 3) > 3),
    Case(
        "max_pool2d_bools_same",
        layers.MaxPooling2D,
        {"pool_size": 3, "strides": 2, "padding": "same"},
        integers(2, 5, 4, 3) > 3,
    ),
    *(
        Case(
            f"global_average_pooling1d_mask_{dtype}",
            layers.GlobalAveragePooling1D,
            {},
            integers(3, 5, 2).astype(dtype),
            more=(masks(3, 5),),
        )
        for dtype in ("uint8", "bool")
    ),
    Case("max_pool1d_first", layers.MaxPooling1D, {"pool_size": 3, "strides": 2, **FIRST}, floats(2, 3, 7)),
    Case("max_pool1d_same", layers.MaxPooling1D, {"pool_size": [4], "padding": "same", "strides": 3}, floats(2, 7, 3)),
    Case("max_pool2d_plain", layers.MaxPooling2D, {"pool_size": (2, 3)}, floats(2, 5, 6, 3)),
    Case("max_pool3d_same", layers.MaxPooling3D, {"padding": "same"}, floats(1, 3, 4, 5, 2)),
    Case(
        "average_pool1d_same",
        layers.AveragePooling1D,
        {"pool_size": 4, "strides": 3, "padding": "same"},
        floats(2, 8, 3),
    ),
    Case(
        "average_pool2d_first",
        layers.AveragePooling2D,
        {"pool_size": (3, 2), "padding": "same", **FIRST},
        floats(2, 3, 5, 5),
    ),
    Case(
        "average_pool3d_strides", layers.AveragePooling3D, {"pool_size": 2, "strides": (1, 2, 1)}, floats(1, 3, 4, 3, 2)
    ),
    Case("global_max1d_first", layers.GlobalMaxPooling1D, {"keepdims": True, **FIRST}, floats(2, 3, 5)),
    Case("global_average1d_first", layers.GlobalAveragePooling1D, FIRST, floats(2, 3, 5)),
    Case("global_average2d_keepdims", layers.GlobalAveragePooling2D, {"keepdims": True}, floats(2, 3, 4, 5)),
    Case("adaptive_max1d_more", layers.AdaptiveMaxPooling1D, {"output_size": [5]}, floats(2, 3, 2)),
    Case("adaptive_max2d_first", layers.AdaptiveMaxPooling2D, {"output_size": 3, **FIRST}, floats(2, 2, 6, 8)),
    Case(
        "adaptive_average2d_first",
        layers.AdaptiveAveragePooling2D,
        {"output_size": (5, 1), **FIRST},
        floats(2, 2, 7, 4),
    ),
]
