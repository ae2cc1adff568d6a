"""Initializers with a distribution that does not depend on the shape, and random orthogonal matrices."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import random as keys
from jaxlayers.initializers import _draws
from jaxlayers.initializers._base import RandomInitializer


class RandomNormal(RandomInitializer):
    """Values from the normal distribution: `mean + stddev * z`, with standard normal z.

    Args:
        mean: the mean; 0 by default.
        stddev: the standard deviation; 0.05 by default.
        seed: None, an integer or a `SeedGenerator`; see `RandomInitializer`.

    Example:
        >>> from jaxlayers import initializers
        >>> values = initializers.RandomNormal(stddev=0.1, seed=3)((2, 4))
        >>> values.shape, values.dtype.name
        ((2, 4), 'float32')
    """

    def __init__(self, mean: Any = 0.0, stddev: Any = 0.05, seed: int | keys.SeedGenerator | None = None):
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: str) -> jax.Array:
        """Return the values `mean + stddev * z`, with z from the standard normal distribution."""
        return _draws.normal(key, self.mean, self.stddev, shape=shape, dtype=dtype)


class TruncatedNormal(RandomNormal):
    """Values from the normal distribution truncated at two `stddev` on either side of the mean.

    The truncation makes the standard deviation of the values smaller: `0.8796 * stddev`.

    Args:
        mean: the mean; 0 by default.
        stddev: the standard deviation before truncation; 0.05 by default.
        seed: None, an integer or a `SeedGenerator`; see `RandomInitializer`.

    Example:
        >>> from jaxlayers import initializers
        >>> values = initializers.TruncatedNormal(stddev=1.0, seed=3)((1000,))
        >>> bool(abs(values).max() < 2)
        True
    """

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: str) -> jax.Array:
        """Return the values `mean + stddev * z`, with z from the standard normal distribution between -2 and 2."""
        return _draws.truncated_normal(key, self.mean, self.stddev, shape=shape, dtype=dtype)


class RandomUniform(RandomInitializer):
    """Values from the uniform distribution over `[minval, maxval)`.

    Args:
        minval: the lower bound, included; -0.05 by default.
        maxval: the upper bound, excluded; 0.05 by default.
        seed: None, an integer or a `SeedGenerator`; see `RandomInitializer`.

    Example:
        >>> from jaxlayers import initializers
        >>> values = initializers.RandomUniform(-1.0, 1.0, seed=3)((1000,))
        >>> bool((values >= -1).all() and (values < 1).all())
        True
    """

    def __init__(self, minval: Any = -0.05, maxval: Any = 0.05, seed: int | keys.SeedGenerator | None = None):
        super().__init__(seed)
        self.minval, self.maxval = minval, maxval

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: str) -> jax.Array:
        """Return values in `[minval, maxval)`."""
        return _draws.uniform(key, self.minval, self.maxval, shape=shape, dtype=dtype)


class Orthogonal(RandomInitializer):
    """A random matrix with orthonormal columns (orthonormal rows if it has more columns than rows), times `gain`.

    An array of more than two axes is a reshaped matrix: the last axis is its columns, all other axes are its rows. All
    orthogonal matrices are equally likely: the result is Q of the QR decomposition of a matrix of standard normal
    values, with each column multiplied by the sign of R's diagonal entry.

    Args:
        gain: the factor; 1 by default.
        seed: None, an integer or a `SeedGenerator`; see `RandomInitializer`.

    Raises:
        ValueError: when it is called with a shape of fewer than two axes.

    Source: Saxe, McClelland and Ganguli, 2013, https://arxiv.org/abs/1312.6120

    Example:
        >>> import numpy as np
        >>> from jaxlayers import initializers
        >>> q = initializers.Orthogonal(seed=0)((5, 3))
        >>> bool(np.allclose(q.T @ q, np.eye(3), atol=1e-5))
        True
    """

    def __init__(self, gain: float = 1.0, seed: int | keys.SeedGenerator | None = None):
        super().__init__(seed)
        self.gain = gain

    def checked_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape, or raise a ValueError if it has fewer than two axes."""
        if len(shape) < 2:
            raise ValueError(f"Orthogonal expects a shape of at least two axes; received shape {shape}.")
        return shape

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: str) -> jax.Array:
        """Return an orthogonal matrix times `gain`, reshaped to `shape`."""
        return _orthogonal(key, self.gain, shape=shape, dtype=dtype)


@functools.partial(jax.jit, static_argnames=("shape", "dtype"))
def _orthogonal(key: jax.Array, gain: Any, shape: tuple[int, ...], dtype: str) -> jax.Array:
    rows, columns = math.prod(shape[:-1]), shape[-1]
    wide = "float64" if dtype == "float64" else "float32"  # LAPACK has no QR decomposition in half precision
    q, r = jnp.linalg.qr(_draws.normal(key, 0.0, 1.0, shape=(max(rows, columns), min(rows, columns)), dtype=wide))
    q = jnp.where(jnp.diagonal(r) < 0, -q, q)
    return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(dtype)


random_normal = RandomNormal
truncated_normal = TruncatedNormal
random_uniform = RandomUniform
orthogonal = OrthogonalInitializer = Orthogonal
