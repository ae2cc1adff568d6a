"""Convolutions: sums over a window of inputs times a kernel; transposed, depthwise and separable ones.

Kernels are laid out `[*window, channels in, channels out]` whatever the data format, as in Keras; kernels of
transposed convolutions are `[*window, channels out, channels in]`. The checks are here; the mathematics is in
`numerics.convolution`, which the layers compile together with a bias.
"""

from typing import Any

from jaxlayers.core import operation
from jaxlayers.numerics.convolution import compiled, convolve, convolve_depthwise, convolve_transposed
from jaxlayers.numerics.spatial import channel_axis, format_of, one_of, per_axis, rank_of, refuse_empty_outputs
from jaxlayers.numerics.types import Array, ArrayLike, Shape

__all__ = ["conv", "conv_transpose", "depthwise_conv", "separable_conv"]


@operation("inputs", "kernel")
def conv(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: Shape = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Shape = 1,
) -> Array:
    """Convolution: outputs[b, s, o] = sum over w, i of inputs[b, strides s + dilation_rate w, i] kernel[w, i, o].

    Args:
        inputs: [batch, *space, channels], or [batch, channels, *space].
        kernel: [*window, channels / groups, filters]; its channels determine the number of groups.
        strides: the distance between windows; one number, or one for each spatial axis.
        padding: `"valid"` for none, `"same"` for as many zeros as give ceil(size / strides) outputs.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        dilation_rate: the distance between the elements of a window.

    Returns:
        [batch, *new_space, filters], or [batch, filters, *new_space]; in the kernel's dtype.

    Raises:
        ValueError: if shapes do not fit, or the outputs would be empty.

    Example:
        >>> conv([[[1.0], [2.0], [4.0]]], [[[1.0]], [[-1.0]]])
        Array([[[-1.],
                [-2.]]], dtype=float32)
    """
    how = _checked("ops.conv", inputs, kernel, strides, padding, data_format, dilation_rate)
    channels, taken = inputs.shape[channel_axis(how[2])], kernel.shape[-2]
    if channels % taken or kernel.shape[-1] % (channels // taken):
        raise ValueError(
            "ops.conv expects a kernel whose input channels divide those of the inputs, and as many groups of output "
            f"channels; received inputs {inputs.shape} ({how[2]}) and kernel {kernel.shape}."
        )
    outputs = compiled(convolve)(inputs, kernel, *how)
    refuse_empty_outputs("ops.conv", inputs, outputs, "kernel", kernel.shape[:-2])
    return outputs


@operation("inputs", "kernel")
def depthwise_conv(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: Shape = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Shape = 1,
) -> Array:
    """Convolution of each channel by itself, with one or more kernels.

    Args:
        inputs: [batch, *space, channels], or [batch, channels, *space].
        kernel: [*window, channels, multiplier].
        strides: as for `conv`.
        padding: likewise.
        data_format: likewise.
        dilation_rate: likewise.

    Returns:
        [batch, *new_space, channels * multiplier], or with the channels second.

    Raises:
        ValueError: if shapes do not fit, or the outputs would be empty.

    Example:
        >>> depthwise_conv([[[1.0, 5.0], [2.0, 7.0]]], [[[1.0], [2.0]], [[1.0], [2.0]]])
        Array([[[ 3., 24.]]], dtype=float32)
    """
    how = _checked("ops.depthwise_conv", inputs, kernel, strides, padding, data_format, dilation_rate)
    _same_channels("ops.depthwise_conv", inputs, kernel, how[2], -2)
    outputs = compiled(convolve_depthwise)(inputs, kernel, *how)
    refuse_empty_outputs("ops.depthwise_conv", inputs, outputs, "kernel", kernel.shape[:-2])
    return outputs


@operation("inputs", "depthwise_kernel", "pointwise_kernel")
def separable_conv(
    inputs: ArrayLike,
    depthwise_kernel: ArrayLike,
    pointwise_kernel: ArrayLike,
    strides: Shape = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Shape = 1,
) -> Array:
    """`depthwise_conv`, then a product with a matrix at each position.

    Args:
        inputs: [batch, *space, channels], or [batch, channels, *space].
        depthwise_kernel: [*window, channels, multiplier].
        pointwise_kernel: [1, ..., channels * multiplier, filters].
        strides: of the depthwise convolution, as for `conv`.
        padding: likewise.
        data_format: likewise.
        dilation_rate: likewise.

    Returns:
        [batch, *new_space, filters], or with the channels second.

    Raises:
        ValueError: if shapes do not fit, or the outputs would be empty.

    Example:
        >>> separable_conv([[[1.0, 5.0], [2.0, 7.0]]], [[[1.0], [2.0]], [[1.0], [2.0]]], [[[10.0], [1.0]]])
        Array([[[54.]]], dtype=float32)
    """
    middle = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    _same_channels("ops.separable_conv", middle, pointwise_kernel, format_of("ops.separable_conv", data_format), -2)
    return conv(middle, pointwise_kernel, 1, "valid", data_format)


@operation("inputs", "kernel")
def conv_transpose(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: Shape = 1,
    padding: str = "valid",
    output_padding: Shape | None = None,
    data_format: str | None = None,
    dilation_rate: Shape = 1,
) -> Array:
    """The transpose of `conv` as a linear map: from arrays of its outputs' shape to arrays of its inputs'.

    Args:
        inputs: [batch, *space, channels], or [batch, channels, *space].
        kernel: [*window, filters, channels].
        strides: the ratio of the sizes of outputs and inputs.
        padding: `"valid"` for (size - 1) strides + max(window, strides) outputs, `"same"` for size * strides; a window
            is (kernel size - 1) dilation_rate + 1 wide.
        output_padding: selects one of the sizes that `conv` would reduce to the inputs':
            (size - 1) strides + window + output_padding with `"valid"`, and with `"same"` window modulo 2
            instead of window.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        dilation_rate: the distance between the elements of the kernel.

    Returns:
        [batch, *new_space, filters], or [batch, filters, *new_space]; in the kernel's dtype.

    Raises:
        ValueError: if shapes do not fit.

    Example:
        >>> conv_transpose([[[1.0], [2.0]]], [[[1.0]], [[10.0]]], strides=2)
        Array([[[ 1.],
                [10.],
                [ 2.],
                [20.]]], dtype=float32)
    """
    how = _checked("ops.conv_transpose", inputs, kernel, strides, padding, data_format, dilation_rate)
    if output_padding is not None:
        output_padding = per_axis("ops.conv_transpose", "output_padding", output_padding, inputs.ndim - 2, least=0)
    _same_channels("ops.conv_transpose", inputs, kernel, how[2], -1)
    return compiled(convolve_transposed)(inputs, kernel, *how, output_padding)


def _checked(
    where: str, inputs: Any, kernel: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any
) -> tuple[tuple[int, ...], str, str, tuple[int, ...]]:
    rank = rank_of(where, inputs)
    if kernel.ndim != inputs.ndim:
        raise ValueError(
            f"{where} expects a kernel with as many axes as the inputs; received inputs {inputs.shape} and kernel "
            f"{kernel.shape}."
        )
    return (
        per_axis(where, "strides", strides, rank),
        one_of(where, "padding", padding, ("valid", "same")),
        format_of(where, data_format),
        per_axis(where, "dilation_rate", dilation_rate, rank),
    )


def _same_channels(where: str, inputs: Any, kernel: Any, data_format: str, axis: int) -> None:
    if inputs.shape[channel_axis(data_format)] != kernel.shape[axis]:
        raise ValueError(
            f"{where} expects a kernel for as many channels as the inputs have; received inputs {inputs.shape} "
            f"({data_format}) and kernel {kernel.shape}, which is for {kernel.shape[axis]}."
        )
