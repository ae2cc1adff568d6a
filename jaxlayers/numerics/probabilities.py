"""Logarithms of probabilities, from probabilities or from logits, and their products with labels.

Callers convert half precision to float32: in half precision, `1 - epsilon()` is 1.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlayers.common.settings import epsilon
from jaxlayers.numerics.types import Array


def log_probabilities(outputs: Array, from_logits: bool, axis: int) -> Array:
    """Return the logarithms of class probabilities, from logits or from probabilities that are normalized first."""
    if from_logits:
        return jax.nn.log_softmax(outputs, axis=axis)
    total = jnp.sum(outputs, axis=axis, keepdims=True)
    return jnp.log(_clip(outputs / jnp.where(total == 0, 1, total)))


def binary_log_probabilities(outputs: Array, from_logits: bool) -> tuple[Array, Array]:
    """Return log(p) and log(1 - p), from logits or from probabilities p."""
    if from_logits:
        return jax.nn.log_sigmoid(outputs), jax.nn.log_sigmoid(-outputs)
    p = _clip(outputs)
    return jnp.log(p), jnp.log1p(-p)


def times_log(labels: Array, logarithms: Array) -> Array:
    """Return `labels * logarithms`, and 0 where the label is 0 and the logarithm is -inf."""
    return labels * jnp.where((labels == 0) & jnp.isneginf(logarithms), 0, logarithms)


def _clip(probabilities: Array) -> Array:
    return jnp.clip(probabilities, epsilon(), 1 - epsilon())
