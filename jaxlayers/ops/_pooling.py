"""Pooling: the maximum or the mean of windows."""

from typing import Any

from jaxlayers.core import operation
from jaxlayers.numerics.pooling import adaptive_maximum, adaptive_mean, pooled_maximum, pooled_mean
from jaxlayers.numerics.spatial import format_of, one_of, per_axis, rank_of, refuse_empty_outputs, spatial_axes
from jaxlayers.numerics.types import Array, ArrayLike, Shape, as_float

__all__ = ["adaptive_average_pool", "adaptive_max_pool", "average_pool", "max_pool"]


@operation("inputs")
def max_pool(
    inputs: ArrayLike,
    pool_size: Shape,
    strides: Shape | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """Maximum of each window.

    Args:
        inputs: [batch, *space, channels], or [batch, channels, *space].
        pool_size: the size of a window; one number, or one for each spatial axis.
        strides: the distance between windows; the size of a window by default.
        padding: `"valid"` for complete windows only, `"same"` for ceil(size / strides) windows, cut off at the edges.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.

    Returns:
        [batch, *new_space, channels], or [batch, channels, *new_space].

    Raises:
        ValueError: if an argument is wrong, or no window fits.

    Example:
        >>> max_pool([[[1.0], [3.0], [2.0], [0.0]]], 2)
        Array([[[3.],
                [2.]]], dtype=float32)
    """
    how = _checked("ops.max_pool", inputs, pool_size, strides, padding, data_format)
    outputs = pooled_maximum(inputs, *how)
    refuse_empty_outputs("ops.max_pool", inputs, outputs, "window", how[0])
    return outputs


@operation("inputs")
def average_pool(
    inputs: ArrayLike,
    pool_size: Shape,
    strides: Shape | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """Mean of each window, padding left out.

    Args:
        inputs: [batch, *space, channels], or [batch, channels, *space].
        pool_size: as for `max_pool`.
        strides: likewise.
        padding: likewise.
        data_format: likewise.

    Returns:
        [batch, *new_space, channels], or [batch, channels, *new_space]; half precision is summed in float32.

    Raises:
        ValueError: if an argument is wrong, or no window fits.

    Example:
        >>> average_pool([[[1.0], [3.0], [2.0]]], 2, padding="same")
        Array([[[2.],
                [2.]]], dtype=float32)
    """
    how = _checked("ops.average_pool", inputs, pool_size, strides, padding, data_format)
    outputs = pooled_mean(inputs, *how)
    refuse_empty_outputs("ops.average_pool", inputs, outputs, "window", how[0])
    return outputs


@operation("inputs")
def adaptive_max_pool(inputs: ArrayLike, output_size: Shape, data_format: str | None = None) -> Array:
    """Maximum of windows of about the same size, one for each output.

    Args:
        inputs: [batch, *space, channels], or [batch, channels, *space].
        output_size: the number of windows; one number, or one for each spatial axis. Window i of m over n elements goes
            from floor(i n / m) to ceil((i + 1) n / m).
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.

    Returns:
        [batch, *output_size, channels], or [batch, channels, *output_size].

    Raises:
        ValueError: if an argument is wrong.

    Example:
        >>> adaptive_max_pool([[[1.0], [3.0], [2.0]]], 2)
        Array([[[3.],
                [3.]]], dtype=float32)
    """
    return _adapted("ops.adaptive_max_pool", inputs, output_size, data_format, adaptive_maximum)


@operation("inputs")
def adaptive_average_pool(inputs: ArrayLike, output_size: Shape, data_format: str | None = None) -> Array:
    """Mean of windows of about the same size, one for each output.

    Args:
        inputs: [batch, *space, channels], or [batch, channels, *space].
        output_size: as for `adaptive_max_pool`.
        data_format: likewise.

    Returns:
        [batch, *output_size, channels], or [batch, channels, *output_size].

    Raises:
        ValueError: if an argument is wrong.

    Example:
        >>> adaptive_average_pool([[[1.0], [3.0], [2.0]]], 2)
        Array([[[2. ],
                [2.5]]], dtype=float32)
    """
    return _adapted("ops.adaptive_average_pool", as_float(inputs), output_size, data_format, adaptive_mean)


def _checked(
    where: str, inputs: Any, pool_size: Any, strides: Any, padding: Any, data_format: Any
) -> tuple[tuple[int, ...], tuple[int, ...], str, str]:
    rank = rank_of(where, inputs)
    return (
        per_axis(where, "pool_size", pool_size, rank),
        per_axis(where, "strides", pool_size if strides is None else strides, rank),
        one_of(where, "padding", padding, ("valid", "same")),
        format_of(where, data_format),
    )


def _adapted(where: str, inputs: Any, output_size: Any, data_format: Any, along: Any) -> Array:
    """Return windows reduced along one axis after the other: a window is a product of windows along single axes."""
    rank = rank_of(where, inputs)
    counts = per_axis(where, "output_size", output_size, rank)
    if 0 in inputs.shape[1:]:
        raise ValueError(f"{where} expects inputs with elements to pool; received shape {inputs.shape}.")
    for axis, count in zip(spatial_axes(rank, format_of(where, data_format)), counts, strict=True):
        inputs = along(inputs, axis, count)
    return inputs
