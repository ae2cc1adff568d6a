"""Normalisation of each sample over its features."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.common.constructors import passes_on
from jaxlayers.core import InputSpec
from jaxlayers.layers.normalization._scale_and_offset import ScaleAndOffset
from jaxlayers.numerics.normalization import normalize_over


class LayerNormalization(ScaleAndOffset):
    """Layer normalisation: `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, over the features of each sample.

    Args:
        axis: the axis of the features, or a list of axes; -1, the last, by default. Mean and variance are over these
            axes.
        epsilon: a small number that is added to the variance; 1e-3 by default.
        center: if True (the default), there is an offset `beta`.
        scale: if True (the default), there is a scale `gamma`.
        beta_initializer, gamma_initializer: initializers of offset and scale; `"zeros"` and `"ones"` by default.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: see `Layer.add_weight`; None by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: `[batch, ..., features]`; weights: `[features]`.

    Raises:
        TypeError: when `axis` is not an integer or a list of integers.
        ValueError: when the inputs do not have the axis.

    Source: Ba et al., "Layer Normalization", arXiv:1607.06450.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.LayerNormalization()(jnp.array([[0.0, 2.0]])).round(2).tolist()
        [[-1.0, 1.0]]
    """

    @passes_on
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
        self.axis = sorted(axis) if isinstance(axis, list | tuple) else axis

    def build(self, input_shape: Any) -> None:
        """Make the weights for the features of the inputs."""
        axes = self.feature_axes(input_shape)
        self.add_scale_and_offset(tuple(input_shape[axis] for axis in axes))
        # The axes as the user wrote them: a negative axis allows inputs with another number of axes.
        spec_axes = self.axis if isinstance(self.axis, list) else [self.axis]
        self.input_spec = InputSpec(axes={axis: input_shape[axis] for axis in spec_axes})

    def call(self, inputs: jax.Array) -> jax.Array:
        """Normalise each sample."""
        axes = self.feature_axes(inputs.shape)
        shape = tuple(size if axis in axes else 1 for axis, size in enumerate(inputs.shape))
        return normalize_over(inputs, *self.scale_and_offset(), axes, shape, self.epsilon, self._compute_type)
