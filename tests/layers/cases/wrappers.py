"""Masking, and layers around another layer."""

from __future__ import annotations

import numpy as np

from jaxlayers import layers
from tests.layers.table import Case, floats, integers

PADDED = np.where(integers(4, 5, 1) < 2, 0, floats(4, 5, 3)).astype("float32")

CASES = [
    Case("masking", layers.Masking, {"mask_value": 2.0}, floats(4, 3, 2)),
    Case(
        "time_distributed",
        layers.TimeDistributed,
        {"layer": layers.Dense(3, use_bias=False, name="it")},
        floats(4, 3, 2),
    ),
    Case(
        "time_distributed_draws",
        layers.TimeDistributed,
        {"layer": layers.Dropout(0.5, name="it")},
        floats(4, 3, 2),
        "draws",
    ),
    Case(
        "time_distributed_statistics",
        layers.TimeDistributed,
        {"layer": layers.BatchNormalization(momentum=0.7, name="it")},
        floats(4, 3, 2),
        "statistics",
    ),
]

MORE_CASES = [
    Case("masking_zeros", layers.Masking, {}, PADDED),
    Case(
        "time_distributed_conv", layers.TimeDistributed, {"layer": layers.Conv1D(2, 2, name="it")}, floats(4, 3, 5, 2)
    ),
]
