"""Normalisation of each sample to norm 1."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers import ops
from jaxlayers.core import Layer
from jaxlayers.layers._config import checked_axes
from jaxlayers.layers.normalization._scale_and_offset import axes_of


class UnitNormalization(Layer):
    """Normalisation of each sample to Euclidean norm 1: `x / max(sqrt(sum(x^2)), 1e-12)`.

    Args:
        axis: the axis that the norm is taken over, or a list of axes; -1, the last, by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: `[batch, ..., features]`.

    Raises:
        TypeError: when `axis` is not an integer or a list of integers.
        ValueError: when the inputs do not have the axis.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.UnitNormalization()(jnp.array([[3.0, 4.0]])).round(3)
        Array([[0.6, 0.8]], dtype=float32)
    """

    built = True  # it has no weights

    def __init__(self, axis: Any = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = checked_axes(self, list(axis) if isinstance(axis, list | tuple) else axis)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Divide by the norm."""
        return ops.normalize(inputs, axis=axes_of(self, self.axis, inputs.shape), order=2, epsilon=1e-12)
