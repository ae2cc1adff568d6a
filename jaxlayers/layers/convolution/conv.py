"""Convolution layers."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.common.array_like import unwrap
from jaxlayers.common.constructors import passes_on
from jaxlayers.layers._config import activated, positive
from jaxlayers.layers._low_rank import AdaptedWeight, LowRank
from jaxlayers.layers.convolution._base import Convolution, with_bias
from jaxlayers.numerics.convolution import compiled, convolve


class _Conv(Convolution, LowRank):
    kernel: Any = AdaptedWeight()

    @passes_on
    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        self.filters = positive(self, "filters", filters)
        self.groups = positive(self, "groups", groups)
        if self.filters % self.groups:
            raise ValueError(
                f"{type(self).__name__}: filters must be a multiple of groups; received filters={filters} and "
                f"groups={groups}."
            )

    def kernel_shapes(self, channels: int) -> list[tuple[int, ...]]:
        """The shape of the kernel: `[*kernel_size, channels / groups, filters]`."""
        if channels % self.groups:
            raise ValueError(
                f"{self.path!r} has groups={self.groups}, so it expects inputs whose number of channels is a multiple "
                f"of {self.groups}; received {channels} channels."
            )
        return [(*self.kernel_size, channels // self.groups, self.filters)]

    def convolution_op(self, inputs: jax.Array, kernel: jax.Array) -> jax.Array:
        """Convolve, without bias and activation; a subclass may override this, for example to change the kernel."""
        settings = (self.strides, self.padding, self.data_format, self.dilation_rate, self.groups)
        return compiled(convolve)(inputs, unwrap(kernel), *settings)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Convolve, add the bias, and apply the activation."""
        if type(self).convolution_op is not _Conv.convolution_op:
            return activated(self, with_bias(self.convolution_op(inputs, self.kernel), self.bias, self.data_format))
        return self.convolved(inputs, convolve, self.groups)


class Conv1D(_Conv, rank=1):
    """A convolution of sequences along time.

    Args: those of `Conv2D`, for one spatial axis. `padding="causal"` is allowed as well: all padding is before the
        first time step, so that an output does not depend on later inputs.

    Shapes:
        inputs: `[batch, steps, channels]`; kernel: `[kernel_size, channels / groups, filters]`; outputs:
        `[batch, new_steps, filters]`; channels on axis 1 with `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid, or does not fit the shape of the inputs.

    Source: van den Oord et al., "WaveNet: A Generative Model for Raw Audio", arXiv:1609.03499, for causal padding.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Conv1D(1, 2, padding="causal", kernel_initializer="ones")
        >>> layer(jnp.array([[[1.0], [2.0], [4.0]]])).tolist()
        [[[1.0], [3.0], [6.0]]]
    """

    paddings = ("valid", "same", "causal")


class Conv2D(_Conv, rank=2):
    """A convolution of images.

    `outputs[b, s] = activation(sum over w of inputs[b, strides * s + dilation_rate * w] @ kernel[w] + bias)`, where `s`
    is a position and `w` an element of the window.

    Args:
        filters: the number of output channels.
        kernel_size: the size of the window: one integer, or one for each spatial axis.
        strides: the distance between neighbouring windows: one integer, or one for each spatial axis; 1 by default.
        padding: `"valid"` (the default) for no padding; `"same"` for zeros around the inputs, so that an axis of the
            outputs has the size `ceil(size / strides)`.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        dilation_rate: the distance between neighbouring elements of a window: one integer, or one for each spatial
            axis; 1 by default. If it is more than 1, `strides` must be 1.
        groups: the number of groups of channels, each of which is convolved with its own part of the filters; 1 by
            default.
        activation: an activation function or its name; None (the default) for none.
        use_bias: if True (the default), a bias is added.
        kernel_initializer, bias_initializer: initializers of the weights; `"glorot_uniform"` and `"zeros"` by default.
        kernel_regularizer, bias_regularizer: regularizers of the weights; their penalties are added to the losses.
        activity_regularizer: a regularizer of the outputs; its penalty is added to the losses.
        kernel_constraint, bias_constraint: constraints of the weights, applied after each update.
        **kwargs: `lora_rank` and `lora_alpha`: with a rank, `build` calls `enable_lora(lora_rank, lora_alpha)`;
            arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, height, width, channels]`; kernel: `[*kernel_size, channels / groups, filters]`; bias:
        `[filters]`; outputs: `[batch, new_height, new_width, filters]`; channels on axis 1 with `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid, or does not fit the shape of the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Conv2D(1, 2, kernel_initializer="ones")
        >>> layer(jnp.ones((1, 2, 3, 1))).tolist()
        [[[[4.0], [4.0]]]]
    """


class Conv3D(_Conv, rank=3):
    """A convolution of volumes, or of images over time.

    Args: those of `Conv2D`, for three spatial axes.

    Shapes:
        inputs: `[batch, depth, height, width, channels]`; kernel: `[*kernel_size, channels / groups, filters]`;
        outputs: `[batch, new_depth, new_height, new_width, filters]`; channels on axis 1 with `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid, or does not fit the shape of the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Conv3D(5, (1, 2, 2), strides=2)
        >>> layer(jnp.ones((1, 4, 8, 8, 3))).shape
        (1, 2, 4, 4, 5)
    """


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
