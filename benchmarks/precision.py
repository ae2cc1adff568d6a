"""The floating type that layers compute in, which `python -m benchmarks --compute` says; weights are float32 anyway."""

from __future__ import annotations

import os
from typing import Any

import jax

VARIABLE = "JAXLAYERS_BENCHMARKS_COMPUTE"
COMPUTE = os.environ.get(VARIABLE, "float32")
POLICY = COMPUTE if COMPUTE == "float32" else f"mixed_{COMPUTE}"  # as jaxlayers and Keras call it


def as_computed(tree: Any) -> Any:
    """Arrays in the type that is computed in."""
    return jax.tree.map(lambda array: array.astype(COMPUTE), tree)


def wide(array: jax.Array) -> jax.Array:
    """For what is summed or divided: float32."""
    return array.astype("float32")
