"""Products written in Einstein's notation, and the embedding that goes both ways."""

import jaxlayers as jl
from jaxlayers import layers
from tests.layers.table import Case, floats, integers

CASES = [
    Case(
        "einsum_dense",
        layers.EinsumDense,
        {"equation": "abc,cde->abde", "output_shape": (None, 2, 4), "bias_axes": "de", "activation": "tanh"},
        floats(3, 4, 5),
    ),
    Case(
        "einsum_dense_dots",
        layers.EinsumDense,
        {
            "equation": "...ab,bac->...c",
            "output_shape": (6,),
            "bias_axes": "c",
            "kernel_initializer": "he_normal",
            "kernel_regularizer": "l2",
            "bias_constraint": "non_neg",
            "activity_regularizer": jl.regularizers.L1(0.25),
        },
        floats(3, 2, 4, 5),
    ),
    Case("reversible_embedding", layers.ReversibleEmbedding, {"input_dim": 5, "output_dim": 3}, integers(4, 2)),
]

MORE_CASES = [
    Case("einsum_dense_plain", layers.EinsumDense, {"equation": "ab,bc->ac", "output_shape": 6}, floats(4, 5)),
    Case(
        "einsum_dense_inner_bias",
        layers.EinsumDense,
        {"equation": "abc,cde->abde", "output_shape": (4, 2, 6), "bias_axes": "d"},
        floats(3, 4, 5),
    ),
    Case(
        "einsum_dense_dots_behind",
        layers.EinsumDense,
        {"equation": "ab...,bc->ac...", "output_shape": 6, "bias_axes": "c"},
        floats(3, 4, 2, 5),
    ),
    Case(
        "einsum_dense_no_rest",
        layers.EinsumDense,
        {"equation": "...a,ab->...b", "output_shape": 6, "bias_axes": "b"},
        floats(3, 4),
    ),
    Case(
        "einsum_dense_by_axis",
        layers.EinsumDense,
        {"equation": "abc,bd->adc", "output_shape": (6, 5), "bias_axes": "dc"},
        floats(3, 4, 5),
    ),
    Case(
        "reversible_embedding_tied",
        layers.ReversibleEmbedding,
        {"input_dim": 5, "output_dim": 3, "reverse_dtype": "float32", "mask_zero": True},
        floats(4, 2, 3),
        call={"reverse": True},
    ),
    Case(
        "reversible_embedding_reversed",
        layers.ReversibleEmbedding,
        {"input_dim": 5, "output_dim": 3, "tie_weights": False, "logit_soft_cap": 2.0},
        floats(4, 2, 3),
        call={"reverse": True},
    ),
]
