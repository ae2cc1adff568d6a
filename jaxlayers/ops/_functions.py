"""Element-wise functions: exponentials, logarithms, trigonometric and special functions, parts of complex numbers.

The arguments `x`, `x1` and `x2` are arrays, or values that can be converted to arrays (see `numerics.types`). All
functions but `real`, `imag` and `conjugate` convert integers and bools to floats. As in NumPy, a function is nan
outside of its domain and infinite at a pole.
"""

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics import edges
from jaxlayers.numerics.types import Array, ArrayLike
from jaxlayers.ops._declarations import computed_by, widened

__all__ = [
    "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "conj", "conjugate", "cos",
    "cosh", "deg2rad", "exp", "exp2", "expm1", "i0", "imag", "log", "log1p", "log2", "log10", "logaddexp",
    "logaddexp2", "rad2deg", "real", "sin", "sinc", "sinh", "tan", "tanh",
]  # fmt: skip


@computed_by(jnp.exp)
def exp(x: ArrayLike) -> Array:
    """Exponential: e ** x.

    Example:
        >>> exp([0, 1])
        Array([1.       , 2.7182817], dtype=float32)
    """


@computed_by(widened(jnp.exp2))
def exp2(x: ArrayLike) -> Array:
    """Power of two: 2 ** x.

    Example:
        >>> exp2([0, 3])
        Array([1., 8.], dtype=float32)
    """


@computed_by(jnp.expm1)
def expm1(x: ArrayLike) -> Array:
    """Exponential minus one: e ** x - 1, also precise near zero.

    Example:
        >>> expm1([0.0, 1e-8])
        Array([0.e+00, 1.e-08], dtype=float32)
    """


@computed_by(jnp.log)
def log(x: ArrayLike) -> Array:
    """Natural logarithm.

    Example:
        >>> log([1.0, 10.0])
        Array([0.       , 2.3025851], dtype=float32)
    """


@computed_by(jnp.log2)
def log2(x: ArrayLike) -> Array:
    """Logarithm to the base 2.

    Example:
        >>> log2([1.0, 8.0])
        Array([0., 3.], dtype=float32)
    """


@computed_by(jnp.log10)
def log10(x: ArrayLike) -> Array:
    """Logarithm to the base 10.

    Example:
        >>> log10([1.0, 100.0])
        Array([0., 2.], dtype=float32)
    """


@computed_by(jnp.log1p)
def log1p(x: ArrayLike) -> Array:
    """Logarithm of one plus x: log(1 + x), also precise near zero.

    Example:
        >>> log1p([0.0, 1e-8])
        Array([0.e+00, 1.e-08], dtype=float32)
    """


