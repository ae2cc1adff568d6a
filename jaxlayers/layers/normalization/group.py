"""Normalisation of each sample over groups of its channels."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.common.constructors import passes_on
from jaxlayers.core import InputSpec
from jaxlayers.layers.normalization._scale_and_offset import ScaleAndOffset
from jaxlayers.numerics.normalization import normalize_over


class GroupNormalization(ScaleAndOffset):
    """Group normalisation: `gamma * (x - mean) / sqrt(variance + epsilon) + beta`.

    The channels are divided into groups. `mean` and `variance` are those of one sample over all positions and the
    channels of one group. Each channel has its own `gamma` and `beta`.

    Args:
        groups: the number of groups, a divisor of the number of channels; -1 for one group for each channel (instance
            normalisation). 32 by default. The config keeps -1, where that of Keras has the number of channels.
        axis: the axis of the channels; -1, the last, by default.
        epsilon: a small number that is added to the variance; 1e-3 by default.
        center: if True (the default), there is an offset `beta`.
        scale: if True (the default), there is a scale `gamma`.
        beta_initializer, gamma_initializer: initializers of offset and scale; `"zeros"` and `"ones"` by default.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: see `Layer.add_weight`; None by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: `[batch, ..., channels, ...]`; weights: `[channels]`.

    Raises:
        TypeError: when `axis` is not an integer.
        ValueError: when `groups` is neither a positive integer nor -1, or does not divide the number of channels.

    Source: Wu and He, "Group Normalization", arXiv:1803.08494.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.GroupNormalization(groups=2)
        >>> layer(jnp.array([[0.0, 2.0, 5.0, 7.0]])).round(2).tolist()
        [[-1.0, 1.0, -1.0, 1.0]]
    """

    @passes_on
    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
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
        if isinstance(axis, list | tuple):
            raise TypeError(f"GroupNormalization: axis must be an integer; received {axis!r}.")
        if isinstance(groups, bool) or not hasattr(groups, "__index__") or groups < -1 or groups == 0:
            raise ValueError(f"GroupNormalization: groups must be a positive integer or -1; received {groups!r}.")
        self.groups = groups

    def build(self, input_shape: Any) -> None:
        """Make the weights for the channels of the inputs."""
        (axis,) = self.feature_axes(input_shape)
        channels = input_shape[axis]
        if channels % self.groups:
            raise ValueError(
                f"{self.path!r} has groups={self.groups}, so it expects a number of channels that is a multiple of "
                f"{self.groups}; received inputs of shape {tuple(input_shape)} with {channels} channels along axis "
                f"{axis}."
            )
        self.add_scale_and_offset((channels,))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: channels})

    def call(self, inputs: jax.Array) -> jax.Array:
        """Normalise each group."""
        (axis,) = self.feature_axes(inputs.shape)
        channels = inputs.shape[axis]
        groups = channels if self.groups == -1 else self.groups
        split = (*inputs.shape[:axis], groups, channels // groups, *inputs.shape[axis + 1 :])
        reduced = tuple(split_axis for split_axis in range(1, len(split)) if split_axis != axis)
        shape = tuple(size if split_axis in (axis, axis + 1) else 1 for split_axis, size in enumerate(split))
        weights = self.scale_and_offset()
        outputs = normalize_over(inputs.reshape(split), *weights, reduced, shape, self.epsilon, self._compute_type)
        return outputs.reshape(inputs.shape)
