"""Mathematical functions that NumPy lacks: special functions, segments, ranks, sequences, complex numbers."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import operation
from jaxlayers.core.operations import sized_by_values
from jaxlayers.numerics import edges
from jaxlayers.numerics.norms import distances
from jaxlayers.numerics.types import Array, ArrayLike, Axis, as_float
from jaxlayers.ops._declarations import computed_by, reduced_by, widened

__all__ = [
    "cdist", "erf", "erfc", "erfinv", "extract_sequences", "in_top_k", "logdet", "logsumexp", "rsqrt", "segment_max",
    "segment_min", "segment_prod", "segment_sum", "top_k", "view_as_complex", "view_as_real",
]  # fmt: skip


@computed_by(jax.lax.rsqrt)
def rsqrt(x: ArrayLike) -> Array:
    """Reciprocal of the square root: 1 / sqrt(x).

    Example:
        >>> rsqrt([4.0, 0.25])
        Array([0.5, 2. ], dtype=float32)
    """


@computed_by(lambda x: jax.lax.erf(as_float(x)))
def erf(x: ArrayLike) -> Array:
    """Error function: 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x.

    Example:
        >>> erf([0.0, 1.0])
        Array([0.        , 0.84270084], dtype=float32)
    """


@computed_by(lambda x: jax.lax.erfc(as_float(x)))
def erfc(x: ArrayLike) -> Array:
    """Complementary error function: 1 - erf(x), also precise for large x.

    Example:
        >>> erfc([0.0, 5.0])
        Array([1.0000000e+00, 1.5374597e-12], dtype=float32)
    """


@computed_by(lambda x: jax.lax.erf_inv(as_float(x)))
def erfinv(x: ArrayLike) -> Array:
    """Inverse of `erf`, for |x| < 1.

    Example:
        >>> erfinv([0.0, 0.5])
        Array([0.        , 0.47693628], dtype=float32)
    """


@reduced_by(widened(edges.logsumexp))
def logsumexp(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Logarithm of a sum of exponentials: log(sum(e ** x)), without overflow.

    Args:
        x: array.
        axis: the axis or axes to reduce; None (the default) for all axes.
        keepdims: If True, keep the reduced axes with size 1. False by default.

    Example:
        >>> logsumexp([1000.0, 1000.0])
        Array(1000.6932, dtype=float32)
    """


@operation("x")
def logdet(x: ArrayLike) -> Array:
    """Logarithm of the absolute value of the determinant.

    Args:
        x: square matrices, [..., n, n].

    Returns:
        The logarithms, [...].

    Example:
        >>> logdet([[2.0, 0.0], [0.0, 3.0]])
        Array(1.7917595, dtype=float32)
    """
    return jnp.linalg.slogdet(x)[1]


@operation("x", "y")
def cdist(x: ArrayLike, y: ArrayLike) -> Array:
    """Euclidean distances between all pairs of points of two sets: sqrt(sum((x[i] - y[j])^2)).

    The gradient of the distance of two equal points is 0. Half precision is computed in float32.

    Args:
        x: n points, [..., n, size].
        y: m points, [..., m, size].

    Returns:
        The distances, [..., n, m].

    Raises:
        ValueError: when x or y has fewer than two axes, or the sizes of the last axes differ.

    Example:
        >>> cdist([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]])
        Array([[5., 1.]], dtype=float32)
    """
    shapes = jnp.shape(x), jnp.shape(y)
    if len(shapes[0]) < 2 or len(shapes[1]) < 2 or shapes[0][-1] != shapes[1][-1]:
        raise ValueError(f"ops.cdist expects shapes [..., n, size] and [..., m, size]; received {shapes}.")
    return _distances(as_float(x), as_float(y))


_distances = widened(distances)


@operation("x")
def top_k(x: ArrayLike, k: int, sorted: bool = True) -> tuple[Array, Array]:
    """The k largest elements along the last axis, and their indices.

    Args:
        x: [..., size].
        k: the number of elements.
        sorted: without effect: the elements are always in descending order.

    Returns:
        A tuple of the values and the indices, each [..., k].

    Example:
        >>> top_k([3, 1, 2], 2)
        (Array([3, 2], dtype=int32), Array([0, 2], dtype=int32))
    """
    values, indices = jax.lax.top_k(x, k)
    return values, indices


@operation("targets", "predictions")
def in_top_k(targets: ArrayLike, predictions: ArrayLike, k: int) -> Array:
    """True where the target is among the k classes with the largest predictions.

    Classes whose predictions equal that of the target are not counted as larger. The prediction nan is treated as -inf.

    Args:
        targets: indices of classes, [batch].
        predictions: probabilities or logits, [batch, classes].
        k: the number of classes.

    Returns:
        An array of bools, [batch].

    Example:
        >>> in_top_k([2, 0], [[0.1, 0.3, 0.2], [0.1, 0.6, 0.3]], 2)
        Array([ True, False], dtype=bool)
    """
    predicted = jnp.take_along_axis(predictions, targets[..., None], axis=-1)  # [batch, 1]
    predicted = jnp.where(jnp.isnan(predicted), -jnp.inf, predicted)  # nan is less than any other prediction
    return jnp.sum(predictions > predicted, axis=-1) < k


