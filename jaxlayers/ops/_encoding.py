"""One-hot encodings, cross-entropies, and other conversions of the inputs and outputs of neural networks."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.settings import epsilon, standardize_dtype
from jaxlayers.core import operation
from jaxlayers.numerics.probabilities import binary_log_probabilities, log_probabilities, times_log
from jaxlayers.numerics.spatial import format_of
from jaxlayers.numerics.types import Array, ArrayLike, DType, as_float, refuse_sparse, wide, wide_dtype

__all__ = [
    "binary_crossentropy", "categorical_crossentropy", "depth_to_space", "multi_hot", "one_hot", "polar", "psnr",
    "space_to_depth", "sparse_categorical_crossentropy",
]  # fmt: skip


@operation("x")
def one_hot(x: ArrayLike, num_classes: int, axis: int = -1, dtype: DType = None, sparse: bool = False) -> Array:
    """One-hot encoding: vectors with a 1 at the index of the class and 0 elsewhere.

    The vector of an index outside of 0, ..., num_classes - 1 is zero.

    Args:
        x: indices of classes, [...].
        num_classes: the number of classes.
        axis: the axis of the classes in the result; -1 by default.
        dtype: the dtype of the result; `floatx()` by default.
        sparse: not supported.

    Returns:
        The encodings, [..., num_classes].

    Example:
        >>> one_hot([2, 0], 3)
        Array([[0., 0., 1.],
               [1., 0., 0.]], dtype=float32)
    """
    refuse_sparse("one_hot", sparse)
    return jax.nn.one_hot(x, num_classes, axis=axis, dtype=standardize_dtype(dtype))


@operation("inputs")
def multi_hot(inputs: ArrayLike, num_classes: int, axis: int = -1, dtype: DType = None, sparse: bool = False) -> Array:
    """Multi-hot encoding: vectors with a 1 at the indices of all classes of an example and 0 elsewhere.

    Args:
        inputs: indices of classes, [batch, classes of one example, ...], or [classes of one example].
        num_classes: the number of classes.
        axis: the axis of the classes in the result; -1 by default.
        dtype: the dtype of the result; `floatx()` by default.
        sparse: not supported.

    Returns:
        The encodings, [batch, ..., num_classes], or [num_classes].

    Example:
        >>> multi_hot([[2, 0], [1, 1]], 3)
        Array([[1., 0., 1.],
               [0., 1., 0.]], dtype=float32)
    """
    refuse_sparse("multi_hot", sparse)
    encoded = jax.nn.one_hot(inputs, num_classes, axis=axis, dtype=standardize_dtype(dtype))
    return jnp.max(encoded, axis=1 if inputs.ndim > 1 else 0)


@operation("target", "output")
def binary_crossentropy(target: ArrayLike, output: ArrayLike, from_logits: bool = False) -> Array:
    """Binary cross-entropy: -target log(output) - (1 - target) log(1 - output).

    Args:
        target: labels or probabilities from 0 to 1, [...].
        output: probabilities, which are clipped to `epsilon()` and `1 - epsilon()`, or logits, [...].
        from_logits: If True, `output` are logits. If False (the default), probabilities.

    Returns:
        The losses, [...].

    Raises:
        ValueError: when the shapes differ.

    Example:
        >>> binary_crossentropy([0.0, 1.0], [0.5, 0.9])
        Array([0.6931472 , 0.10536055], dtype=float32)
    """
    _check_same_shape("binary_crossentropy", target, output)
    return _binary_crossentropy(target, output, from_logits, epsilon())


# Settings are static arguments: without them, a compiled function would keep using an old epsilon.
@functools.partial(jax.jit, static_argnums=(2, 3), inline=True)
def _binary_crossentropy(target: Any, output: Any, from_logits: bool, epsilon: float) -> Array:
    dtype, target, output = _as_wide_floats(target, output)
    log_p, log_not_p = binary_log_probabilities(output, from_logits)
    return (-times_log(target, log_p) - times_log(1 - target, log_not_p)).astype(dtype)


@operation("target", "output")
def categorical_crossentropy(target: ArrayLike, output: ArrayLike, from_logits: bool = False, axis: int = -1) -> Array:
    """Categorical cross-entropy: -sum(target log(output)) over the classes.

    Args:
        target: one-hot labels or probabilities, [..., classes].
        output: probabilities, which are divided by their sum and clipped to `epsilon()` and `1 - epsilon()`, or logits,
            [..., classes].
        from_logits: If True, `output` are logits. If False (the default), probabilities.
        axis: the axis of the classes; -1 by default.

    Returns:
        The losses, [...].

    Raises:
        ValueError: when the shapes differ or have no axes.

    Example:
        >>> categorical_crossentropy([0.0, 1.0], [0.5, 0.5])
        Array(0.6931472, dtype=float32)
    """
    _check_same_shape("categorical_crossentropy", target, output)
    if not target.ndim:
        raise ValueError("ops.categorical_crossentropy expects an axis of classes; received shapes ().")
    return _categorical_crossentropy(target, output, from_logits, axis, epsilon())


@functools.partial(jax.jit, static_argnums=(2, 3, 4), inline=True)
def _categorical_crossentropy(target: Any, output: Any, from_logits: bool, axis: int, epsilon: float) -> Array:
    dtype, target, output = _as_wide_floats(target, output)
    return -jnp.sum(times_log(target, log_probabilities(output, from_logits, axis)), axis).astype(dtype)


@operation("target", "output")
def sparse_categorical_crossentropy(
    target: ArrayLike, output: ArrayLike, from_logits: bool = False, axis: int = -1
) -> Array:
    """Categorical cross-entropy for labels that are indices of classes: -log(output[target]).

    Args:
        target: indices of classes, [...] or [..., 1]. The loss of an index out of range is 0.
        output: probabilities, which are divided by their sum and clipped to `epsilon()` and `1 - epsilon()`, or logits,
            [..., classes].
        from_logits: If True, `output` are logits. If False (the default), probabilities.
        axis: the axis of the classes; -1 by default.

    Returns:
        The losses, [...].

    Raises:
        ValueError: when the shape of the target is not that of the output without the axis of the classes.

    Example:
        >>> sparse_categorical_crossentropy([1, 0], [[0.5, 0.5], [0.2, 0.8]])
        Array([0.6931472, 1.609438 ], dtype=float32)
    """
    target = jnp.asarray(target, "int32")
    if output.ndim and target.ndim == output.ndim and target.shape[-1] == 1:
        target = jnp.squeeze(target, -1)
    axes = range(output.ndim)
    if not output.ndim or target.shape != tuple(output.shape[i] for i in axes if i != axes[axis]):
        raise ValueError(
            "ops.sparse_categorical_crossentropy expects a target of the output's shape without the axis of classes; "
            f"received target {target.shape} and output {output.shape}."
        )
    return _sparse_crossentropy(target, output, from_logits, axis, epsilon())


@functools.partial(jax.jit, static_argnums=(2, 3, 4), inline=True)
def _sparse_crossentropy(target: Any, output: Any, from_logits: bool, axis: int, epsilon: float) -> Array:
    output = as_float(output)
    is_label = jax.nn.one_hot(target, output.shape[axis], axis=axis, dtype=bool)
    return -jnp.sum(log_probabilities(wide(output), from_logits, axis), axis, where=is_label).astype(output.dtype)


def _as_wide_floats(target: Any, output: Any) -> tuple[Any, Array, Array]:
    """Return the dtype of a loss, and the arrays in float32 or wider."""
    target, output = as_float(target), as_float(output)
    dtype = jnp.result_type(target, output)
    return dtype, target.astype(wide_dtype(dtype)), output.astype(wide_dtype(dtype))


def _check_same_shape(function: str, target: Any, output: Any) -> None:
    shapes = jnp.shape(target), jnp.shape(output)
    if shapes[0] != shapes[1]:
        raise ValueError(f"ops.{function} expects a target of the output's shape {shapes[1]}; received {shapes[0]}.")


@operation("abs_", "angle")
def polar(abs_: ArrayLike, angle: ArrayLike) -> Array:
    """Complex numbers from polar coordinates: abs_ (cos(angle) + i sin(angle)).

    Args:
        abs_: the absolute values, [...].
        angle: the angles in radians, [...].

    Example:
        >>> polar([2.0], [0.0])
        Array([2.+0.j], dtype=complex64)
    """
    abs_, angle = wide(jnp.asarray(abs_)), wide(jnp.asarray(angle))  # there are no complex numbers of half precision
    return jax.lax.complex(abs_ * jnp.cos(angle), abs_ * jnp.sin(angle))


@operation("x1", "x2", "max_val")
def psnr(x1: ArrayLike, x2: ArrayLike, max_val: ArrayLike) -> Array:
    """Peak signal-to-noise ratio in decibels: 20 log10(max_val) - 10 log10(mean((x1 - x2)^2)).

    Args:
        x1: a signal.
        x2: a signal of the same shape.
        max_val: the largest possible value of a signal.

    Returns:
        A scalar: the mean is over all elements.

    Raises:
        ValueError: when the shapes differ.

    Example:
        >>> psnr([1.0, 2.0], [1.5, 2.5], 10.0)
        Array(26.0206, dtype=float32)
    """
    if jnp.shape(x1) != jnp.shape(x2):
        raise ValueError(f"ops.psnr expects signals of one shape; received {jnp.shape(x1)} and {jnp.shape(x2)}.")
    dtype, x1, x2 = _as_wide_floats(x1, x2)
    error = jnp.mean(jnp.square(x1 - x2))
    return (20 * jnp.log10(jnp.asarray(max_val, x2.dtype)) - 10 * jnp.log10(error)).astype(dtype)


@operation("x")
def depth_to_space(x: ArrayLike, block_size: int, data_format: str = "channels_last") -> Array:
    """Rearrange the channels of each pixel into a block of pixels.

    Args:
        x: images, [batch, height, width, block_size^2 * channels], or [batch, block_size^2 * channels, height, width].
        block_size: the height and width of a block.
        data_format: `"channels_last"` (the default) or `"channels_first"`.

    Returns:
        Images, [batch, height * block_size, width * block_size, channels], or with the channels in axis 1.

    Raises:
        ValueError: if `block_size` is less than 2, or the number of channels is not divisible by its square.

    Source: Shi et al., 2016, https://arxiv.org/abs/1609.05158

    Example:
        >>> depth_to_space([[[[1, 2, 3, 4]]]], 2)[0, :, :, 0]
        Array([[1, 2],
               [3, 4]], dtype=int32)
    """
    b = block_size
    last = _has_channels_last("ops.depth_to_space", x, block_size, data_format)
    _check_blocks("ops.depth_to_space", "channels", x.shape[-1 if last else 1], b**2)
    if last:
        n, h, w, c = x.shape
        blocks = x.reshape(n, h, w, b, b, c // b**2).transpose(0, 1, 3, 2, 4, 5)
        return blocks.reshape(n, h * b, w * b, c // b**2)
    n, c, h, w = x.shape
    blocks = x.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return blocks.reshape(n, c // b**2, h * b, w * b)


@operation("x")
def space_to_depth(x: ArrayLike, block_size: int, data_format: str = "channels_last") -> Array:
    """Rearrange each block of pixels into the channels of one pixel: the inverse of `depth_to_space`.

    Args:
        x: images, [batch, height * block_size, width * block_size, channels], or with the channels in axis 1.
        block_size: the height and width of a block.
        data_format: `"channels_last"` (the default) or `"channels_first"`.

    Returns:
        Images, [batch, height, width, block_size^2 * channels], or with the channels in axis 1.

    Raises:
        ValueError: if `block_size` is less than 2, or height or width is not divisible by it.

    Example:
        >>> space_to_depth([[[[1], [2]], [[3], [4]]]], 2)
        Array([[[[1, 2, 3, 4]]]], dtype=int32)
    """
    b = block_size
    last = _has_channels_last("ops.space_to_depth", x, block_size, data_format)
    for axis in (-3, -2) if last else (-2, -1):
        _check_blocks("ops.space_to_depth", "height and width", x.shape[axis], b)
    if last:
        n, h, w, c = x.shape
        blocks = x.reshape(n, h // b, b, w // b, b, c).transpose(0, 1, 3, 2, 4, 5)
        return blocks.reshape(n, h // b, w // b, c * b**2)
    n, c, h, w = x.shape
    blocks = x.reshape(n, c, h // b, b, w // b, b).transpose(0, 1, 3, 5, 2, 4)
    return blocks.reshape(n, c * b**2, h // b, w // b)


def _has_channels_last(where: str, images: Array, block_size: int, data_format: str) -> bool:
    """Check the arguments of a rearrangement of blocks of pixels."""
    if images.ndim != 4:
        raise ValueError(f"{where} expects a batch of images, with 4 axes; received shape {images.shape}.")
    if block_size < 2:
        raise ValueError(f"{where}: block_size must be at least 2; received {block_size!r}.")
    return format_of(where, data_format) == "channels_last"


def _check_blocks(where: str, sizes: str, size: Any, divisor: int) -> None:
    if isinstance(size, int) and size % divisor:
        raise ValueError(f"{where} expects {sizes} divisible by {divisor}; received {size}.")
