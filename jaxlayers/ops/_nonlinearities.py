"""Nonlinear functions of neural networks, element by element (`glu`, `sparsemax` and softmax along an axis)."""

import functools

import jax
import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics import nonlinearities
from jaxlayers.numerics.types import Array, ArrayLike, Axis, as_float, hashable, wide
from jaxlayers.ops._declarations import computed_by

__all__ = [
    "celu", "elu", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu",
    "log_sigmoid", "log_softmax", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus",
    "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "swish", "tanh_shrink", "threshold",
]  # fmt: skip


@computed_by(nonlinearities.relu)
def relu(x: ArrayLike) -> Array:
    """Rectified linear unit: max(x, 0), with the gradient 0 at 0.

    Example:
        >>> relu([-1.0, 0.0, 2.0])
        Array([0., 0., 2.], dtype=float32)
    """


@computed_by(nonlinearities.relu6)
def relu6(x: ArrayLike) -> Array:
    """Rectified linear unit up to 6: min(max(x, 0), 6); arXiv:1704.04861.

    Example:
        >>> relu6([-1.0, 2.0, 8.0])
        Array([0., 2., 6.], dtype=float32)
    """


@operation("x")
def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> Array:
    """Rectified linear unit with a slope for negative values: x where x >= 0, negative_slope x elsewhere.

    Example:
        >>> leaky_relu([-1.0, 2.0])
        Array([-0.2,  2. ], dtype=float32)
    """
    return jax.nn.leaky_relu(x, negative_slope)


@computed_by(jax.nn.elu, "x")
def elu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """Exponential linear unit: x where x > 0, alpha (e ** x - 1) elsewhere; arXiv:1511.07289.

    Example:
        >>> elu([-1.0, 2.0])
        Array([-0.63212055,  2.        ], dtype=float32)
    """


@computed_by(jax.nn.celu, "x")
def celu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """Smooth exponential linear unit: x where x > 0, alpha (e ** (x / alpha) - 1) elsewhere; arXiv:1704.07483.

    Example:
        >>> celu([-1.0, 2.0], alpha=2.0)
        Array([-0.78693867,  2.        ], dtype=float32)
    """


@computed_by(jax.nn.selu)
def selu(x: ArrayLike) -> Array:
    """Exponential linear unit that preserves mean 0 and variance 1: 1.0507 elu(x, 1.6733); arXiv:1706.02515.

    Example:
        >>> selu([-1.0, 2.0])
        Array([-1.1113307,  2.101402 ], dtype=float32)
    """


@computed_by(nonlinearities.gelu, "x")
def gelu(x: ArrayLike, approximate: bool = True) -> Array:
    """Gaussian error linear unit: x times the probability that a standard normal is below x; arXiv:1606.08415.

    Args:
        x: array.
        approximate: If True (the default), 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))); if False, by erf.

    Example:
        >>> gelu([-1.0, 2.0])
        Array([-0.15880796,  1.9545977 ], dtype=float32)
    """


@computed_by(nonlinearities.silu)
def silu(x: ArrayLike) -> Array:
    """Sigmoid linear unit: x sigmoid(x); arXiv:1702.03118.

    Example:
        >>> silu([-1.0, 2.0])
        Array([-0.26894143,  1.761594  ], dtype=float32)
    """


swish = silu


@computed_by(jax.nn.hard_silu)
def hard_silu(x: ArrayLike) -> Array:
    """Piecewise linear approximation of `silu`: x hard_sigmoid(x); arXiv:1905.02244.

    Example:
        >>> hard_silu([-1.0, 2.0])
        Array([-0.33333334,  1.6666667 ], dtype=float32)
    """


hard_swish = hard_silu


@computed_by(jax.nn.sigmoid)
def sigmoid(x: ArrayLike) -> Array:
    """Logistic function: 1 / (1 + e ** -x).

    Example:
        >>> sigmoid([-1.0, 0.0])
        Array([0.26894143, 0.5       ], dtype=float32)
    """


@computed_by(jax.nn.hard_sigmoid)
def hard_sigmoid(x: ArrayLike) -> Array:
    """Piecewise linear approximation of `sigmoid`: min(max(x / 6 + 1 / 2, 0), 1).

    Example:
        >>> hard_sigmoid([-4.0, 0.0, 1.5])
        Array([0.  , 0.5 , 0.75], dtype=float32)
    """


@computed_by(jax.nn.log_sigmoid)
def log_sigmoid(x: ArrayLike) -> Array:
    """Logarithm of the logistic function, without underflow: -log(1 + e ** -x).

    Example:
        >>> log_sigmoid([-200.0, 0.0])
        Array([-200.       ,   -0.6931472], dtype=float32)
    """


@computed_by(jax.nn.sparse_sigmoid)
def sparse_sigmoid(x: ArrayLike) -> Array:
    """Derivative of `sparse_plus`: min(max((x + 1) / 2, 0), 1).

    Example:
        >>> sparse_sigmoid([-2.0, 0.5, 3.0])
        Array([0.  , 0.75, 1.  ], dtype=float32)
    """


@computed_by(jax.nn.softplus)
def softplus(x: ArrayLike) -> Array:
    """Smooth rectifier: log(1 + e ** x).

    Example:
        >>> softplus([-1.0, 200.0])
        Array([  0.3132617, 200.       ], dtype=float32)
    """


