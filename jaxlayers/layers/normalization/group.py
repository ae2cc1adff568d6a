"""Normalisation of each sample over groups of its channels."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.core import InputSpec
from jaxlayers.layers.normalization._scale_and_offset import ScaleAndOffset
from jaxlayers.numerics.normalization import normalize_over


class GroupNormalization(ScaleAndOffset):
    """Normalises each sample over all positions and the channels of a group.

    `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, with the mean and variance of the group that a channel is
    in; `gamma` and `beta` belong to channels.

    Args:
        groups: the number of groups; -1 for a group for each channel (instance normalisation). It stays -1 in the
            config, where Keras puts the number of channels once it is built.
        axis: the axis of the channels.
        epsilon: added to the variance.
        center, scale: whether there is a `beta`, and a `gamma`.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint:
            see `Layer.add_weight`.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: `[batch, ..., channels, ...]`; weights: `[channels]`.

    Raises:
        ValueError: when `groups` is no positive integer or -1, or does not divide the number of channels.

    Source: Wu and He, "Group Normalization", arXiv:1803.08494.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.GroupNormalization(groups=2)
        >>> layer(jnp.array([[0.0, 2.0, 5.0, 7.0]])).round(2).tolist()
        [[-1.0, 1.0, -1.0, 1.0]]
    """

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
        super().__init__(
            axis,
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
        if isinstance(axis, list | tuple):
            raise TypeError(f"GroupNormalization: axis must be one integer; received {axis!r}.")
        if isinstance(groups, bool) or not hasattr(groups, "__index__") or groups < -1 or groups == 0:
            raise ValueError(f"GroupNormalization: groups must be a positive integer or -1; received {groups!r}.")
        self.groups = groups

    def build(self, input_shape: Any) -> None:
        """Make the weights for the channels of the inputs."""
        (axis,) = self.feature_axes(input_shape)
        channels = input_shape[axis]
        if channels % self.groups:
            raise ValueError(
                f"{self.path!r} has groups={self.groups}, which must divide the number of channels; received inputs of "
                f"shape {tuple(input_shape)} with {channels} along axis {axis}."
            )
        self.add_scale_and_offset((channels,))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: channels})
        super().build(input_shape)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Normalise each group."""
        (axis,) = self.feature_axes(inputs.shape)
        channels = inputs.shape[axis]
        groups = channels if self.groups == -1 else self.groups
        split = (*inputs.shape[:axis], groups, channels // groups, *inputs.shape[axis + 1 :])
        over = tuple(one for one in range(1, len(split)) if one != axis)
        shape = tuple(size if one in (axis, axis + 1) else 1 for one, size in enumerate(split))
        weights = self.scale_and_offset()
        outputs = normalize_over(inputs.reshape(split), *weights, over, shape, self.epsilon, self._compute)
        return outputs.reshape(inputs.shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), "groups": self.groups}
