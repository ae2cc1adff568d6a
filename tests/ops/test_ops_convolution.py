"""Convolutions, pools and patches beside Keras's, and what Keras gets wrong beside NumPy."""

import keras
import numpy as np
import pytest

from jaxlayers import ops


def floats(*shape):
    return np.random.default_rng(shape).normal(0.2, 1.0, shape).astype("float32")


CONV = [
    ("conv", [floats(2, 7, 3), floats(3, 3, 4)], {}),
    ("conv", [floats(2, 7, 3), floats(2, 3, 4)], {"strides": 2, "padding": "same"}),
    ("conv", [floats(2, 6, 5, 4), floats(3, 2, 2, 6)], {"strides": (2, 1)}),
    ("conv", [floats(2, 4, 6, 5), floats(3, 2, 4, 3)], {"data_format": "channels_first", "padding": "same"}),
    ("conv", [floats(2, 6, 5, 3), floats(2, 2, 3, 2)], {"dilation_rate": (2, 1)}),
    ("conv", [floats(1, 4, 5, 4, 2), floats(2, 3, 2, 2, 2)], {"strides": [1, 2, 1], "padding": "same"}),
    ("depthwise_conv", [floats(2, 7, 3), floats(3, 3, 2)], {"strides": 2}),
    ("depthwise_conv", [floats(2, 6, 5, 3), floats(2, 3, 3, 2)], {"padding": "same", "dilation_rate": 2}),
    ("depthwise_conv", [floats(2, 3, 6, 5), floats(2, 3, 3, 1)], {"data_format": "channels_first"}),
    ("separable_conv", [floats(2, 7, 3), floats(3, 3, 2), floats(1, 6, 4)], {"strides": 2, "padding": "same"}),
    (
        "separable_conv",
        [floats(2, 3, 6, 5), floats(2, 3, 3, 1), floats(1, 1, 3, 2)],
        {"data_format": "channels_first", "dilation_rate": 2},
    ),
    ("conv_transpose", [floats(2, 5, 3), floats(2, 4, 3)], {"strides": 3}),
    ("conv_transpose", [floats(2, 5, 3), floats(3, 4, 3)], {"strides": 2, "padding": "same"}),
    ("conv_transpose", [floats(2, 4, 3, 3), floats(3, 2, 2, 3)], {"dilation_rate": (1, 2), "padding": "same"}),
    (
        "conv_transpose",
        [floats(2, 3, 4, 3), floats(3, 4, 2, 3)],
        {"strides": (2, 3), "output_padding": (0, 2), "data_format": "channels_first"},
    ),
    (
        "conv_transpose",
        [floats(2, 4, 3, 2), floats(4, 3, 2, 2)],
        {"strides": 2, "padding": "same", "output_padding": 1},
    ),
    ("conv_transpose", [floats(1, 2, 3, 2, 2), floats(2, 1, 3, 2, 2)], {"strides": (2, 1, 2)}),
]
POOL = [
    (name, x, arguments)
    for name in ("max_pool", "average_pool")
    for x, arguments in [
        (floats(2, 7, 3), {"pool_size": 2, "strides": 2}),
        (floats(2, 7, 3), {"pool_size": 3, "strides": 2, "padding": "same"}),
        (floats(2, 6, 5, 2), {"pool_size": (2, 3), "strides": (1, 2)}),
        (floats(2, 2, 6, 5), {"pool_size": (3, 4), "strides": 2, "padding": "same", "data_format": "channels_first"}),
        (floats(1, 4, 5, 3, 2), {"pool_size": (2, 3, 2), "strides": 1, "padding": "same"}),
    ]
]
ADAPTIVE = [
    (name, x, arguments)
    for name in ("adaptive_max_pool", "adaptive_average_pool")
    for x, arguments in [
        (floats(2, 8, 3), {"output_size": 3}),
        (floats(2, 6, 5, 2), {"output_size": (3, 2)}),
        (floats(2, 2, 3, 7), {"output_size": (4, 5), "data_format": "channels_first"}),
        (floats(1, 4, 5, 3, 2), {"output_size": (2, 1, 2)}),
    ]
]
PATCHES = [
    ("unfold", floats(2, 3, 5, 6), {"kernel_size": 2}),
    ("unfold", floats(2, 3, 5, 6), {"kernel_size": (3, 2), "dilation": (1, 2), "padding": (1, 0), "stride": (2, 1)}),
    ("fold", floats(2, 12, 20), {"output_size": (5, 6), "kernel_size": 2}),
    ("fold", floats(2, 18, 9), {"output_size": (5, 6), "kernel_size": (3, 2), "padding": (1, 0), "stride": 2}),
    ("fold", floats(1, 12, 6), {"output_size": (5, 6), "kernel_size": (3, 2), "dilation": (1, 2), "padding": (0, 0)}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CONV)
def test_convolutions(agree, name, args, kwargs):
    agree(getattr(ops, name), getattr(keras.ops, name), args, kwargs, lists=False)


@pytest.mark.parametrize(("name", "x", "kwargs"), [*POOL, *ADAPTIVE])
def test_pools(agree, name, x, kwargs):
    agree(getattr(ops, name), getattr(keras.ops, name), [x], kwargs, lists=False)


@pytest.mark.parametrize(("name", "x", "kwargs"), PATCHES[:4])
def test_patches(agree, name, x, kwargs):
    agree(getattr(ops, name), getattr(keras.ops, name), [x], kwargs)