@computed_by(edges.logaddexp)
def logaddexp(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Logarithm of a sum of exponentials: log(e ** x1 + e ** x2), without overflow.

    Example:
        >>> logaddexp([0.0, 1000.0], [0.0, 1000.0])
        Array([6.9314718e-01, 1.0006932e+03], dtype=float32)
    """


@computed_by(edges.logaddexp2)
def logaddexp2(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Logarithm to the base 2 of a sum of powers of two: log2(2 ** x1 + 2 ** x2), without overflow.

    Example:
        >>> logaddexp2([0.0], [0.0])
        Array([1.], dtype=float32)
    """


@computed_by(jnp.sin)
def sin(x: ArrayLike) -> Array:
    """Sine of an angle in radians.

    Example:
        >>> sin([0.0, 1.0])
        Array([0.        , 0.84147096], dtype=float32)
    """


@computed_by(jnp.cos)
def cos(x: ArrayLike) -> Array:
    """Cosine of an angle in radians.

    Example:
        >>> cos([0.0, 1.0])
        Array([1.       , 0.5403023], dtype=float32)
    """


@computed_by(jnp.tan)
def tan(x: ArrayLike) -> Array:
    """Tangent of an angle in radians: sin(x) / cos(x).

    Example:
        >>> tan([0.0, 1.0])
        Array([0.       , 1.5574077], dtype=float32)
    """


@computed_by(jnp.arcsin)
def arcsin(x: ArrayLike) -> Array:
    """Inverse sine: the angle in [-pi/2, pi/2] whose sine is x.

    Example:
        >>> arcsin([0.0, 1.0])
        Array([0.       , 1.5707964], dtype=float32)
    """


@computed_by(jnp.arccos)
def arccos(x: ArrayLike) -> Array:
    """Inverse cosine: the angle in [0, pi] whose cosine is x.

    Example:
        >>> arccos([0.0, 1.0])
        Array([1.5707964, 0.       ], dtype=float32)
    """


@computed_by(jnp.arctan)
def arctan(x: ArrayLike) -> Array:
    """Inverse tangent: the angle in (-pi/2, pi/2) whose tangent is x.

    Example:
        >>> arctan([0.0, 1.0]).round(4)
        Array([0.    , 0.7854], dtype=float32)
    """


@computed_by(edges.angle_of_point)
def arctan2(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Angle in [-pi, pi] between the positive horizontal axis and the point with the coordinates (x2, x1).

    Example:
        >>> arctan2([1.0, -1.0], [-1.0, 1.0])
        Array([ 2.3561945, -0.7853982], dtype=float32)
    """


@computed_by(jnp.sinh)
def sinh(x: ArrayLike) -> Array:
    """Hyperbolic sine: (e ** x - e ** -x) / 2.

    Example:
        >>> sinh([0.0, 1.0])
        Array([0.       , 1.1752012], dtype=float32)
    """


@computed_by(jnp.cosh)
def cosh(x: ArrayLike) -> Array:
    """Hyperbolic cosine: (e ** x + e ** -x) / 2.

    Example:
        >>> cosh([0.0, 1.0])
        Array([1.       , 1.5430806], dtype=float32)
    """


@computed_by(jnp.tanh)
def tanh(x: ArrayLike) -> Array:
    """Hyperbolic tangent: sinh(x) / cosh(x).

    Example:
        >>> tanh([0.0, 1.0])
        Array([0.       , 0.7615942], dtype=float32)
    """


@computed_by(jnp.arcsinh)
def arcsinh(x: ArrayLike) -> Array:
    """Inverse of `sinh`: log(x + sqrt(x^2 + 1)).

    Example:
        >>> arcsinh([0.0, 1.0])
        Array([0.        , 0.88137364], dtype=float32)
    """


@computed_by(jnp.arccosh)
def arccosh(x: ArrayLike) -> Array:
    """Inverse of `cosh`, for x >= 1: log(x + sqrt(x^2 - 1)).

    Example:
        >>> arccosh([1.0, 2.0])
        Array([0.      , 1.316958], dtype=float32)
    """


@computed_by(jnp.arctanh)
def arctanh(x: ArrayLike) -> Array:
    """Inverse of `tanh`, for |x| < 1: log((1 + x) / (1 - x)) / 2.

    Example:
        >>> arctanh([0.0, 0.5])
        Array([0.        , 0.54930615], dtype=float32)
    """


@computed_by(widened(jnp.sinc))
def sinc(x: ArrayLike) -> Array:
    """Cardinal sine: sin(pi x) / (pi x), and 1 at zero.

    Example:
        >>> sinc([0.0, 0.5])
        Array([1.        , 0.63661975], dtype=float32)
    """


@computed_by(jnp.deg2rad)
def deg2rad(x: ArrayLike) -> Array:
    """Convert degrees to radians: x * pi / 180.

    Example:
        >>> deg2rad([0.0, 180.0])
        Array([0.       , 3.1415927], dtype=float32)
    """


@computed_by(jnp.rad2deg)
def rad2deg(x: ArrayLike) -> Array:
    """Convert radians to degrees: x * 180 / pi.

    Example:
        >>> rad2deg([0.0, 3.1415927])
        Array([  0., 180.], dtype=float32)
    """


@computed_by(widened(jnp.i0))
def i0(x: ArrayLike) -> Array:
    """Modified Bessel function of the first kind, order 0.

    Example:
        >>> i0([0.0, 1.0])
        Array([1.0000001, 1.266066 ], dtype=float32)
    """


@computed_by(jnp.real)
def real(x: ArrayLike) -> Array:
    """Real part of complex numbers; x itself for real numbers.

    Example:
        >>> real([1 + 2j])
        Array([1.], dtype=float32)
    """


@computed_by(jnp.imag)
def imag(x: ArrayLike) -> Array:
    """Imaginary part of complex numbers; zeros for real numbers.

    Example:
        >>> imag([1 + 2j])
        Array([2.], dtype=float32)
    """


@computed_by(jnp.conjugate)
def conjugate(x: ArrayLike) -> Array:
    """Complex conjugate: real(x) - i imag(x).

    Example:
        >>> conjugate([1 + 2j])
        Array([1.-2.j], dtype=complex64)
    """


@computed_by(jnp.conjugate)
def conj(x: ArrayLike) -> Array:
    """Complex conjugate: another name of `conjugate`.

    Example:
        >>> conj([1 + 2j])
        Array([1.-2.j], dtype=complex64)
    """


@operation("x")
def angle(x: ArrayLike) -> Array:
    """Angle of complex numbers in radians: arctan2(imag(x), real(x)).

    Example:
        >>> angle([1 + 1j, -1])
        Array([0.7853982, 3.1415927], dtype=float32)
    """
    return edges.angle_of_number(x)
