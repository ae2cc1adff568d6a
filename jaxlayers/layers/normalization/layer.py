"""Normalisation of each sample over its features."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.core import InputSpec
from jaxlayers.layers.normalization._scale_and_offset import ScaleAndOffset
from jaxlayers.numerics.normalization import normalize_over


class LayerNormalization(ScaleAndOffset):
    """Normalises each sample over its features: `gamma * (x - mean) / sqrt(variance + epsilon) + beta`.

    Args:
        axis: the axis (or axes) of the features, which are averaged over.
        epsilon: added to the variance.
        center, scale: whether there is a `beta`, and a `gamma`.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint:
            see `Layer.add_weight`.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: `[batch, ..., features]`; weights: `[features]`.

    Source: Ba et al., "Layer Normalization", arXiv:1607.06450.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.LayerNormalization()(jnp.array([[0.0, 2.0]])).round(2).tolist()
        [[-1.0, 1.0]]
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            sorted(axis) if isinstance(axis, list | tuple) else axis,
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )

    def build(self, input_shape: Any) -> None:
        """Make the weights for the features of the inputs."""
        axes = self.feature_axes(input_shape)
        self.add_scale_and_offset(tuple(input_shape[axis] for axis in axes))
        given = self.axis if isinstance(self.axis, list) else [self.axis]
        self.input_spec = InputSpec(axes={axis: input_shape[axis] for axis in given})  # of any number of axes
        super().build(input_shape)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Normalise each sample."""
        axes = self.feature_axes(inputs.shape)
        shape = tuple(size if axis in axes else 1 for axis, size in enumerate(inputs.shape))
        return normalize_over(inputs, *self.scale_and_offset(), axes, shape, self.epsilon, self._compute)
