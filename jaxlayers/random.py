"""Random arrays: functions of `jax.random` under Keras's names, with a `seed` that is optional.

The argument `seed` of every function is one of:

- None (the default): the key comes from the `rng` of the surrounding `apply`, or else from the global generator;
- an integer: the values are the same at each call;
- a `SeedGenerator`: the values are new at each call;
- a key of JAX.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import registry
from jaxlayers.common.settings import standardize_dtype
from jaxlayers.core import operation, random as keys
from jaxlayers.core.random import SeedGenerator
from jaxlayers.numerics.types import Array, ArrayLike, DType, Shape

__all__ = [
    "SeedGenerator", "beta", "binomial", "categorical", "dropout", "gamma", "normal", "randint", "shuffle",
    "truncated_normal", "uniform",
]  # fmt: skip

registry.register("random", {"SeedGenerator": SeedGenerator}, module="keras.random")


@operation("mean", "stddev")
def normal(
    shape: Shape, mean: ArrayLike = 0.0, stddev: ArrayLike = 1.0, dtype: DType = None, seed: Any = None
) -> Array:
    """Values from the normal distribution.

    Args:
        shape: the shape of the result.
        mean: the mean, 0 by default; it broadcasts to `shape`.
        stddev: the standard deviation, 1 by default; it broadcasts to `shape`.
        dtype: a float dtype; `floatx()` by default.
        seed: see the module.

    Example:
        >>> normal((2, 3), seed=1).shape
        (2, 3)
    """
    dtype = standardize_dtype(dtype)
    return _scaled(jax.random.normal(keys.draw_key(seed), _sizes(shape), dtype), mean, stddev)


@operation("mean", "stddev")
def truncated_normal(
    shape: Shape, mean: ArrayLike = 0.0, stddev: ArrayLike = 1.0, dtype: DType = None, seed: Any = None
) -> Array:
    """Values from the normal distribution truncated at two standard deviations on either side of the mean.

    Args:
        shape: the shape of the result.
        mean: the mean, 0 by default; it broadcasts to `shape`.
        stddev: the standard deviation before truncation, 1 by default; it broadcasts to `shape`.
        dtype: a float dtype; `floatx()` by default.
        seed: see the module.

    Example:
        >>> float(abs(truncated_normal((100,), seed=1)).max()) <= 2.0
        True
    """
    dtype = standardize_dtype(dtype)
    return _scaled(jax.random.truncated_normal(keys.draw_key(seed), -2.0, 2.0, _sizes(shape), dtype), mean, stddev)


@operation("minval", "maxval")
def uniform(
    shape: Shape, minval: ArrayLike = 0.0, maxval: ArrayLike = 1.0, dtype: DType = None, seed: Any = None
) -> Array:
    """Values from the uniform distribution over [minval, maxval).

    Args:
        shape: the shape of the result.
        minval: the lower bound, included; 0 by default.
        maxval: the upper bound, excluded; 1 by default.
        dtype: a float dtype; `floatx()` by default.
        seed: see the module.

    Raises:
        ValueError: when the dtype is not a float dtype.

    Example:
        >>> uniform((2, 3), seed=1).shape
        (2, 3)
    """
    dtype = standardize_dtype(dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"random.uniform expects a float dtype; received {dtype}. Use random.randint for integers.")
    return jax.random.uniform(keys.draw_key(seed), _sizes(shape), dtype, minval, maxval)


@operation("minval", "maxval")
def randint(shape: Shape, minval: ArrayLike, maxval: ArrayLike, dtype: DType = "int32", seed: Any = None) -> Array:
    """Integers from the uniform distribution over minval, ..., maxval - 1.

    Args:
        shape: the shape of the result.
        minval: the lower bound, included.
        maxval: the upper bound, excluded.
        dtype: an integer dtype; `"int32"` by default.
        seed: see the module.

    Raises:
        ValueError: when the dtype is not an integer dtype.

    Example:
        >>> randint((2, 3), 0, 10, seed=1).dtype
        dtype('int32')
    """
    dtype = standardize_dtype(dtype or "int32")
    if not jnp.issubdtype(dtype, jnp.integer):
        raise ValueError(f"random.randint expects an integer dtype; received {dtype}. Use random.uniform for floats.")
    return jax.random.randint(keys.draw_key(seed), _sizes(shape), minval, maxval, dtype)


@operation("logits")
def categorical(logits: ArrayLike, num_samples: int, dtype: DType = "int32", seed: Any = None) -> Array:
    """Random classes with the probabilities softmax(logits).

    Args:
        logits: logits, [batch, classes].
        num_samples: the number of classes to draw for each row.
        dtype: an integer dtype; `"int32"` by default.
        seed: see the module.

    Returns:
        Indices of classes, [batch, num_samples].

    Raises:
        ValueError: when the logits do not have two axes.

    Example:
        >>> categorical([[0.0, 100.0]], 3, seed=1)
        Array([[1, 1, 1]], dtype=int32)
    """
    if logits.ndim != 2:
        raise ValueError(f"random.categorical expects logits of shape [batch, classes]; received {logits.shape}.")
    shape = (logits.shape[0], num_samples)
    return jax.random.categorical(keys.draw_key(seed), logits[:, None, :], shape=shape).astype(standardize_dtype(dtype))


@operation("alpha")
def gamma(shape: Shape, alpha: ArrayLike, dtype: DType = None, seed: Any = None) -> Array:
    """Values from the gamma distribution with the density x^(alpha - 1) e^-x / Gamma(alpha).

    Args:
        shape: the shape of the result.
        alpha: the parameter, positive; it broadcasts to `shape`.
        dtype: a float dtype; `floatx()` by default.
        seed: see the module.

    Example:
        >>> gamma((2, 3), 2.0, seed=1).shape
        (2, 3)
    """
    return jax.random.gamma(keys.draw_key(seed), alpha, _sizes(shape), standardize_dtype(dtype))


@operation("alpha", "beta")
def beta(shape: Shape, alpha: ArrayLike, beta: ArrayLike, dtype: DType = None, seed: Any = None) -> Array:
    """Values from the beta distribution, whose density is proportional to x^(alpha - 1) (1 - x)^(beta - 1).

    Args:
        shape: the shape of the result.
        alpha: the first parameter, positive; it broadcasts to `shape`.
        beta: the second parameter, positive; it broadcasts to `shape`.
        dtype: a float dtype; `floatx()` by default.
        seed: see the module.

    Example:
        >>> beta((2, 3), 2.0, 5.0, seed=1).shape
        (2, 3)
    """
    return jax.random.beta(keys.draw_key(seed), alpha, beta, _sizes(shape), standardize_dtype(dtype))


@operation("counts", "probabilities")
def binomial(shape: Shape, counts: ArrayLike, probabilities: ArrayLike, dtype: DType = None, seed: Any = None) -> Array:
    """Values from the binomial distribution: the number of successes in independent trials.

    Args:
        shape: the shape of the result.
        counts: the number of trials; it broadcasts to `shape`.
        probabilities: the probability of success in each trial, from 0 to 1; it broadcasts to `shape`.
        dtype: a float dtype; `floatx()` by default.
        seed: see the module.

    Example:
        >>> binomial((3,), 4.0, 1.0, seed=1)
        Array([4., 4., 4.], dtype=float32)
    """
    dtype = standardize_dtype(dtype)
    return jax.random.binomial(keys.draw_key(seed), counts, probabilities, _sizes(shape), dtype)


@operation("inputs")
def dropout(inputs: ArrayLike, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Any = None) -> Array:
    """Dropout: set random elements to zero and scale the others, so that the mean stays: inputs mask / (1 - rate).

    Args:
        inputs: array.
        rate: the probability that an element becomes zero, from 0 to 1.
        noise_shape: the shape of the mask, which broadcasts to the shape of the inputs. None for an axis is the size of
            the inputs along that axis; None (the default) is the shape of the inputs.
        seed: see the module.

    Source: Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html

    Example:
        >>> dropout([1.0, 1.0, 1.0, 1.0], 0.5, seed=1)
        Array([2., 0., 2., 2.], dtype=float32)
    """
    if rate == 0:
        return inputs
    if rate == 1:
        return jnp.zeros_like(inputs)
    sizes = inputs.shape if noise_shape is None else noise_shape
    shape = [own if size is None else size for own, size in zip(inputs.shape, sizes, strict=True)]
    mask = jax.random.bernoulli(keys.draw_key(seed), 1 - rate, shape)
    return jnp.where(mask, inputs / (1 - rate), 0)


@operation("x")
def shuffle(x: ArrayLike, axis: int = 0, seed: Any = None) -> Array:
    """Put the slices along an axis into a random order.

    Args:
        x: array.
        axis: the axis along which the slices are moved; 0 by default.
        seed: see the module.

    Example:
        >>> shuffle([1, 2, 3, 4], seed=1)
        Array([4, 3, 1, 2], dtype=int32)
    """
    return jax.random.permutation(keys.draw_key(seed), x, axis)


@jax.jit  # one dispatch in an eager call
def _scaled(sample: Array, mean: ArrayLike, stddev: ArrayLike) -> Array:
    return sample * jnp.asarray(stddev, sample.dtype) + jnp.asarray(mean, sample.dtype)


def _sizes(shape: Shape) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)
