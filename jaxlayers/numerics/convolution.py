"""Convolutions: plain, transposed, depthwise and separable. Callers check all arguments.

Kernels are laid out `[*window, channels in, channels out]` whatever the data format, as in Keras; kernels of
transposed convolutions are `[*window, channels out, channels in]`. The layers compile these functions together with a
bias. Strides, padding and dilation have a value for each spatial axis. All is computed with the channels last: XLA
chooses the layout in memory itself, and the axes of arrays with the channels first are moved before and afterwards.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.numerics.platforms import choose, dense_convolution as dense
from jaxlayers.numerics.platforms.grouped_convolution import convolve_by_shifts, convolve_groups, suits_shifts
from jaxlayers.numerics.types import Array


@functools.cache
def compiled(function: Any) -> Any:
    """Return a function of this module under `jax.jit`: an eager call is one dispatch, compiled once for its shapes."""
    return jax.jit(function, static_argnums=range(2, function.__code__.co_argcount), inline=True)


def convolve(
    inputs: Any,
    kernel: Any,
    strides: Any,
    padding: Any,
    data_format: str,
    dilation_rate: Any,
    groups: int | None = None,
) -> Array:
    """Return the convolution, in the kernel's dtype.

    Args:
        inputs: `[batch, *space, channels]` or `[batch, channels, *space]`.
        kernel: `[*window, channels / groups, filters]`.
        strides: the distances between windows.
        padding: `"valid"`, `"same"`, or `"causal"`: all of it in front, so that no output depends on later inputs.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: the distances between the elements of a window.
        groups: the number of groups of channels; derived from the kernel by default.
    """
    inputs = _channels_last(inputs, data_format).astype(kernel.dtype)
    groups = groups or inputs.shape[-1] // kernel.shape[-2]
    inputs, geometry = _with_geometry(inputs, kernel, strides, padding, dilation_rate)
    if groups == 1:
        outputs = dense.convolve(inputs, kernel, geometry)
    else:
        plain = functools.partial(dense.plain, geometry=geometry, groups=groups)
        by_groups = functools.partial(convolve_groups, geometry=geometry, groups=groups)
        outputs = choose(inputs, kernel, cpu=by_groups, default=plain)
    return _restore_layout(outputs, data_format)


def convolve_depthwise(
    inputs: Any, kernel: Any, strides: Any, padding: Any, data_format: str, dilation_rate: Any
) -> Array:
    """Return the convolution of each channel by itself with a kernel `[*window, channels, multiplier]`."""
    inputs = _channels_last(inputs, data_format).astype(kernel.dtype)
    inputs, geometry = _with_geometry(inputs, kernel, strides, padding, dilation_rate)

    def plain(inputs: Any, kernel: Any) -> Array:
        *window, channels, multiplier = kernel.shape
        return dense.plain(inputs, kernel.reshape(*window, 1, channels * multiplier), geometry, channels)

    if suits_shifts(kernel):
        outputs = choose(inputs, kernel, cpu=lambda x, k: convolve_by_shifts(x, k, geometry), default=plain)
    else:
        outputs = plain(inputs, kernel)
    return _restore_layout(outputs, data_format)


def convolve_separably(
    inputs: Any, depthwise: Any, pointwise: Any, strides: Any, padding: Any, data_format: str, dilation_rate: Any
) -> Array:
    """Return `convolve_depthwise`, then a product with the matrix `pointwise`, `[1, ..., channels, filters]`."""
    middle = convolve_depthwise(inputs, depthwise, strides, padding, data_format, dilation_rate)
    ones = (1,) * (inputs.ndim - 2)
    return convolve(middle, pointwise, ones, "valid", data_format, ones, 1)


def convolve_transposed(
    inputs: Any,
    kernel: Any,
    strides: Any,
    padding: Any,
    data_format: str,
    dilation_rate: Any,
    output_padding: Any = None,
) -> Array:
    """Return the transpose of `convolve`, as a linear map, with a kernel `[*window, filters, channels]`."""
    rank = inputs.ndim - 2
    pads = tuple(
        _transposed_padding(size, stride, step, padding, extra)
        for size, stride, step, extra in zip(
            kernel.shape[:-2], strides, dilation_rate, output_padding or (None,) * rank, strict=True
        )
    )
    geometry = (tuple(strides), pads, tuple(dilation_rate))
    inputs = _channels_last(inputs, data_format).astype(kernel.dtype)
    return _restore_layout(dense.convolve_transposed(inputs, kernel, geometry), data_format)


def _channels_last(inputs: Any, data_format: str) -> Array:
    return inputs if data_format == "channels_last" else jnp.moveaxis(inputs, 1, -1)


def _restore_layout(outputs: Any, data_format: str) -> Array:
    return outputs if data_format == "channels_last" else jnp.moveaxis(outputs, -1, 1)


def _with_geometry(
    inputs: Any, kernel: Any, strides: Any, padding: str, dilation_rate: Any
) -> tuple[Any, dense.Geometry]:
    """Return the inputs; and the strides, the padding at both ends and the dilation of each spatial axis.

    Inputs of unknown sizes are padded here: the padding of a convolution has to be numbers.
    """
    spans = [(size - 1) * step + 1 for size, step in zip(kernel.shape, dilation_rate, strict=False)]
    if padding == "causal":
        pads = [(span - 1, 0) for span in spans]
    else:
        pads = jax.lax.padtype_to_pads(inputs.shape[1:-1], spans, strides, padding.upper())
    if not all(isinstance(size, int) for ends in pads for size in ends):
        inputs, pads = jnp.pad(inputs, [(0, 0), *pads, (0, 0)]), [(0, 0)] * len(spans)
    return inputs, (tuple(strides), tuple(map(tuple, pads)), tuple(dilation_rate))


def _transposed_padding(size: int, stride: int, step: int, padding: str, extra: int | None) -> tuple[int, int]:
    """Return the number of zeros at both ends of inputs spread out by the strides, for outputs of Keras's sizes.

    Spread out, n inputs are (n - 1) stride + 1 wide, and the outputs are narrower than inputs and zeros together by
    window - 1.
    """
    window = (size - 1) * step + 1
    if padding == "valid":
        return window - 1, window - 1 + (max(0, stride - window) if extra is None else extra)
    total = window + stride - 2 if extra is None else window + window % 2 - 2 + extra
    start = min((total + 1) // 2, window - 1)
    return start, total - start
