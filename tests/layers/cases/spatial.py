"""Layers that cut, surround, enlarge, transpose or repeat; and activations with arguments."""

from __future__ import annotations

from jaxlayers import layers
from tests.layers.table import Case, floats, integers, masks

FIRST = {"data_format": "channels_first"}

CASES = [
    Case("permute", layers.Permute, {"dims": (3, 1, 2)}, floats(2, 3, 4, 5)),
    Case("repeat_vector", layers.RepeatVector, {"n": 3}, floats(2, 4)),
    Case("cropping1d", layers.Cropping1D, {"cropping": (1, 2)}, floats(2, 5, 3)),
    Case("cropping2d", layers.Cropping2D, {"cropping": ((1, 0), (0, 2)), **FIRST}, floats(2, 2, 4, 5)),
    Case("cropping3d", layers.Cropping3D, {}, floats(2, 3, 4, 3, 2)),
    Case("zero_padding1d", layers.ZeroPadding1D, {"padding": (0, 2)}, floats(2, 3, 2)),
    Case("zero_padding2d", layers.ZeroPadding2D, {"padding": ((1, 0), (0, 2))}, floats(2, 2, 3, 2)),
    Case("zero_padding3d", layers.ZeroPadding3D, {"padding": (1, 0, 2), **FIRST}, floats(2, 2, 3, 2, 2)),
    Case("up_sampling1d", layers.UpSampling1D, {"size": 3}, floats(2, 3, 2)),
    Case("up_sampling2d", layers.UpSampling2D, {"size": (2, 3)}, floats(2, 3, 2, 2)),
    Case("up_sampling2d_bilinear", layers.UpSampling2D, {"interpolation": "bilinear", **FIRST}, floats(2, 2, 3, 4)),
    Case("up_sampling3d", layers.UpSampling3D, {"size": (1, 2, 3), **FIRST}, floats(1, 2, 2, 2, 3)),
    Case("relu", layers.ReLU, {"max_value": 1.0, "negative_slope": 0.25, "threshold": 0.125}, floats(4, 5)),
    Case("leaky_relu", layers.LeakyReLU, {}, floats(4, 5)),
    Case("elu", layers.ELU, {"alpha": 1.5}, floats(4, 5)),
    Case("prelu", layers.PReLU, {"alpha_regularizer": "l2", "alpha_initializer": "ones"}, floats(4, 5)),
    Case("prelu_shared", layers.PReLU, {"shared_axes": [1, 2]}, floats(2, 3, 4, 5)),
    Case("softmax", layers.Softmax, {}, floats(4, 5)),
    Case("softmax_mask", layers.Softmax, {"axis": (1, 2)}, floats(3, 4, 5), more=(masks(3, 4, 5),)),
]

MORE_CASES = [
    Case("permute_two", layers.Permute, {"dims": [2, 1]}, floats(2, 3, 4)),
    Case("cropping1d_one", layers.Cropping1D, {"cropping": 1}, floats(2, 5, 3)),
    Case("cropping2d_last", layers.Cropping2D, {"cropping": (1, 2)}, floats(2, 4, 6, 2)),
    Case("cropping2d_none", layers.Cropping2D, {}, floats(2, 4, 6, 2)),
    Case("cropping3d_first", layers.Cropping3D, {"cropping": ((0, 1), (1, 0), (0, 0)), **FIRST}, floats(2, 2, 3, 3, 3)),
    Case("zero_padding1d_first", layers.ZeroPadding1D, {"padding": 2, **FIRST}, floats(2, 3, 2)),
    Case("zero_padding2d_first", layers.ZeroPadding2D, {"padding": (1, 2), **FIRST}, floats(2, 2, 3, 2)),
    Case("zero_padding3d_last", layers.ZeroPadding3D, {"padding": ((0, 1), (1, 0), (2, 0))}, floats(1, 2, 3, 2, 2)),
    *(
        Case(f"up_sampling2d_{how}", layers.UpSampling2D, {"size": (3, 2), "interpolation": how}, floats(1, 3, 4, 2))
        for how in ("bilinear", "bicubic", "lanczos3", "lanczos5")
    ),
    *(
        Case(
            f"up_sampling2d_bytes_{how}",
            layers.UpSampling2D,
            {"interpolation": how},
            (70 * integers(1, 3, 4, 2)).astype("uint8"),
        )
        for how in ("bilinear", "bicubic")
    ),
    Case("softmax_integers", layers.Softmax, {}, integers(4, 5), more=(masks(4, 5),)),
    Case("up_sampling2d_first", layers.UpSampling2D, FIRST, floats(2, 2, 3, 2)),
    Case("up_sampling3d_last", layers.UpSampling3D, {"size": 2}, floats(1, 2, 3, 2, 2)),
    Case("relu_plain", layers.ReLU, {}, floats(4, 5)),
    Case("relu_6", layers.ReLU, {"max_value": 6}, 5 * floats(4, 5)),
    Case("leaky_relu_half", layers.LeakyReLU, {"negative_slope": 0.5}, floats(4, 5)),
    Case("prelu_first_shared", layers.PReLU, {"shared_axes": 2, "alpha_constraint": "non_neg"}, floats(2, 3, 4)),
    Case("softmax_axis_1", layers.Softmax, {"axis": 1}, floats(4, 5, 3)),
    Case("softmax_list", layers.Softmax, {"axis": [2]}, floats(4, 5, 3)),
    Case("softmax_float_mask", layers.Softmax, {}, floats(4, 5), more=(masks(4, 5).astype("int32"),)),
    Case("softmax_mask_of_all", layers.Softmax, {"axis": 1}, floats(3, 4, 5), more=(masks(4, 1),)),
]
