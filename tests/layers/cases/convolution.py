"""Convolutions, their transposes, and those of single channels."""

from __future__ import annotations

from jaxlayers import layers, regularizers
from tests.layers.table import Case, floats

FIRST = {"data_format": "channels_first"}
EVERYTHING = {
    "activation": "tanh",
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": regularizers.L1(0.25),
    "activity_regularizer": regularizers.L1L2(0.125, 0.25),
    "kernel_constraint": "max_norm",
    "bias_constraint": "non_neg",
}
DEPTHWISE = {name.replace("kernel", "depthwise"): value for name, value in EVERYTHING.items()}

CASES = [
    Case("conv1d", layers.Conv1D, {"filters": 3, "kernel_size": 2}, floats(2, 5, 3)),
    Case(
        "conv1d_causal",
        layers.Conv1D,
        {"filters": 2, "kernel_size": 3, "padding": "causal", "dilation_rate": 2, "activation": "tanh"},
        floats(2, 6, 3),
    ),
    Case("conv2d", layers.Conv2D, {"filters": 3, "kernel_size": 2, "activation": "gelu"}, floats(2, 4, 5, 2)),
    Case(
        "conv2d_first_groups",
        layers.Conv2D,
        {"filters": 4, "kernel_size": 3, "groups": 2, "strides": (2, 1), "padding": "same", "use_bias": False, **FIRST},
        floats(2, 2, 4, 5),
    ),
    Case("conv3d", layers.Conv3D, {"filters": 2, "kernel_size": 2}, floats(2, 3, 2, 3, 2)),
    Case("conv1d_transpose", layers.Conv1DTranspose, {"filters": 2, "kernel_size": 3, "strides": 2}, floats(2, 4, 3)),
    Case(
        "conv2d_transpose",
        layers.Conv2DTranspose,
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "activation": "tanh"},
        floats(2, 3, 2, 3),
    ),
    Case(
        "conv3d_transpose",
        layers.Conv3DTranspose,
        {"filters": 2, "kernel_size": 2, "strides": (1, 2, 1), "output_padding": (0, 1, 0), **FIRST},
        floats(2, 2, 2, 2, 3),
    ),
    Case("depthwise1d", layers.DepthwiseConv1D, {"kernel_size": 2}, floats(2, 5, 3)),
    Case(
        "depthwise2d",
        layers.DepthwiseConv2D,
        {"kernel_size": 2, "depth_multiplier": 2, "activation": "tanh"},
        floats(2, 4, 3, 2),
    ),
    Case("separable1d", layers.SeparableConv1D, {"filters": 2, "kernel_size": 2}, floats(2, 5, 3)),
    Case(
        "separable2d",
        layers.SeparableConv2D,
        {"filters": 2, "kernel_size": 2, "depth_multiplier": 2, "padding": "same", **FIRST},
        floats(2, 3, 4, 3),
    ),
]

MORE_CASES = [
    Case("conv1d_everything", layers.Conv1D, {"filters": 2, "kernel_size": 2, **EVERYTHING}, floats(2, 5, 3)),
    Case(
        "conv1d_causal_first",
        layers.Conv1D,
        {"filters": 4, "kernel_size": 2, "padding": "causal", "strides": 2, "groups": 2, **FIRST},
        floats(2, 4, 7),
    ),
    Case("conv1d_same", layers.Conv1D, {"filters": 2, "kernel_size": [4], "padding": "SAME"}, floats(2, 7, 3)),
    Case(
        "conv2d_dilated", layers.Conv2D, {"filters": 2, "kernel_size": 2, "dilation_rate": (1, 2)}, floats(2, 4, 5, 3)
    ),
    Case(
        "conv2d_even_same",
        layers.Conv2D,
        {"filters": 2, "kernel_size": (4, 2), "strides": 2, "padding": "same"},
        floats(2, 5, 6, 3),
    ),
    Case("conv2d_one", layers.Conv2D, {"filters": 6, "kernel_size": 1, "groups": 3}, floats(2, 3, 3, 3)),
    Case(
        "conv3d_first",
        layers.Conv3D,
        {"filters": 2, "kernel_size": (1, 2, 2), "strides": 2, **FIRST},
        floats(1, 3, 3, 4, 5),
    ),
    *(
        Case(
            f"conv1d_transpose_{padding}_{kernel}_{strides}_{more}",
            layers.Conv1DTranspose,
            {"filters": 2, "kernel_size": kernel, "strides": strides, "padding": padding, "output_padding": more},
            floats(2, 4, 3),
        )
        for padding in ("valid", "same")
        for kernel, strides, more in [(1, 3, None), (2, 3, 1), (3, 2, 0), (4, 2, None), (3, 2, 1), (4, 3, 2)]
    ),
    Case(
        "conv1d_transpose_everything",
        layers.Conv1DTranspose,
        {"filters": 2, "kernel_size": 3, "dilation_rate": 2, "data_format": "channels_first", **EVERYTHING},
        floats(2, 3, 4),
    ),
    Case(
        "conv2d_transpose_first",
        layers.Conv2DTranspose,
        {"filters": 2, "kernel_size": (2, 3), "strides": (1, 2), "padding": "same", "use_bias": False, **FIRST},
        floats(2, 3, 4, 2),
    ),
    Case(
        "conv3d_transpose_dilated",
        layers.Conv3DTranspose,
        {"filters": 2, "kernel_size": 2, "dilation_rate": 2},
        floats(1, 2, 3, 2, 2),
    ),
    Case("depthwise1d_everything", layers.DepthwiseConv1D, {"kernel_size": 2, **DEPTHWISE}, floats(2, 5, 3)),
    Case(
        "depthwise2d_first",
        layers.DepthwiseConv2D,
        {"kernel_size": (3, 2), "strides": 2, "padding": "same", "use_bias": False, **FIRST},
        floats(2, 3, 4, 5),
    ),
    Case(
        "depthwise2d_dilated", layers.DepthwiseConv2D, {"kernel_size": 2, "dilation_rate": (2, 1)}, floats(2, 4, 4, 3)
    ),
    Case(
        "separable1d_everything",
        layers.SeparableConv1D,
        {
            "filters": 2,
            "kernel_size": 2,
            "pointwise_regularizer": regularizers.L1(0.25),
            "pointwise_constraint": "unit_norm",
            **DEPTHWISE,
        },
        floats(2, 5, 3),
    ),
    Case(
        "separable2d_strides",
        layers.SeparableConv2D,
        {"filters": 4, "kernel_size": 3, "strides": 2},
        floats(2, 5, 6, 2),
    ),
    Case(
        "separable2d_dilated",
        layers.SeparableConv2D,
        {"filters": 4, "kernel_size": 2, "dilation_rate": 2, "use_bias": False},
        floats(2, 5, 4, 2),
    ),
]