@computed_by(jax.nn.sparse_plus)
def sparse_plus(x: ArrayLike) -> Array:
    """Smooth rectifier that is exact outside of [-1, 1]: 0 below -1, x above 1, (x + 1)^2 / 4 between.

    Example:
        >>> sparse_plus([-2.0, 0.0, 3.0])
        Array([0.  , 0.25, 3.  ], dtype=float32)
    """


@computed_by(nonlinearities.squareplus, "x")
def squareplus(x: ArrayLike, b: float = 4) -> Array:
    """Smooth rectifier without exponentials: (x + sqrt(x^2 + b)) / 2; arXiv:2112.11687.

    Example:
        >>> squareplus([-1.0, 2.0])
        Array([0.618034 , 2.4142137], dtype=float32)
    """


@computed_by(jax.nn.soft_sign)
def softsign(x: ArrayLike) -> Array:
    """Sigmoidal function with slow tails: x / (1 + |x|).

    Example:
        >>> softsign([-1.0, 3.0])
        Array([-0.5 ,  0.75], dtype=float32)
    """


@computed_by(jax.nn.hard_tanh)
def hard_tanh(x: ArrayLike) -> Array:
    """Piecewise linear approximation of the hyperbolic tangent: min(max(x, -1), 1).

    Example:
        >>> hard_tanh([-3.0, 0.5])
        Array([-1. ,  0.5], dtype=float32)
    """


@computed_by(nonlinearities.tanh_shrink)
def tanh_shrink(x: ArrayLike) -> Array:
    """Difference between x and its tanh: x - tanh(x).

    Example:
        >>> tanh_shrink([-1.0, 2.0])
        Array([-0.23840582,  1.0359724 ], dtype=float32)
    """


@operation("x")
def hard_shrink(x: ArrayLike, threshold: float = 0.5) -> Array:
    """Elements of large magnitude alone: x where |x| > threshold, 0 elsewhere.

    Example:
        >>> hard_shrink([-1.0, 0.3])
        Array([-1.,  0.], dtype=float32)
    """
    return jnp.where(jnp.abs(x) > threshold, x, 0.0)


@operation("x")
def soft_shrink(x: ArrayLike, threshold: float = 0.5) -> Array:
    """Shrinkage towards zero by a threshold: sign(x) max(|x| - threshold, 0).

    Example:
        >>> soft_shrink([-1.0, 0.3, 2.0])
        Array([-0.5,  0. ,  1.5], dtype=float32)
    """
    return jnp.where(x > threshold, x - threshold, jnp.where(x < -threshold, x + threshold, 0.0))


@operation("x")
def threshold(x: ArrayLike, threshold: float, default_value: float) -> Array:
    """The elements above a threshold; elsewhere a default value.

    Example:
        >>> threshold([-1.0, 2.0], 0.5, -9.0)
        Array([-9.,  2.], dtype=float32)
    """
    return jnp.where(x > threshold, x, default_value)


@computed_by(jax.nn.glu, "x")
def glu(x: ArrayLike, axis: int = -1) -> Array:
    """Gated linear unit: one half of x times the sigmoid of the other; arXiv:1612.08083.

    Args:
        x: array, of even size along the axis.
        axis: the axis that is halved.

    Example:
        >>> glu([1.0, 2.0, 0.0, 0.0])
        Array([0.5, 1. ], dtype=float32)
    """


@operation("x")
def softmax(x: ArrayLike, axis: Axis = -1) -> Array:
    """Exponentials that sum to one: e ** x / sum(e ** x).

    Args:
        x: array.
        axis: the axis or axes along which they sum to one.

    Example:
        >>> softmax([1.0, 2.0])
        Array([0.26894143, 0.7310586 ], dtype=float32)
    """
    return nonlinearities.softmax(as_float(x), axis=hashable(axis))


@operation("x")
def log_softmax(x: ArrayLike, axis: Axis = -1) -> Array:
    """Logarithm of `softmax`, without underflow: x - logsumexp(x).

    Args:
        x: array.
        axis: the axis or axes of the softmax.

    Example:
        >>> log_softmax([0.0, 200.0])
        Array([-200.,    0.], dtype=float32)
    """
    return nonlinearities.log_softmax(as_float(x), axis=hashable(axis))


@operation("x")
def sparsemax(x: ArrayLike, axis: int = -1) -> Array:
    """The probabilities nearest to x: max(x - tau, 0) with tau such that they sum to one; arXiv:1602.02068.

    Args:
        x: array.
        axis: the axis along which they sum to one.

    Example:
        >>> sparsemax([2.0, 1.5, 0.1])
        Array([0.75, 0.25, 0.  ], dtype=float32)
    """
    return _sparsemax(as_float(x), axis)


@functools.partial(jax.jit, static_argnums=1, inline=True)
def _sparsemax(x: Array, axis: int) -> Array:
    full = jnp.moveaxis(wide(x), axis, -1)
    full = full - jax.lax.stop_gradient(jnp.max(full, -1, keepdims=True))  # 1 added to a large number would be lost
    ordered = jnp.sort(full, descending=True)
    count = 1 + jax.lax.broadcasted_iota(full.dtype, full.shape, full.ndim - 1)
    support = 1 + count * ordered > jnp.cumsum(ordered, -1)  # the elements that stay above zero
    size = jnp.sum(support, -1, keepdims=True, dtype=full.dtype)
    tau = (jnp.sum(ordered, -1, keepdims=True, where=support) - 1) / size
    return jnp.moveaxis(jnp.maximum(full - tau, 0), -1, axis).astype(x.dtype)
