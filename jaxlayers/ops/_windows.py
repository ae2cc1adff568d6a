"""Window functions: the factors of the points of a signal before a Fourier transform.

The argument `x` is the number of points, and n = 0, ..., x - 1 is the index of a point in the formulas. All windows are
symmetric and in `floatx()`.
"""

import jax.numpy as jnp

from jaxlayers.common.settings import floatx
from jaxlayers.core import operation
from jaxlayers.numerics.types import Array, ArrayLike

__all__ = ["bartlett", "blackman", "hamming", "hanning", "kaiser"]


def bartlett(x: int) -> Array:
    """Bartlett window of x points: 1 - |2 n / (x - 1) - 1|.

    Example:
        >>> bartlett(5)
        Array([0. , 0.5, 1. , 0.5, 0. ], dtype=float32)
    """
    return jnp.bartlett(int(x)).astype(floatx())


def blackman(x: int) -> Array:
    """Blackman window of x points: 0.42 - 0.5 cos(2 pi n / (x - 1)) + 0.08 cos(4 pi n / (x - 1)).

    Example:
        >>> blackman(3)[1]
        Array(0.99999994, dtype=float32)
    """
    return jnp.blackman(int(x)).astype(floatx())


def hamming(x: int) -> Array:
    """Hamming window of x points: 0.54 - 0.46 cos(2 pi n / (x - 1)).

    Example:
        >>> hamming(3)
        Array([0.08000001, 1.        , 0.08000001], dtype=float32)
    """
    return jnp.hamming(int(x)).astype(floatx())


def hanning(x: int) -> Array:
    """Hann window of x points: 0.5 - 0.5 cos(2 pi n / (x - 1)).

    Example:
        >>> hanning(3)
        Array([0., 1., 0.], dtype=float32)
    """
    return jnp.hanning(int(x)).astype(floatx())


@operation("beta")
def kaiser(x: int, beta: ArrayLike) -> Array:
    """Kaiser window of x points: i0(beta sqrt(1 - (2 n / (x - 1) - 1)^2)) / i0(beta).

    Args:
        x: the number of points.
        beta: the shape parameter; 0 for a rectangular window.

    Example:
        >>> kaiser(3, 0.0)
        Array([1., 1., 1.], dtype=float32)
    """
    return jnp.kaiser(int(x), beta).astype(floatx())
