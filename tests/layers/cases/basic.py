"""The first layers: dense, dropout, normalisation, embedding, shapes, functions."""

from __future__ import annotations

from typing import Any

import jaxlayers as jl
from jaxlayers import layers, ops
from tests.layers.table import Case, floats, integers


def chain(**kwargs: Any) -> Any:
    inside = [
        layers.Dense(4, activation="tanh"),
        layers.BatchNormalization(),
        layers.Dropout(0.25),
        jl.Sequential([layers.Dense(3), layers.LayerNormalization()], name="inner"),
    ]
    return jl.Sequential(inside, **kwargs)


def twice_plus(x: Any, offset: float = 0.0) -> Any:
    return 2 * x + offset


def louder_in_training(x: Any, training: bool = False) -> Any:
    return x * (3.0 if training else 1.0)


CASES = [
    Case("dense", layers.Dense, {"units": 3}, floats(4, 5)),
    Case("dense_no_bias", layers.Dense, {"units": 3, "use_bias": False, "activation": "gelu"}, floats(4, 5)),
    Case("dense_rank_4", layers.Dense, {"units": 2, "activation": "softmax"}, floats(2, 3, 4, 5)),
    Case(
        "dense_with_everything",
        layers.Dense,
        {
            "units": 3,
            "activation": "tanh",
            "kernel_initializer": "he_normal",
            "bias_initializer": "ones",
            "kernel_regularizer": "l2",
            "bias_regularizer": jl.regularizers.L1(0.25),
            "activity_regularizer": jl.regularizers.L1L2(0.125, 0.25),
            "kernel_constraint": "max_norm",
            "bias_constraint": "non_neg",
        },
        floats(4, 5),
    ),
    Case("activation", layers.Activation, {"activation": "tanh"}, floats(4, 5)),
    Case("activation_function", layers.Activation, {"activation": ops.sin}, floats(4, 2, 3)),
    Case(
        "activation_regularized", layers.Activation, {"activation": "elu", "activity_regularizer": "l2"}, floats(4, 5)
    ),
    Case("dropout", layers.Dropout, {"rate": 0.4}, floats(4, 5), "draws"),
    Case("dropout_seed", layers.Dropout, {"rate": 0.4, "seed": 7}, floats(4, 5), "draws"),
    Case(
        "dropout_noise_shape", layers.Dropout, {"rate": 0.5, "noise_shape": (None, 1, None)}, floats(4, 6, 5), "draws"
    ),
    Case("dropout_nothing", layers.Dropout, {"rate": 0.0}, floats(4, 5)),
    Case("dropout_everything", layers.Dropout, {"rate": 1.0}, floats(4, 5)),
    Case("batch_norm", layers.BatchNormalization, {}, floats(6, 5), "statistics"),
    Case("batch_norm_rank_4", layers.BatchNormalization, {"momentum": 0.6}, floats(3, 2, 4, 5), "statistics"),
    Case("batch_norm_axis_1", layers.BatchNormalization, {"axis": 1, "epsilon": 0.1}, floats(4, 3, 2, 5), "statistics"),
    Case("batch_norm_bare", layers.BatchNormalization, {"center": False, "scale": False}, floats(6, 5), "statistics"),
    Case("batch_norm_no_beta", layers.BatchNormalization, {"center": False}, floats(6, 5), "statistics"),
    Case(
        "batch_norm_synchronized",
        layers.BatchNormalization,
        {"synchronized": True},
        floats(6, 5),
        "statistics",
        alone="Keras wants a mesh",
    ),
    Case("layer_norm", layers.LayerNormalization, {}, floats(4, 5)),
    Case("layer_norm_axes", layers.LayerNormalization, {"axis": [1, 2]}, floats(4, 3, 5)),
    Case("layer_norm_axis_1", layers.LayerNormalization, {"axis": 1, "epsilon": 0.01}, floats(4, 3, 5)),
    Case("layer_norm_bare", layers.LayerNormalization, {"center": False, "scale": False}, floats(4, 5)),
    Case("layer_norm_no_gamma", layers.LayerNormalization, {"scale": False}, floats(4, 5)),
    Case("embedding", layers.Embedding, {"input_dim": 5, "output_dim": 3}, integers(4, 2)),
    Case("embedding_mask", layers.Embedding, {"input_dim": 5, "output_dim": 3, "mask_zero": True}, integers(4, 6)),
    Case(
        "embedding_pieces",
        layers.Embedding,
        {"input_dim": 5, "output_dim": 2, "embeddings_regularizer": "l2", "embeddings_constraint": "unit_norm"},
        integers(4),
    ),
    Case("flatten", layers.Flatten, {}, floats(4, 2, 3)),
    Case("flatten_rank_1", layers.Flatten, {}, floats(4)),
    Case("flatten_channels_first", layers.Flatten, {"data_format": "channels_first"}, floats(4, 2, 3, 5)),
    Case("reshape", layers.Reshape, {"target_shape": (3, 4)}, floats(2, 12)),
    Case("reshape_rest", layers.Reshape, {"target_shape": (-1, 2)}, floats(2, 3, 4)),
    Case("reshape_flat", layers.Reshape, {"target_shape": (-1,)}, floats(2, 3, 4)),
    Case("lambda", layers.Lambda, {"function": twice_plus, "arguments": {"offset": 1.5}}, floats(4, 5)),
    Case("lambda_training", layers.Lambda, {"function": louder_in_training}, floats(4, 5)),
    Case("identity", layers.Identity, {}, floats(4, 5)),
    Case("sequential", chain, {}, floats(6, 5), "draws statistics"),
]

MORE_CASES = [
    *(Case(f"dense_{a}", layers.Dense, {"units": 3, "activation": a}, floats(4, 5)) for a in ("relu", "selu", "gelu")),
    Case("log_softmax", layers.Activation, {"activation": "log_softmax"}, floats(3, 4)),
    Case("batch_norm_rank_3", layers.BatchNormalization, {"axis": 2, "scale": False}, floats(4, 3, 2), "statistics"),
    Case("layer_norm_last", layers.LayerNormalization, {"axis": (-1, 1), "epsilon": 0.1}, floats(2, 3, 2, 4)),
    Case("layer_norm_two", layers.LayerNormalization, {"axis": [1, 3]}, floats(2, 3, 2, 4)),
    Case("embedding_rank_3", layers.Embedding, {"input_dim": 5, "output_dim": 3, "mask_zero": True}, integers(3, 4, 2)),
    Case("reshape_middle", layers.Reshape, {"target_shape": (2, -1, 2)}, floats(2, 4, 6)),
    Case("reshape_scalar", layers.Reshape, {"target_shape": ()}, floats(3, 1)),
]
