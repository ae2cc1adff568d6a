"""Transposed convolution layers."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.common.constructors import passes_on
from jaxlayers.layers._config import positive
from jaxlayers.layers.convolution._base import Convolution
from jaxlayers.numerics.convolution import convolve_transposed


class _ConvTranspose(Convolution):
    @passes_on
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
        self.filters = positive(self, "filters", filters)
        self.output_padding = None
        if output_padding is not None:
            self.output_padding = self.per_axis("output_padding", output_padding, least=0)
            if any(more >= stride for more, stride in zip(self.output_padding, self.strides, strict=True)):
                raise ValueError(
                    f"{type(self).__name__}: output_padding must be less than strides along each axis; received "
                    f"output_padding={output_padding!r} and strides={strides!r}."
                )

    def kernel_shapes(self, channels: int) -> list[tuple[int, ...]]:
        """The shape of the kernel: `[*kernel_size, filters, channels]`."""
        return [(*self.kernel_size, self.filters, channels)]

    def call(self, inputs: jax.Array) -> jax.Array:
        """Apply the transposed convolution, add the bias, and apply the activation."""
        return self.convolved(inputs, convolve_transposed, self.output_padding)


class Conv1DTranspose(_ConvTranspose, rank=1):
    """A transposed convolution of sequences along time.

    Args: those of `Conv2DTranspose`, for one spatial axis.

    Shapes:
        inputs: `[batch, steps, channels]`; kernel: `[kernel_size, filters, channels]`; outputs:
        `[batch, new_steps, filters]`; channels on axis 1 with `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid, or does not fit the shape of the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Conv1DTranspose(1, 2, strides=2, kernel_initializer="ones")
        >>> layer(jnp.array([[[1.0], [2.0]]])).tolist()
        [[[1.0], [1.0], [2.0], [2.0]]]
    """


class Conv2DTranspose(_ConvTranspose, rank=2):
    """A transposed convolution of images: the transpose of the linear map that a convolution is.

    It maps the shape of the outputs of a convolution with these arguments to the shape of its inputs: with strides
    above 1, images become larger. The bias is added and the activation applied afterwards.

    Args:
        filters: the number of output channels.
        kernel_size: the size of the kernel: one integer, or one for each spatial axis.
        strides: the factor by which images become larger: one integer, or one for each spatial axis; 1 by default.
        padding: `"valid"` (the default) for outputs of size `(size - 1) * strides + max(window, strides)`, `"same"` for
            outputs of size `size * strides`, where `window` is `(kernel_size - 1) * dilation_rate + 1`.
        output_padding: the size of the outputs beyond `(size - 1) * strides + window` with `"valid"`, and beyond
            `(size - 1) * strides + window % 2` with `"same"`: one integer, or one for each spatial axis, less than
            `strides`. By default (None), the sizes are those described at `padding`.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        dilation_rate: the distance between neighbouring elements of the kernel: one integer, or one for each spatial
            axis; 1 by default. If it is more than 1, `strides` must be 1.
        activation: an activation function or its name; None (the default) for none.
        use_bias: if True (the default), a bias is added.
        kernel_initializer, bias_initializer: initializers of the weights; `"glorot_uniform"` and `"zeros"` by default.
        kernel_regularizer, bias_regularizer: regularizers of the weights; their penalties are added to the losses.
        kernel_constraint, bias_constraint: constraints of the weights, applied after each update.
        activity_regularizer: a regularizer of the outputs; its penalty is added to the losses.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, height, width, channels]`; kernel: `[*kernel_size, filters, channels]`; bias: `[filters]`;
        outputs: `[batch, new_height, new_width, filters]`; channels on axis 1 with `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid, or does not fit the shape of the inputs.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Conv2DTranspose(3, 4, strides=2, padding="same")
        >>> layer(jnp.ones((1, 7, 7, 8))).shape
        (1, 14, 14, 3)
    """


class Conv3DTranspose(_ConvTranspose, rank=3):
    """A transposed convolution of volumes.

    Args: those of `Conv2DTranspose`, for three spatial axes, with `data_format` before `output_padding`.

    Shapes:
        inputs: `[batch, depth, height, width, channels]`; kernel: `[*kernel_size, filters, channels]`; outputs:
        `[batch, new_depth, new_height, new_width, filters]`; channels on axis 1 with `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid, or does not fit the shape of the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Conv3DTranspose(5, 2, strides=2)
        >>> layer(jnp.ones((1, 2, 3, 4, 6))).shape
        (1, 4, 6, 8, 5)
    """

    @passes_on
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
        pass


Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
