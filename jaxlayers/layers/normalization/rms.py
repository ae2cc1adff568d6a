"""Normalisation of each sample by the root mean square of its features."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.common.array_like import unwrap
from jaxlayers.core import Layer
from jaxlayers.layers._config import checked_axes
from jaxlayers.layers.normalization._scale_and_offset import axes_of
from jaxlayers.numerics.normalization import normalize_by_root_mean_square


class RMSNormalization(Layer):
    """Root mean square normalisation: `scale * x / sqrt(mean(x^2) + epsilon)`, over the features of each sample.

    Args:
        axis: the axis of the features, or a list of axes; -1, the last, by default.
        epsilon: a small number that is added to the mean; 1e-6 by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: `[batch, ..., features]`; scale: `[features]`, for several axes in the order of the axes of
        the inputs. The scale of an axis other than the last applies along that axis. (Keras broadcasts it along the
        last axis.)

    Raises:
        TypeError: when `axis` is not an integer or a list of integers.
        ValueError: when the inputs do not have the axis.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", arXiv:1910.07467.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RMSNormalization()(jnp.array([[0.0, 0.0, 0.0, 8.0]])).round(2).tolist()
        [[0.0, 0.0, 0.0, 2.0]]
    """

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis, self.epsilon = checked_axes(self, axis), epsilon
        self.autocast = False  # half-precision inputs are normalised in float32, so a cast before would lose precision

    def build(self, input_shape: Any) -> None:
        """Make the scale for the features of the inputs."""
        axes = sorted(axes_of(self, self.axis, input_shape))
        self.scale = self.add_weight(name="scale", shape=[input_shape[axis] for axis in axes], initializer="ones")

    def call(self, x: jax.Array) -> jax.Array:
        """Divide by the root mean square, and multiply by the scale."""
        axes = axes_of(self, self.axis, x.shape)
        shape = tuple(size if axis in axes else 1 for axis, size in enumerate(x.shape))
        return normalize_by_root_mean_square(x, unwrap(self.scale), axes, shape, self.epsilon, self._compute_type)
