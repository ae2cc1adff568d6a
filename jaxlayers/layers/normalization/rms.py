"""Normalisation of each sample by the root mean square of its features."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.core import Layer
from jaxlayers.core.scope import unwrap
from jaxlayers.layers._config import describe
from jaxlayers.layers.normalization._scale_and_offset import axes_of, checked_axes
from jaxlayers.numerics.normalization import normalize_by_root_mean_square


class RMSNormalization(Layer):
    """Divides each sample by the root mean square of its features: `scale * x / sqrt(mean(x^2) + epsilon)`.

    Args:
        axis: the axis (or axes) of the features.
        epsilon: added to the mean.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: `[batch, ..., features]`; scale: `[features]`, of several axes in the order of the inputs'.
        Axes other than the last are scaled along themselves, where Keras broadcasts their scale along the last.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", arXiv:1910.07467.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RMSNormalization()(jnp.array([[0.0, 0.0, 0.0, 8.0]])).round(2).tolist()
        [[0.0, 0.0, 0.0, 2.0]]
    """

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis, self.epsilon = checked_axes(self, axis), epsilon
        self.autocast = False  # computed in float32 in any case

    def build(self, input_shape: Any) -> None:
        """Make the scale for the features of the inputs."""
        axes = sorted(axes_of(self, self.axis, input_shape))
        self.scale = self.add_weight(name="scale", shape=[input_shape[axis] for axis in axes], initializer="ones")
        super().build(input_shape)

    def call(self, x: jax.Array) -> jax.Array:
        """Divide by the root mean square, and scale."""
        axes = axes_of(self, self.axis, x.shape)
        shape = tuple(size if axis in axes else 1 for axis, size in enumerate(x.shape))
        return normalize_by_root_mean_square(x, unwrap(self.scale), axes, shape, self.epsilon, self._compute)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), **describe(self, "axis", "epsilon")}
