"""Blocks that are run many times."""

from __future__ import annotations

from typing import Any

import jaxlayers as jl
from jaxlayers import layers
from tests.layers.table import Case, floats


def chain() -> Any:
    """Everything a block may do: weights, penalties, statistics, draws."""
    inside = [
        layers.Dense(5, activation="tanh", use_bias=False, kernel_regularizer="l2", activity_regularizer="l2"),
        layers.BatchNormalization(momentum=0.7),
        layers.Dropout(0.25),
    ]
    return jl.Sequential(inside, name="chain")


CASES = [
    Case(
        "repeat",
        layers.Repeat,
        {"block": layers.Dense(5, "tanh", False, kernel_constraint="max_norm", name="it"), "n": 3, "unroll": True},
        floats(4, 5),
        alone="Keras has none",
    ),
    Case(
        "repeat_everything",
        layers.Repeat,
        {"block": chain(), "n": 2, "remat": "dots_saveable"},
        floats(6, 5),
        "draws statistics",
        alone="Keras has none",
    ),
]
MORE_CASES: list[Case] = []
