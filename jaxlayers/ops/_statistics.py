"""Statistics: quantiles, weighted means, correlations, counts, and reductions over segments."""

import builtins

import jax
import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.types import Array, ArrayLike, Axis, hashable, refuse_sparse

__all__ = [
    "average", "bincount", "corrcoef", "correlate", "digitize", "histogram", "median", "nanmedian", "nanpercentile",
    "nanquantile", "percentile", "quantile",
]  # fmt: skip


@operation("x", "weights")
def average(x: ArrayLike, axis: Axis = None, weights: ArrayLike = None) -> Array:
    """Weighted mean: sum(weights x) / sum(weights).

    Args:
        x: array.
        axis: over which axis or axes; None for all.
        weights: of the shape of x, or one for each place along one axis; None for the plain mean.

    Example:
        >>> average([1.0, 2.0, 5.0], weights=[1.0, 1.0, 2.0])
        Array(3.25, dtype=float32)
    """
    return jnp.average(x, axis=hashable(axis), weights=weights)


@operation("x")
def median(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Middle of the sorted elements, or the mean of the middle two.

    Args:
        x: array.
        axis: over which axis or axes; None for all.
        keepdims: whether these stay, with size 1.

    Example:
        >>> median([1.0, 9.0, 2.0, 4.0])
        Array(3., dtype=float32)
    """
    return jnp.median(x, axis=hashable(axis), keepdims=keepdims)


@operation("x")
def nanmedian(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """`median` of what is not nan.

    Args:
        x: array.
        axis: over which axis or axes; None for all.
        keepdims: whether these stay, with size 1.

    Example:
        >>> nanmedian([1.0, float("nan"), 2.0])
        Array(1.5, dtype=float32)
    """
    return jnp.nanmedian(x, axis=hashable(axis), keepdims=keepdims)


@operation("x", "q")
def quantile(x: ArrayLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Array:
    """Values below which given shares of the elements lie.

    Args:
        x: array.
        q: shares from 0 to 1; their axes come first in the result.
        axis: over which axis or axes; None for all.
        method: between two elements, one of `"linear"`, `"lower"`, `"higher"`, `"midpoint"`, `"nearest"`.
        keepdims: whether the reduced axes stay, with size 1.

    Example:
        >>> quantile([1.0, 2.0, 4.0], [0.5, 0.75])
        Array([2., 3.], dtype=float32)
    """
    return jnp.quantile(x, q, axis=hashable(axis), method=method, keepdims=keepdims)


@operation("x", "q")
def nanquantile(x: ArrayLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Array:
    """`quantile` of what is not nan; with the same arguments.

    Example:
        >>> nanquantile([1.0, float("nan"), 2.0], 0.5)
        Array(1.5, dtype=float32)
    """
    return jnp.nanquantile(x, q, axis=hashable(axis), method=method, keepdims=keepdims)


@operation("x", "q")
def percentile(x: ArrayLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Array:
    """`quantile` with shares in percent, from 0 to 100; the other arguments are the same.

    Example:
        >>> percentile([1.0, 2.0, 4.0], 75)
        Array(3., dtype=float32)
    """
    return jnp.percentile(x, q, axis=hashable(axis), method=method, keepdims=keepdims)


@operation("x", "q")
def nanpercentile(
    x: ArrayLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Array:
    """`percentile` of what is not nan; with the same arguments.

    Example:
        >>> nanpercentile([1.0, float("nan"), 2.0], 50)
        Array(1.5, dtype=float32)
    """
    return jnp.nanpercentile(x, q, axis=hashable(axis), method=method, keepdims=keepdims)


@operation("x")
def corrcoef(x: ArrayLike) -> Array:
    """Correlations between rows: covariances divided by both standard deviations.

    Args:
        x: [variables, observations].

    Returns:
        [variables, variables], ones on the diagonal.

    Example:
        >>> corrcoef([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
        Array([[ 1., -1.],
               [-1.,  1.]], dtype=float32)
    """
    return jnp.corrcoef(x)


@operation("x1", "x2")
def correlate(x1: ArrayLike, x2: ArrayLike, mode: str = "valid") -> Array:
    """Cross-correlation of two sequences: c[k] = sum over n of x1[n + k] conj(x2[n]).

    Args:
        x1: [length].
        x2: [window].
        mode: `"valid"` where both overlap wholly, `"same"` with the longer one's length, `"full"` for every overlap.

    Example:
        >>> correlate([1.0, 2.0, 3.0], [0.0, 1.0])
        Array([2., 3.], dtype=float32)
    """
    return jnp.correlate(x1, x2, mode)


@operation("x", "weights")
def bincount(x: ArrayLike, weights: ArrayLike = None, minlength: int = 0, sparse: bool = False) -> Array:
    """How often each number 0, 1, 2, ... occurs, or the sum of the weights where it does.

    Args:
        x: non-negative integers, [length] or [batch, length]; their largest says the size of the result, so that
            this is not for compiled functions.
        weights: of the shape of x; None counts.
        minlength: least size of the result.
        sparse: not supported.

    Returns:
        [numbers] or [batch, numbers].

    Example:
        >>> bincount([1, 1, 3]), bincount([[0, 1], [2, 2]])
        (Array([0, 2, 0, 1], dtype=int32), Array([[1, 1, 0],
               [0, 0, 2]], dtype=int32))
    """
    refuse_sparse("bincount", sparse)
    if x.ndim == 1:
        return jnp.bincount(x, weights, minlength=minlength)
    length = builtins.max(minlength, int(x.max()) + 1)
    return jax.vmap(lambda row, weight: jnp.bincount(row, weight, length=length))(x, weights)


@operation("x")
def histogram(x: ArrayLike, bins: int = 10, range: tuple[float, float] | None = None) -> tuple[Array, Array]:
    """How many elements fall into each of several bins of equal width.

    Args:
        x: [length].
        bins: how many bins.
        range: from where to where they reach; None for the smallest and largest element.

    Returns:
        Counts, [bins], and the edges, [bins + 1].

    Raises:
        TypeError: when `bins` is not an integer.
        ValueError: when x is not of one axis, or `bins` or `range` make no bins.

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


@operation("x", "bins")
def digitize(x: ArrayLike, bins: ArrayLike) -> Array:
    """Which bin each element falls into: i with bins[i - 1] <= x < bins[i].

    Args:
        x: array.
        bins: edges, sorted, [edges].

    Example:
        >>> digitize([0.5, 3.0, 9.0], [1.0, 3.0, 5.0])
        Array([0, 2, 3], dtype=int32)
    """
    return jnp.digitize(x, bins)
