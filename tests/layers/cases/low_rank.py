"""Layers with low-rank adaptation. (Dense and Embedding of Keras forget an alpha other than the rank.)"""

from jaxlayers import layers
from tests.layers.table import Case, floats, integers

CASES = [
    Case("dense_low_rank", layers.Dense, {"units": 3, "use_bias": False, "lora_rank": 2}, floats(4, 5)),
    Case(
        "conv2d_low_rank",
        layers.Conv2D,
        {"filters": 4, "kernel_size": 2, "groups": 2, "lora_rank": 2, "lora_alpha": 3.0},
        floats(2, 3, 3, 4),
    ),
]

MORE_CASES = [
    Case("dense_low_rank_pieces", layers.Dense, {"units": 3, "kernel_regularizer": "l2", "lora_rank": 1}, floats(4, 5)),
    Case("conv1d_low_rank", layers.Conv1D, {"filters": 3, "kernel_size": 2, "lora_rank": 2}, floats(2, 5, 3)),
    Case(
        "conv3d_low_rank",
        layers.Conv3D,
        {"filters": 3, "kernel_size": 1, "lora_rank": 2, "use_bias": False},
        floats(2, 2, 2, 2, 3),
    ),
    Case(
        "einsum_dense_low_rank",
        layers.EinsumDense,
        {
            "equation": "abc,cde->abde",
            "output_shape": (None, 2, 4),
            "bias_axes": "de",
            "lora_rank": 3,
            "lora_alpha": 1.5,
        },
        floats(3, 4, 5),
    ),
    Case(
        "embedding_low_rank",
        layers.Embedding,
        {"input_dim": 5, "output_dim": 3, "mask_zero": True, "lora_rank": 2},
        integers(4, 2),
    ),
    Case(
        "reversible_embedding_low_rank",
        layers.ReversibleEmbedding,
        {"input_dim": 5, "output_dim": 3, "lora_rank": 2},
        floats(4, 3),
        call={"reverse": True},
    ),
    Case(
        "reversible_embedding_untied_low_rank",
        layers.ReversibleEmbedding,
        {"input_dim": 5, "output_dim": 3, "tie_weights": False, "lora_rank": 2},
        integers(4, 2),
        alone="Keras refuses the table that is made after the low-rank ones",
    ),
]
