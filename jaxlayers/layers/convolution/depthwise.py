"""Depthwise and separable convolution layers: each channel is convolved with its own kernels."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.common.constructors import passes_on
from jaxlayers.layers._config import positive
from jaxlayers.layers.convolution._base import Convolution
from jaxlayers.numerics.convolution import convolve_depthwise, convolve_separably


class _DepthwiseConv(Convolution):
    kernels = (("kernel", "depthwise"),)
    strides_or_dilation = False

    @passes_on
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
        self.depth_multiplier = positive(self, "depth_multiplier", depth_multiplier)

    def kernel_shapes(self, channels: int) -> list[tuple[int, ...]]:
        """The shape of the kernel: `[*kernel_size, channels, depth_multiplier]`."""
        return [(*self.kernel_size, channels, self.depth_multiplier)]

    def channels_out(self, channels: int) -> int:
        """The number of channels of the outputs: `channels * depth_multiplier`."""
        return channels * self.depth_multiplier

    def call(self, inputs: jax.Array) -> jax.Array:
        """Convolve each channel, add the bias, and apply the activation."""
        return self.convolved(inputs, convolve_depthwise)


class DepthwiseConv1D(_DepthwiseConv, rank=1):
    """A depthwise convolution of sequences along time: each channel has its own kernels.

    Args: those of `DepthwiseConv2D`, for one spatial axis.

    Shapes:
        inputs: `[batch, steps, channels]`; kernel: `[kernel_size, channels, depth_multiplier]`; outputs:
        `[batch, new_steps, channels * depth_multiplier]`; channels on axis 1 with `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid, or does not fit the shape of the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.DepthwiseConv1D(2, depthwise_initializer="ones")
        >>> layer(jnp.array([[[1.0, 5.0], [2.0, 7.0]]])).tolist()
        [[[3.0, 12.0]]]
    """


class DepthwiseConv2D(_DepthwiseConv, rank=2):
    """A depthwise convolution of images: each channel has `depth_multiplier` kernels of its own.

    Args:
        kernel_size: the size of the window: one integer, or one for each spatial axis.
        strides: the distance between neighbouring windows: one integer, or one for each spatial axis; 1 by default.
        padding: `"valid"` (the default) for no padding; `"same"` for zeros around the inputs, so that an axis of the
            outputs has the size `ceil(size / strides)`.
        depth_multiplier: the number of output channels for each input channel; 1 by default.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        dilation_rate: the distance between neighbouring elements of a window: one integer, or one for each spatial
            axis; 1 by default.
        activation: an activation function or its name; None (the default) for none.
        use_bias: if True (the default), a bias is added.
        depthwise_initializer, bias_initializer: initializers of kernel and bias; `"glorot_uniform"` and `"zeros"` by
            default.
        depthwise_regularizer, bias_regularizer: regularizers of kernel and bias; their penalties are added to the
            losses.
        depthwise_constraint, bias_constraint: constraints of kernel and bias, applied after each update.
        activity_regularizer: a regularizer of the outputs; its penalty is added to the losses.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, height, width, channels]`; kernel: `[*kernel_size, channels, depth_multiplier]`; bias:
        `[channels * depth_multiplier]`; outputs: `[batch, new_height, new_width, channels * depth_multiplier]`, with
        the output channels of one input channel next to each other; channels on axis 1 with `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid, or does not fit the shape of the inputs.

    Source: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    arXiv:1704.04861.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)
        >>> layer(jnp.ones((1, 8, 8, 5))).shape
        (1, 8, 8, 10)
    """


class _SeparableConv(Convolution):
    kernels = (("depthwise_kernel", "depthwise"), ("pointwise_kernel", "pointwise"))
    strides_or_dilation = False

    @passes_on
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
        self.filters = positive(self, "filters", filters)
        self.depth_multiplier = positive(self, "depth_multiplier", depth_multiplier)

    def kernel_shapes(self, channels: int) -> list[tuple[int, ...]]:
        """The shapes of the depthwise kernel and of the pointwise kernel."""
        return [
            (*self.kernel_size, channels, self.depth_multiplier),
            (*[1] * self.rank, channels * self.depth_multiplier, self.filters),
        ]

    def call(self, inputs: jax.Array) -> jax.Array:
        """Convolve each channel, combine the channels, add the bias, and apply the activation."""
        return self.convolved(inputs, convolve_separably)


class SeparableConv1D(_SeparableConv, rank=1):
    """A separable convolution of sequences along time: a depthwise convolution, then a matrix product at each step.

    Args: those of `SeparableConv2D`, for one spatial axis.

    Shapes:
        inputs: `[batch, steps, channels]`; depthwise kernel: `[kernel_size, channels, depth_multiplier]`; pointwise
        kernel: `[1, channels * depth_multiplier, filters]`; outputs: `[batch, new_steps, filters]`; channels on axis 1
        with `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid, or does not fit the shape of the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.SeparableConv1D(1, 2, depthwise_initializer="ones", pointwise_initializer="ones")
        >>> layer(jnp.array([[[1.0, 5.0], [2.0, 7.0]]])).tolist()
        [[[15.0]]]
    """


class SeparableConv2D(_SeparableConv, rank=2):
    """A separable convolution of images: a depthwise convolution, then a matrix product at each position.

    Args:
        filters: the number of output channels.
        kernel_size: the size of the window: one integer, or one for each spatial axis.
        strides: the distance between neighbouring windows: one integer, or one for each spatial axis; 1 by default.
        padding: `"valid"` (the default) for no padding; `"same"` for zeros around the inputs, so that an axis of the
            outputs has the size `ceil(size / strides)`.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        dilation_rate: the distance between neighbouring elements of a window: one integer, or one for each spatial
            axis; 1 by default.
        depth_multiplier: the number of channels that the depthwise convolution makes of each input channel; 1 by
            default.
        activation: an activation function or its name; None (the default) for none.
        use_bias: if True (the default), a bias is added.
        depthwise_initializer, pointwise_initializer, bias_initializer: initializers of the weights;
            `"glorot_uniform"` for the kernels and `"zeros"` for the bias by default.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer: regularizers of the weights; their penalties are
            added to the losses.
        depthwise_constraint, pointwise_constraint, bias_constraint: constraints of the weights, applied after each
            update.
        activity_regularizer: a regularizer of the outputs; its penalty is added to the losses.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, height, width, channels]`; depthwise kernel: `[*kernel_size, channels, depth_multiplier]`;
        pointwise kernel: `[1, 1, channels * depth_multiplier, filters]`; bias: `[filters]`; outputs:
        `[batch, new_height, new_width, filters]`; channels on axis 1 with `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid, or does not fit the shape of the inputs.

    Source: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", arXiv:1610.02357.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.SeparableConv2D(7, 3, strides=2, padding="same")
        >>> layer(jnp.ones((1, 8, 8, 5))).shape
        (1, 4, 4, 7)
    """


SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
