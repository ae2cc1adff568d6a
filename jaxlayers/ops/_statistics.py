"""Statistics: quantiles, weighted means, correlations, counts."""

import builtins

import jax
import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.core.operations import sized_by_values
from jaxlayers.numerics.types import Array, ArrayLike, Axis, hashable, refuse_sparse
from jaxlayers.ops._declarations import computed_by, reduced_by, widened

__all__ = [
    "average", "bincount", "corrcoef", "correlate", "digitize", "histogram", "median", "nanmedian", "nanpercentile",
    "nanquantile", "percentile", "quantile",
]  # fmt: skip


@operation("x", "weights")
def average(x: ArrayLike, axis: Axis = None, weights: ArrayLike = None) -> Array:
    """Weighted mean: sum(weights x) / sum(weights).

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        weights: the weights, of the shape of x, or of shape [size of the axis] for a single axis; None (the default)
            for equal weights.

    Example:
        >>> average([1.0, 2.0, 5.0], weights=[1.0, 1.0, 2.0])
        Array(3.25, dtype=float32)
    """
    return _average(x, weights, axis=hashable(axis))


_average = widened(lambda x, weights, axis: jnp.average(x, axis, weights))


@reduced_by(jnp.median)
def median(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Median: the middle one of the sorted elements, or the mean of the middle two.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> median([1.0, 9.0, 2.0, 4.0])
        Array(3., dtype=float32)
    """


@reduced_by(jnp.nanmedian)
def nanmedian(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Median of the elements that are not nan.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> nanmedian([1.0, float("nan"), 2.0])
        Array(1.5, dtype=float32)
    """


@operation("x", "q")
def quantile(x: ArrayLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Array:
    """Quantiles: the values below which the fractions q of the elements lie.

    Args:
        x: array.
        q: fractions from 0 to 1. The axes of q are the first axes of the result.
        axis: the axis or axes to reduce; None (the default) for all axes.
        method: the interpolation between two elements: `"linear"` (the default), `"lower"`, `"higher"`, `"midpoint"`
            or `"nearest"`.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> quantile([1.0, 2.0, 4.0], [0.5, 0.75])
        Array([2., 3.], dtype=float32)
    """
    return jnp.quantile(x, q, axis=hashable(axis), method=method, keepdims=keepdims)


@operation("x", "q")
def nanquantile(x: ArrayLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Array:
    """Quantiles of the elements that are not nan.

    Args:
        x: array.
        q: fractions from 0 to 1. The axes of q are the first axes of the result.
        axis: the axis or axes to reduce; None (the default) for all axes.
        method: the interpolation between two elements: `"linear"` (the default), `"lower"`, `"higher"`, `"midpoint"` or
            `"nearest"`.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> nanquantile([1.0, float("nan"), 2.0], 0.5)
        Array(1.5, dtype=float32)
    """
    return jnp.nanquantile(x, q, axis=hashable(axis), method=method, keepdims=keepdims)


@operation("x", "q")
def percentile(x: ArrayLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Array:
    """Percentiles: the values below which q percent of the elements lie.

    Args:
        x: array.
        q: percentages from 0 to 100. The axes of q are the first axes of the result.
        axis: the axis or axes to reduce; None (the default) for all axes.
        method: the interpolation between two elements: `"linear"` (the default), `"lower"`, `"higher"`, `"midpoint"` or
            `"nearest"`.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> percentile([1.0, 2.0, 4.0], 75)
        Array(3., dtype=float32)
    """
    return jnp.percentile(x, q, axis=hashable(axis), method=method, keepdims=keepdims)


@operation("x", "q")
def nanpercentile(
    x: ArrayLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Array:
    """Percentiles of the elements that are not nan.

    Args:
        x: array.
        q: percentages from 0 to 100. The axes of q are the first axes of the result.
        axis: the axis or axes to reduce; None (the default) for all axes.
        method: the interpolation between two elements: `"linear"` (the default), `"lower"`, `"higher"`, `"midpoint"` or
            `"nearest"`.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> nanpercentile([1.0, float("nan"), 2.0], 50)
        Array(1.5, dtype=float32)
    """
    return jnp.nanpercentile(x, q, axis=hashable(axis), method=method, keepdims=keepdims)


@computed_by(widened(jnp.corrcoef))
def corrcoef(x: ArrayLike) -> Array:
    """Pearson correlation coefficients of the rows: covariances divided by both standard deviations.

    Args:
        x: [variables, observations].

    Returns:
        The coefficients, [variables, variables].

    Example:
        >>> corrcoef([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
        Array([[ 1., -1.],
               [-1.,  1.]], dtype=float32)
    """


@computed_by(jnp.correlate, "x1", "x2")
def correlate(x1: ArrayLike, x2: ArrayLike, mode: str = "valid") -> Array:
    """Cross-correlation of two sequences: c[k] = sum over n of x1[n + k] conj(x2[n]).

    Args:
        x1: a sequence, [length].
        x2: a sequence, [window].
        mode: `"valid"` (the default) for the shifts k at which the shorter sequence lies inside of the longer one;
            `"same"` for a result of the length of the longer sequence; `"full"` for all shifts at which the sequences
            overlap.

    Example:
        >>> correlate([1.0, 2.0, 3.0], [0.0, 1.0])
        Array([2., 3.], dtype=float32)
    """


@operation("x", "weights")
def bincount(x: ArrayLike, weights: ArrayLike = None, minlength: int = 0, sparse: bool = False) -> Array:
    """Count the occurrences of each integer 0, 1, 2, ..., or sum their weights.

    It cannot be used in compiled functions, because the size of the result depends on the largest element of x.

    Args:
        x: non-negative integers, [length] or [batch, length].
        weights: the weight of each element, of the shape of x; None (the default) to count.
        minlength: the smallest size of the result; 0 by default.
        sparse: not supported.

    Returns:
        The counts or sums, [bins] or [batch, bins].

    Example:
        >>> bincount([1, 1, 3]), bincount([[0, 1], [2, 2]])
        (Array([0, 2, 0, 1], dtype=int32), Array([[1, 1, 0],
               [0, 0, 2]], dtype=int32))
    """
    refuse_sparse("bincount", sparse)
    if x.ndim == 1:
        return _bincount(x, weights, minlength=minlength)
    length = builtins.max(minlength, int(x.max()) + 1)
    return jax.vmap(lambda row, weight: _bincount(row, weight, length=length))(x, weights)


_bincount = widened(jnp.bincount)


@sized_by_values(bincount)
def _bincount_to_size(
    x: Array, weights: ArrayLike = None, minlength: int = 0, sparse: bool = False, *, size: int
) -> Array:
    return jnp.zeros(
        (*x.shape[:-1], size), jnp.bincount(jnp.ravel(x)[:1], length=1).dtype if weights is None else weights.dtype
    )


@operation("x")
def histogram(x: ArrayLike, bins: int = 10, range: tuple[float, float] | None = None) -> tuple[Array, Array]:
    """Histogram: the number of elements in each of several bins of equal width.

    Args:
        x: [length].
        bins: the number of bins; 10 by default.
        range: the lower end of the first bin and the upper end of the last bin; None (the default) for the smallest
            and the largest element.

    Returns:
        A tuple of the counts, [bins], and of the edges of the bins, [bins + 1].

    Raises:
        TypeError: when `bins` is not an integer.
        ValueError: when x has more than one axis, `bins` is negative, or `range` is not a pair in ascending order.

    Example:
        >>> histogram([0.0, 1.0, 3.0, 4.0], bins=2)
        (Array([2., 2.], dtype=float32), Array([0., 2., 4.], dtype=float32))
    """
    if not isinstance(bins, int):
        raise TypeError(f"ops.histogram expects an integer number of bins; received {bins!r}.")
    if bins < 0 or (range and (len(range) != 2 or range[1] < range[0])):
        raise ValueError(f"ops.histogram expects bins >= 0 and range (low, high); received {bins} and {range}.")
    if jnp.ndim(x) > 1:
        raise ValueError(f"ops.histogram expects shape [length]; received {jnp.shape(x)}. Use ops.ravel first.")
    return jnp.histogram(x, bins=bins, range=range)


@computed_by(jnp.digitize)
def digitize(x: ArrayLike, bins: ArrayLike) -> Array:
    """The index of the bin of each element: the i with bins[i - 1] <= x < bins[i].

    Args:
        x: array.
        bins: the edges of the bins in ascending order, [edges].

    Returns:
        The indices, in the shape of x: 0 below the first edge, `edges` from the last edge on.

    Example:
        >>> digitize([0.5, 3.0, 9.0], [1.0, 3.0, 5.0])
        Array([0, 2, 3], dtype=int32)
    """
