"""Initializers that draw from one distribution, whatever the shape, and random orthogonal matrices."""

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
    """Normally distributed values.

    Args:
        mean: their mean.
        stddev: their standard deviation.
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
        """`mean + stddev * z`, with z from the standard normal distribution."""
        return _draws.normal(key, self.mean, self.stddev, shape=shape, dtype=dtype)


class TruncatedNormal(RandomInitializer):
    """Normally distributed values, none further than two `stddev` from the mean.

    The standard deviation of what comes out is 0.8796 of `stddev`, since the tails are missing.

    Args:
        mean: their mean.
        stddev: the standard deviation before the tails are cut off.
        seed: None, an integer or a `SeedGenerator`; see `RandomInitializer`.

    Example:
        >>> from jaxlayers import initializers
        >>> values = initializers.TruncatedNormal(stddev=1.0, seed=3)((1000,))
        >>> bool(abs(values).max() < 2)
        True
    """

    def __init__(self, mean: Any = 0.0, stddev: Any = 0.05, seed: int | keys.SeedGenerator | None = None):
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: str) -> jax.Array:
        """`mean + stddev * z`, with z from the standard normal distribution between -2 and 2."""
        return _draws.truncated_normal(key, self.mean, self.stddev, shape=shape, dtype=dtype)


class RandomUniform(RandomInitializer):
    """Evenly distributed values.

    Args:
        minval: the smallest value, included.
        maxval: the largest value, excluded.
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
        """Values in `[minval, maxval)`."""
        return _draws.uniform(key, self.minval, self.maxval, shape=shape, dtype=dtype)


class Orthogonal(RandomInitializer):
    """A random matrix with orthonormal columns, or rows when it is wider than high; times `gain`.

    More than two axes are taken as a matrix: the last one is its columns, all others together its rows. Every
    orthogonal matrix is as likely as any other: Q of the QR decomposition of a normally distributed matrix, each
    column with the sign of R's diagonal entry.

    Args:
        gain: what to multiply the matrix with.
        seed: None, an integer or a `SeedGenerator`; see `RandomInitializer`.

    Raises:
        ValueError: when called with a shape of less than two axes.

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
        """The shape, when it has two axes or more."""
        if len(shape) < 2:
            raise ValueError(f"Orthogonal makes arrays of at least two axes; received shape {shape}.")
        return shape

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: str) -> jax.Array:
        """The matrix, in the shape asked for."""
        return _orthogonal(key, self.gain, shape=shape, dtype=dtype)


@functools.partial(jax.jit, static_argnames=("shape", "dtype"))
def _orthogonal(key: jax.Array, gain: Any, shape: tuple[int, ...], dtype: str) -> jax.Array:
    rows, columns = math.prod(shape[:-1]), shape[-1]
    wide = "float64" if dtype == "float64" else "float32"  # LAPACK has no QR of half-size floats
    q, r = jnp.linalg.qr(_draws.normal(key, 0.0, 1.0, shape=(max(rows, columns), min(rows, columns)), dtype=wide))
    q = jnp.where(jnp.diagonal(r) < 0, -q, q)
    return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(dtype)


random_normal = RandomNormal
truncated_normal = TruncatedNormal
random_uniform = RandomUniform
orthogonal = OrthogonalInitializer = Orthogonal
