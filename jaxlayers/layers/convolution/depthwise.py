"""Convolution layers that take each channel by itself, alone or with a mixing of the channels after it."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.layers._config import positive
from jaxlayers.layers.convolution._base import Convolution
from jaxlayers.numerics.convolution import convolve_depthwise, convolve_separably


class _DepthwiseConv(Convolution):
    arguments = ("depth_multiplier",)
    kernels = (("kernel", "depthwise"),)
    strides_or_dilation = False

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            depthwise_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            depthwise_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.depth_multiplier = positive(self, "depth_multiplier", depth_multiplier)

    def kernel_shapes(self, channels: int) -> list[tuple[int, ...]]:
        """`[*window, channels, depth_multiplier]`."""
        return [(*self.kernel_size, channels, self.depth_multiplier)]

    def channels_out(self, channels: int) -> int:
        """`channels * depth_multiplier`."""
        return channels * self.depth_multiplier

    def call(self, inputs: jax.Array) -> jax.Array:
        """Convolve each channel, add the bias, activate."""
        return self.convolved(inputs, convolve_depthwise)


class DepthwiseConv1D(_DepthwiseConv, rank=1):
    """Convolution of each channel along time, by itself.

    Args: those of `DepthwiseConv2D`, with one size where it has two.

    Shapes:
        inputs: `[batch, steps, channels]`; kernel: `[kernel_size, channels, depth_multiplier]`; outputs:
        `[batch, new_steps, channels * depth_multiplier]`.

    Raises:
        ValueError: when an argument is wrong, or does not fit the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.DepthwiseConv1D(2, depthwise_initializer="ones")
        >>> layer(jnp.array([[[1.0, 5.0], [2.0, 7.0]]])).tolist()
        [[[3.0, 12.0]]]
    """


class DepthwiseConv2D(_DepthwiseConv, rank=2):
    """Convolution of each channel of images by itself, with `depth_multiplier` kernels each.

    Args:
        kernel_size: the size of the window; one integer, or one for each axis, as in the next two.
        strides: how far apart windows are.
        padding: `"valid"` for none, `"same"` for as many zeros as give `ceil(size / strides)` outputs.
        depth_multiplier: how many channels come out of each.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        dilation_rate: how far apart the elements of a window are.
        activation: a function or its name; by default none.
        use_bias: whether to add a bias.
        depthwise_initializer, bias_initializer, depthwise_regularizer, bias_regularizer, depthwise_constraint,
            bias_constraint: see `Layer.add_weight`.
        activity_regularizer: what the outputs add to the losses.
        **kwargs: `name`, `dtype`, `trainable`, ... of `Layer`.

    Shapes:
        inputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`; kernel:
        `[*kernel_size, channels, depth_multiplier]`; bias and channels of the outputs: `channels * depth_multiplier`,
        those of one channel of the inputs beside each other.

    Raises:
        ValueError: when an argument is wrong, or does not fit the inputs.

    Source: Howard et al., "MobileNets", arXiv:1704.04861.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)
        >>> layer(jnp.ones((1, 8, 8, 5))).shape
        (1, 8, 8, 10)
    """


class _SeparableConv(Convolution):
    arguments = ("filters", "depth_multiplier")
    kernels = (("depthwise_kernel", "depthwise"), ("pointwise_kernel", "pointwise"))
    strides_or_dilation = False

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.filters = positive(self, "filters", filters)
        self.depth_multiplier = positive(self, "depth_multiplier", depth_multiplier)

    def kernel_shapes(self, channels: int) -> list[tuple[int, ...]]:
        """`[*window, channels, depth_multiplier]` and `[1, ..., channels * depth_multiplier, filters]`."""
        return [
            (*self.kernel_size, channels, self.depth_multiplier),
            (*[1] * self.rank, channels * self.depth_multiplier, self.filters),
        ]

    def call(self, inputs: jax.Array) -> jax.Array:
        """Convolve each channel, mix them, add the bias, activate."""
        return self.convolved(inputs, convolve_separably)


class SeparableConv1D(_SeparableConv, rank=1):
    """Convolution of each channel along time, then a product with a matrix at each step.

    Args: those of `SeparableConv2D`, with one size where it has two.

    Shapes:
        inputs: `[batch, steps, channels]`; depthwise kernel: `[kernel_size, channels, depth_multiplier]`; pointwise
        kernel: `[1, channels * depth_multiplier, filters]`; outputs: `[batch, new_steps, filters]`.

    Raises:
        ValueError: when an argument is wrong, or does not fit the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.SeparableConv1D(1, 2, depthwise_initializer="ones", pointwise_initializer="ones")
        >>> layer(jnp.array([[[1.0, 5.0], [2.0, 7.0]]])).tolist()
        [[[15.0]]]
    """


class SeparableConv2D(_SeparableConv, rank=2):
    """Convolution of each channel of images by itself, then a product with a matrix at each place.

    Args:
        filters: the number of channels that come out.
        kernel_size: the size of the window; one integer, or one for each axis, as in the next two.
        strides: how far apart windows are.
        padding: `"valid"` for none, `"same"` for as many zeros as give `ceil(size / strides)` outputs.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        dilation_rate: how far apart the elements of a window are.
        depth_multiplier: how many channels come out of each, before they are mixed.
        activation: a function or its name; by default none.
        use_bias: whether to add a bias.
        depthwise_initializer, pointwise_initializer, bias_initializer, depthwise_regularizer, pointwise_regularizer,
            bias_regularizer, depthwise_constraint, pointwise_constraint, bias_constraint: see `Layer.add_weight`.
        activity_regularizer: what the outputs add to the losses.
        **kwargs: `name`, `dtype`, `trainable`, ... of `Layer`.

    Shapes:
        inputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`; depthwise kernel:
        `[*kernel_size, channels, depth_multiplier]`; pointwise kernel: `[1, 1, channels * depth_multiplier, filters]`;
        bias: `[filters]`; outputs: like the inputs, with `filters` channels.

    Raises:
        ValueError: when an argument is wrong, or does not fit the inputs.

    Source: Chollet, "Xception", arXiv:1610.02357.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.SeparableConv2D(7, 3, strides=2, padding="same")
        >>> layer(jnp.ones((1, 8, 8, 5))).shape
        (1, 4, 4, 7)
    """


SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
