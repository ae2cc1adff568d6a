"""The dtype that layers compute in, set by `python -m benchmarks --compute`. Weights are always float32."""

from __future__ import annotations

import os
from typing import Any

import jax

VARIABLE = "JAXLAYERS_BENCHMARKS_COMPUTE"
COMPUTE = os.environ.get(VARIABLE, "float32")
POLICY = COMPUTE if COMPUTE == "float32" else f"mixed_{COMPUTE}"  # the name of the dtype policy in jaxlayers and Keras


def as_computed(tree: Any) -> Any:
    """Cast arrays to the dtype to compute in."""
    return jax.tree.map(lambda array: array.astype(COMPUTE), tree)


def wide(array: jax.Array) -> jax.Array:
    """Cast an array to float32, for sums and divisions."""
    return array.astype("float32")
