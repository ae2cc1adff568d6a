"""Attention, with and without projections."""

import jaxlayers as jl
from jaxlayers import layers
from tests.layers.table import Case, floats

SCORES = {"return_attention_scores": True}
CAUSAL = {"use_causal_mask": True}

CASES = [
    Case("attention", layers.Attention, {}, [floats(3, 4, 5), floats(3, 2, 5)]),
    Case(
        "attention_concat",
        layers.Attention,
        {"score_mode": "concat", "use_scale": True, "dropout": 0.3, "seed": 4},
        [floats(3, 4, 5), floats(3, 2, 6), floats(3, 2, 5)],
        "draws",
    ),
    Case("additive_attention", layers.AdditiveAttention, {}, [floats(3, 4, 5), floats(3, 2, 5)]),
    Case(
        "multi_head",
        layers.MultiHeadAttention,
        {"num_heads": 2, "key_dim": 3},
        floats(3, 4, 5),
        more=(floats(3, 6, 5),),
    ),
    Case(
        "multi_head_dropout",
        layers.MultiHeadAttention,
        {"num_heads": 2, "key_dim": 3, "dropout": 0.4, "use_gate": True, "value_dim": 4, "output_shape": (2, 3)},
        floats(3, 4, 5),
        "draws",
        more=(floats(3, 4, 6), floats(3, 4, 7)),
        call={**CAUSAL, **SCORES},
    ),
    Case(
        "multi_head_two_axes",
        layers.MultiHeadAttention,
        {"num_heads": 2, "key_dim": 3, "attention_axes": (1, 3), "use_bias": False},
        floats(2, 3, 4, 2, 5),
        more=(floats(2, 2, 4, 3, 5),),
        call=SCORES,
        half=0.2,
    ),
    Case(
        "grouped_query",
        layers.GroupQueryAttention,
        {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2},
        floats(3, 4, 5),
        more=(floats(3, 4, 5),),
        call=CAUSAL,
    ),
]

MORE_CASES = [
    Case(
        "attention_scores",
        layers.Attention,
        {"score_mode": "concat", "use_scale": True},
        [floats(3, 4, 5), floats(3, 2, 6), floats(3, 2, 5)],
        call=SCORES,
    ),
    Case("attention_scale", layers.Attention, {"use_scale": True}, [floats(3, 4, 5), floats(3, 4, 5)], call=CAUSAL),
    Case("attention_plain_concat", layers.Attention, {"score_mode": "concat"}, [floats(3, 4, 5), floats(3, 2, 5)]),
    Case(
        "additive_attention_plain",
        layers.AdditiveAttention,
        {"use_scale": False},
        [floats(3, 4, 5), floats(3, 2, 5)],
        call={**CAUSAL, **SCORES},
    ),
    Case(
        "multi_head_everything",
        layers.MultiHeadAttention,
        {
            "num_heads": 2,
            "key_dim": 3,
            "kernel_initializer": "he_normal",
            "bias_initializer": "ones",
            "kernel_regularizer": "l2",
            "bias_regularizer": jl.regularizers.L1(0.25),
            "activity_regularizer": jl.regularizers.L1L2(0.125, 0.25),
            "kernel_constraint": "max_norm",
            "bias_constraint": "non_neg",
            "sliding_window": 2,
            "seed": 3,
        },
        floats(3, 4, 5),
        more=(floats(3, 4, 5),),
        call=CAUSAL,
    ),
    Case(
        "multi_head_all_axes",
        layers.MultiHeadAttention,
        {"num_heads": 2, "key_dim": 3, "use_gate": True, "output_shape": 7},
        floats(2, 3, 4, 5),
        more=(floats(2, 2, 3, 5),),
    ),
    Case(
        "multi_head_last_axis",
        layers.MultiHeadAttention,
        {"num_heads": 1, "key_dim": 2, "attention_axes": -2, "value_dim": 3},
        floats(2, 3, 4, 5),
        more=(floats(2, 3, 2, 5),),
        call=SCORES,
    ),
    Case(
        "grouped_query_gate",
        layers.GroupQueryAttention,
        {
            "head_dim": 3,
            "num_query_heads": 4,
            "num_key_value_heads": 1,
            "use_gate": True,
            "use_bias": False,
            "sliding_window": 3,
            "activity_regularizer": "l2",
        },
        floats(3, 4, 5),
        more=(floats(3, 6, 5),),
        call=SCORES,
    ),
]
