"""Convolution layers."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.core.scope import unwrap
from jaxlayers.layers._config import activated, positive
from jaxlayers.layers._low_rank import LowRank
from jaxlayers.layers.convolution._base import Convolution, with_bias
from jaxlayers.numerics.convolution import compiled, convolve


class _Conv(Convolution, LowRank, adapted="kernel"):
    arguments = ("filters", "groups")
    kernel: Any

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
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.filters = positive(self, "filters", filters)
        self.groups = positive(self, "groups", groups)
        if self.filters % self.groups:
            raise ValueError(
                f"{type(self).__name__}: filters must be a multiple of groups; received filters={filters} and "
                f"groups={groups}."
            )

    def kernel_shapes(self, channels: int) -> list[tuple[int, ...]]:
        """`[*window, channels / groups, filters]`."""
        if channels % self.groups:
            raise ValueError(
                f"{self.path!r} has groups={self.groups}, which do not divide the {channels} channels of its inputs."
            )
        return [(*self.kernel_size, channels // self.groups, self.filters)]

    def convolution_op(self, inputs: jax.Array, kernel: jax.Array) -> jax.Array:
        """The convolution alone; a subclass may have its own, with a kernel that it has changed before, say."""
        how = (self.strides, self.padding, self.data_format, self.dilation_rate, self.groups)
        return compiled(convolve)(inputs, unwrap(kernel), *how)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Convolve, add the bias, activate."""
        if type(self).convolution_op is not _Conv.convolution_op:
            return activated(self, with_bias(self.convolution_op(inputs, self.kernel), self.bias, self.data_format))
        return self.convolved(inputs, convolve, self.groups)


class Conv1D(_Conv, rank=1):
    """Convolution along time.

    Args: those of `Conv2D`, with one size where it has two; and `padding="causal"`, which puts all padding in front,
        so that no output sees what comes after it.

    Shapes:
        inputs: `[batch, steps, channels]`; kernel: `[kernel_size, channels / groups, filters]`; outputs:
        `[batch, new_steps, filters]`.

    Raises:
        ValueError: when an argument is wrong, or does not fit the inputs.

    Source: Oord et al., "WaveNet", arXiv:1609.03499, for causal convolutions.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Conv1D(1, 2, padding="causal", kernel_initializer="ones")
        >>> layer(jnp.array([[[1.0], [2.0], [4.0]]])).tolist()
        [[[1.0], [3.0], [6.0]]]
    """

    paddings = ("valid", "same", "causal")


class Conv2D(_Conv, rank=2):
    """Convolution over images: `sum over w of inputs[b, strides * s + dilation_rate * w, :] @ kernel[w] + bias`.

    Args:
        filters: the number of channels that come out.
        kernel_size: the size of the window; one integer, or one for each axis, as in the next two.
        strides: how far apart windows are.
        padding: `"valid"` for none, `"same"` for as many zeros as give `ceil(size / strides)` outputs.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        dilation_rate: how far apart the elements of a window are; with more than 1, `strides` must be 1.
        groups: how many groups the channels are divided in, each convolved with its own part of the filters.
        activation: a function or its name; by default none.
        use_bias: whether to add a bias.
        kernel_initializer, bias_initializer: how the weights start.
        kernel_regularizer, bias_regularizer: what they add to the losses.
        activity_regularizer: what the outputs add to the losses.
        kernel_constraint, bias_constraint: applied after each update.
        **kwargs: `lora_rank` and `lora_alpha`: with a rank, the layer is built with
            `enable_lora(lora_rank, lora_alpha)`; `name`, `dtype`, `trainable`, ... of `Layer`.

    Shapes:
        inputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`; kernel:
        `[*kernel_size, channels / groups, filters]`; bias: `[filters]`; outputs: like the inputs, with `filters`
        channels.

    Raises:
        ValueError: when an argument is wrong, or does not fit the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Conv2D(1, 2, kernel_initializer="ones")
        >>> layer(jnp.ones((1, 2, 3, 1))).tolist()
        [[[[4.0], [4.0]]]]
    """


class Conv3D(_Conv, rank=3):
    """Convolution over volumes, or over images and time.

    Args: those of `Conv2D`, with three sizes where it has two.

    Shapes:
        inputs: `[batch, depth, height, width, channels]`; kernel: `[*kernel_size, channels / groups, filters]`;
        outputs: `[batch, new_depth, new_height, new_width, filters]`; channels second with `"channels_first"`.

    Raises:
        ValueError: when an argument is wrong, or does not fit the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Conv3D(5, (1, 2, 2), strides=2)
        >>> layer(jnp.ones((1, 4, 8, 8, 3))).shape
        (1, 2, 4, 4, 5)
    """


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