@operation("x")
def extract_sequences(x: ArrayLike, sequence_length: int, sequence_stride: int) -> Array:
    """Cut the last axis into sequences, which may overlap.

    Args:
        x: [..., length].
        sequence_length: the length of each sequence.
        sequence_stride: the distance between the starts of neighbouring sequences.

    Returns:
        The sequences, [..., sequences, sequence_length]. Elements at the end that do not fill a sequence are dropped.

    Example:
        >>> extract_sequences([1, 2, 3, 4, 5], 3, 2)
        Array([[1, 2, 3],
               [3, 4, 5]], dtype=int32)
    """
    starts = np.arange(0, jnp.shape(x)[-1] - sequence_length + 1, sequence_stride)
    return x[..., starts[:, None] + np.arange(sequence_length)]


@operation("data", "segment_ids")
def segment_sum(
    data: ArrayLike, segment_ids: ArrayLike, num_segments: int | None = None, sorted: bool = False
) -> Array:
    """Sum of the rows of each segment.

    Args:
        data: [rows, ...].
        segment_ids: the index of the segment of each row, [rows].
        num_segments: the number of segments; None (the default) for the largest index plus one. Compiled functions must
            give it.
        sorted: If True, `segment_ids` must be in ascending order, which is faster. False by default.

    Returns:
        The sums, [segments, ...]; 0 for a segment without rows.

    Example:
        >>> segment_sum([1.0, 2.0, 4.0], [0, 1, 0])
        Array([5., 2.], dtype=float32)
    """
    return _segment_sum(data, segment_ids, num_segments=num_segments, indices_are_sorted=sorted)


_segment_sum = widened(jax.ops.segment_sum)


@operation("data", "segment_ids")
def segment_prod(
    data: ArrayLike, segment_ids: ArrayLike, num_segments: int | None = None, sorted: bool = False
) -> Array:
    """Product of the rows of each segment; 1 for a segment without rows.

    Args:
        data: [rows, ...].
        segment_ids: the index of the segment of each row, [rows].
        num_segments: the number of segments; None (the default) for the largest index plus one. Compiled functions must
            give it.
        sorted: If True, `segment_ids` must be in ascending order, which is faster. False by default.

    Example:
        >>> segment_prod([3.0, 2.0, 4.0], [0, 1, 0])
        Array([12.,  2.], dtype=float32)
    """
    return _segment_prod(data, segment_ids, num_segments=num_segments, indices_are_sorted=sorted)


_segment_prod = widened(jax.ops.segment_prod)


@operation("data", "segment_ids")
def segment_max(
    data: ArrayLike, segment_ids: ArrayLike, num_segments: int | None = None, sorted: bool = False
) -> Array:
    """Largest elements of the rows of each segment; -inf (or the smallest integer) for a segment without rows.

    Args:
        data: [rows, ...].
        segment_ids: the index of the segment of each row, [rows].
        num_segments: the number of segments; None (the default) for the largest index plus one. Compiled functions must
            give it.
        sorted: If True, `segment_ids` must be in ascending order, which is faster. False by default.

    Example:
        >>> segment_max([3.0, 2.0, 4.0], [0, 1, 0])
        Array([4., 2.], dtype=float32)
    """
    return jax.ops.segment_max(data, segment_ids, num_segments, indices_are_sorted=sorted)


@operation("data", "segment_ids")
def segment_min(
    data: ArrayLike, segment_ids: ArrayLike, num_segments: int | None = None, sorted: bool = False
) -> Array:
    """Smallest elements of the rows of each segment; inf (or the largest integer) for a segment without rows.

    Args:
        data: [rows, ...].
        segment_ids: the index of the segment of each row, [rows].
        num_segments: the number of segments; None (the default) for the largest index plus one. Compiled functions must
            give it.
        sorted: If True, `segment_ids` must be in ascending order, which is faster. False by default.

    Example:
        >>> segment_min([3.0, 2.0, 4.0], [0, 1, 0])
        Array([3., 2.], dtype=float32)
    """
    return jax.ops.segment_min(data, segment_ids, num_segments, indices_are_sorted=sorted)


def _reduce_segments_to_size(
    reduction: Any, data: Array, segment_ids: Array, num_segments: int | None = None, sorted: bool = False, *, size: int
) -> Array:
    return reduction(data, segment_ids, size, sorted)


for _reduction in (segment_sum, segment_prod, segment_max, segment_min):
    sized_by_values(_reduction)(functools.partial(_reduce_segments_to_size, _reduction))


@operation("x")
def view_as_complex(x: ArrayLike) -> Array:
    """Convert pairs (real part, imaginary part) to complex numbers; the inverse of `view_as_real`.

    Args:
        x: real and imaginary parts, [..., 2].

    Returns:
        An array in complex64, [...].

    Raises:
        ValueError: when the size of the last axis is not 2.

    Example:
        >>> view_as_complex([[1.0, 2.0], [3.0, -4.0]])
        Array([1.+2.j, 3.-4.j], dtype=complex64)
    """
    shape = jnp.shape(x)
    if shape[-1:] != (2,):
        raise ValueError(f"ops.view_as_complex expects shape [..., 2] (real, imaginary); received {shape}.")
    return jax.lax.complex(x[..., 0].astype("float32"), x[..., 1].astype("float32"))


@operation("x")
def view_as_real(x: ArrayLike) -> Array:
    """Convert complex numbers to pairs (real part, imaginary part).

    Args:
        x: complex numbers, [...].

    Returns:
        Real and imaginary parts, [..., 2].

    Example:
        >>> view_as_real([1 + 2j])
        Array([[1., 2.]], dtype=float32)
    """
    return jnp.stack([jnp.real(x), jnp.imag(x)], axis=-1)
