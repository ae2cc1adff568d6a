"""Random arrays: `jax.random` with Keras's names, and a `seed` that may be left out.

A seed is an integer, for the same numbers every time; a `SeedGenerator`, for new ones at each call; a key of JAX's;
or None, for the global generator, or the `rng` of the `apply` around it.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import registry
from jaxlayers.common.settings import standardize_dtype
from jaxlayers.core import operation
from jaxlayers.core import random as keys
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
    """Normal numbers.

    Args:
        shape: of the result.
        mean: of the distribution.
        stddev: its standard deviation.
        dtype: a float dtype; `floatx()` by default.
        seed: see the module.

    Example:
        >>> normal((2, 3), seed=1).shape
        (2, 3)
    """
    kind = standardize_dtype(dtype)
    return _scaled(jax.random.normal(keys.draw_key(seed), _sizes(shape), kind), mean, stddev)


@operation("mean", "stddev")
def truncated_normal(
    shape: Shape, mean: ArrayLike = 0.0, stddev: ArrayLike = 1.0, dtype: DType = None, seed: Any = None
) -> Array:
    """Normal numbers, of which those beyond two standard deviations are drawn again.

    Args:
        shape: of the result.
        mean: of the distribution.
        stddev: its standard deviation before it is cut.
        dtype: a float dtype; `floatx()` by default.
        seed: see the module.

    Example:
        >>> float(abs(truncated_normal((100,), seed=1)).max()) <= 2.0
        True
    """
    kind = standardize_dtype(dtype)
    return _scaled(jax.random.truncated_normal(keys.draw_key(seed), -2.0, 2.0, _sizes(shape), kind), mean, stddev)


@operation("minval", "maxval")
def uniform(
    shape: Shape, minval: ArrayLike = 0.0, maxval: ArrayLike = 1.0, dtype: DType = None, seed: Any = None
) -> Array:
    """Numbers spread evenly over [minval, maxval).

    Args:
        shape: of the result.
        minval: the smallest.
        maxval: the end, which does not belong to them.
        dtype: a float dtype; `floatx()` by default.
        seed: see the module.

    Raises:
        ValueError: for a dtype that is not a float one.

    Example:
        >>> uniform((2, 3), seed=1).shape
        (2, 3)
    """
    kind = standardize_dtype(dtype)
    if not jnp.issubdtype(kind, jnp.floating):
        raise ValueError(f"random.uniform expects a float dtype; received {kind}. Use random.randint for integers.")
    return jax.random.uniform(keys.draw_key(seed), _sizes(shape), kind, minval, maxval)


@operation("minval", "maxval")
def randint(shape: Shape, minval: ArrayLike, maxval: ArrayLike, dtype: DType = "int32", seed: Any = None) -> Array:
    """Integers spread evenly over [minval, maxval).

    Args:
        shape: of the result.
        minval: the smallest.
        maxval: the end, which does not belong to them.
        dtype: an integer dtype.
        seed: see the module.

    Raises:
        ValueError: for a dtype that is not an integer one.

    Example:
        >>> randint((2, 3), 0, 10, seed=1).dtype
        dtype('int32')
    """
    kind = standardize_dtype(dtype or "int32")
    if not jnp.issubdtype(kind, jnp.integer):
        raise ValueError(f"random.randint expects an integer dtype; received {kind}. Use random.uniform for floats.")
    return jax.random.randint(keys.draw_key(seed), _sizes(shape), minval, maxval, kind)


@operation("logits")
def categorical(logits: ArrayLike, num_samples: int, dtype: DType = "int32", seed: Any = None) -> Array:
    """Classes, each with the probability softmax(logits).

    Args:
        logits: [batch, classes].
        num_samples: how many draws for each row.
        dtype: an integer dtype.
        seed: see the module.

    Returns:
        [batch, num_samples].

    Raises:
        ValueError: when the logits have not two axes.

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
    """Numbers of the gamma distribution, with density x^(alpha - 1) e ** -x / Gamma(alpha).

    Args:
        shape: of the result.
        alpha: the shape of the distribution, positive; broadcasts to `shape`.
        dtype: a float dtype; `floatx()` by default.
        seed: see the module.

    Example:
        >>> gamma((2, 3), 2.0, seed=1).shape
        (2, 3)
    """
    return jax.random.gamma(keys.draw_key(seed), alpha, _sizes(shape), standardize_dtype(dtype))


@operation("alpha", "beta")
def beta(shape: Shape, alpha: ArrayLike, beta: ArrayLike, dtype: DType = None, seed: Any = None) -> Array:
    """Numbers of the beta distribution, with density proportional to x^(alpha - 1) (1 - x)^(beta - 1).

    Args:
        shape: of the result.
        alpha: first parameter, positive; broadcasts to `shape`.
        beta: second parameter, positive; broadcasts to `shape`.
        dtype: a float dtype; `floatx()` by default.
        seed: see the module.

    Example:
        >>> beta((2, 3), 2.0, 5.0, seed=1).shape
        (2, 3)
    """
    return jax.random.beta(keys.draw_key(seed), alpha, beta, _sizes(shape), standardize_dtype(dtype))


@operation("counts", "probabilities")
def binomial(shape: Shape, counts: ArrayLike, probabilities: ArrayLike, dtype: DType = None, seed: Any = None) -> Array:
    """How many of several trials succeed.

    Args:
        shape: of the result.
        counts: how many trials; broadcasts to `shape`.
        probabilities: of success in each; broadcasts to `shape`.
        dtype: a float dtype; `floatx()` by default.
        seed: see the module.

    Example:
        >>> binomial((3,), 4.0, 1.0, seed=1)
        Array([4., 4., 4.], dtype=float32)
    """
    kind = standardize_dtype(dtype)
    return jax.random.binomial(keys.draw_key(seed), counts, probabilities, _sizes(shape), kind)


@operation("inputs")
def dropout(inputs: ArrayLike, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Any = None) -> Array:
    """Some elements set to zero, the others scaled up so that the mean stays: inputs mask / (1 - rate).

    Args:
        inputs: array.
        rate: the share set to zero, from 0 to 1.
        noise_shape: shape of the mask, which broadcasts to the inputs; None in it stands for the inputs' own size.
        seed: see the module.

    Example:
        >>> dropout([1.0, 1.0, 1.0, 1.0], 0.5, seed=1)
        Array([2., 0., 2., 2.], dtype=float32)
    """
    if rate == 0:
        return inputs
    if rate == 1:
        return jnp.zeros_like(inputs)
    shape = (
        inputs.shape
        if noise_shape is None
        else tuple(own if size is None else size for own, size in zip(inputs.shape, noise_shape, strict=True))
    )
    kept = jax.random.bernoulli(keys.draw_key(seed), 1 - rate, shape)
    return jnp.where(kept, inputs / (1 - rate), 0)


@operation("x")
def shuffle(x: ArrayLike, axis: int = 0, seed: Any = None) -> Array:
    """The slices along an axis in a random order; each slice stays whole.

    Args:
        x: array.
        axis: along which axis.
        seed: see the module.

    Example:
        >>> shuffle([1, 2, 3, 4], seed=1)
        Array([4, 3, 1, 2], dtype=int32)
    """
    return jax.random.permutation(keys.draw_key(seed), x, axis)


def _scaled(sample: Array, mean: ArrayLike, stddev: ArrayLike) -> Array:
    return sample * jnp.asarray(stddev, sample.dtype) + jnp.asarray(mean, sample.dtype)


def _sizes(shape: Shape) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)
