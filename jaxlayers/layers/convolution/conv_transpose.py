"""Transposed convolution layers, which enlarge what they are given."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.layers._config import positive
from jaxlayers.layers.convolution._base import Convolution
from jaxlayers.numerics.convolution import convolve_transposed
from jaxlayers.numerics.spatial import per_axis


class _ConvTranspose(Convolution):
    arguments = ("filters", "output_padding")

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        where = type(self).__name__
        self.filters = positive(self, "filters", filters)
        self.output_padding = None
        if output_padding is not None:
            self.output_padding = per_axis(where, "output_padding", output_padding, self.rank, least=0)
            if any(more >= stride for more, stride in zip(self.output_padding, self.strides, strict=True)):
                raise ValueError(
                    f"{where}: output_padding must be less than strides along each axis; received "
                    f"output_padding={output_padding!r} and strides={strides!r}."
                )

    def kernel_shapes(self, channels: int) -> list[tuple[int, ...]]:
        """`[*window, filters, channels]`."""
        return [(*self.kernel_size, self.filters, channels)]

    def call(self, inputs: jax.Array) -> jax.Array:
        """Convolve backwards, add the bias, activate."""
        return self.convolved(inputs, convolve_transposed, self.output_padding)


class Conv1DTranspose(_ConvTranspose, rank=1):
    """The transpose of a convolution along time, as a linear map; then bias and activation.

    Args: those of `Conv2DTranspose`, with one size where it has two.

    Shapes:
        inputs: `[batch, steps, channels]`; kernel: `[kernel_size, filters, channels]`; outputs:
        `[batch, new_steps, filters]`.

    Raises:
        ValueError: when an argument is wrong, or does not fit the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Conv1DTranspose(1, 2, strides=2, kernel_initializer="ones")
        >>> layer(jnp.array([[[1.0], [2.0]]])).tolist()
        [[[1.0], [1.0], [2.0], [2.0]]]
    """


class Conv2DTranspose(_ConvTranspose, rank=2):
    """The transpose of a convolution over images, as a linear map; then bias and activation.

    It goes from the shape of such a convolution's outputs to that of its inputs: with strides, images get larger.

    Args:
        filters: the number of channels that come out.
        kernel_size: the size of the kernel; one integer, or one for each axis, as in the next four.
        strides: how many times larger the outputs are.
        padding: `"valid"` for `(size - 1) * strides + max(window, strides)` outputs, `"same"` for `size * strides`;
            a window is `(kernel_size - 1) * dilation_rate + 1` wide.
        output_padding: less than `strides`: how many outputs more than `(size - 1) * strides + window` with
            `"valid"`, than `(size - 1) * strides + window % 2` with `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        dilation_rate: how far apart the elements of the kernel are; with more than 1, `strides` must be 1.
        activation: a function or its name; by default none.
        use_bias: whether to add a bias.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint,
            bias_constraint: see `Layer.add_weight`.
        activity_regularizer: what the outputs add to the losses.
        **kwargs: `name`, `dtype`, `trainable`, ... of `Layer`.

    Shapes:
        inputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`; kernel:
        `[*kernel_size, filters, channels]`; bias: `[filters]`; outputs: like the inputs, with `filters` channels.

    Raises:
        ValueError: when an argument is wrong, or does not fit the inputs.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Conv2DTranspose(3, 4, strides=2, padding="same")
        >>> layer(jnp.ones((1, 7, 7, 8))).shape
        (1, 14, 14, 3)
    """


class Conv3DTranspose(_ConvTranspose, rank=3):
    """The transpose of a convolution over volumes, as a linear map; then bias and activation.

    Args: those of `Conv2DTranspose`, with three sizes where it has two, and `data_format` before `output_padding`.

    Shapes:
        inputs: `[batch, depth, height, width, channels]`; kernel: `[*kernel_size, filters, channels]`; outputs:
        `[batch, new_depth, new_height, new_width, filters]`; channels second with `"channels_first"`.

    Raises:
        ValueError: when an argument is wrong, or does not fit the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Conv3DTranspose(5, 2, strides=2)
        >>> layer(jnp.ones((1, 2, 3, 4, 6))).shape
        (1, 4, 6, 8, 5)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        dilation_rate: Any = (1, 1, 1),
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
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **kwargs,
        )


Convolution1DTranspose, Convolution2DTranspose, Convolution3DTranspose = (
    Conv1DTranspose,
    Conv2DTranspose,
    Conv3DTranspose,
)
