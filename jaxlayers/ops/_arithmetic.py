"""Element-wise arithmetic: sums, products, powers, divisors.

The arguments `x`, `x1` and `x2` are arrays, or values that can be converted to arrays (see `numerics.types`). Two
arguments are broadcast to one shape. The dtype of the result follows JAX's rules of type promotion: a Python scalar
takes the dtype of the other argument.
"""

import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics import edges
from jaxlayers.numerics.norms import hypotenuse
from jaxlayers.numerics.types import Array, ArrayLike
from jaxlayers.ops._declarations import computed_by

__all__ = [
    "abs", "absolute", "add", "cbrt", "divide", "divide_no_nan", "fabs", "floor_divide", "fmod", "gcd", "hypot",
    "lcm", "ldexp", "mod", "multiply", "negative", "nextafter", "power", "reciprocal", "sqrt", "square", "subtract",
    "true_divide",
]  # fmt: skip


@computed_by(jnp.add)
def add(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Sum: x1 + x2.

    Example:
        >>> add([1.0, 2.0], 0.5)
        Array([1.5, 2.5], dtype=float32)
    """


@computed_by(jnp.subtract)
def subtract(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Difference: x1 - x2.

    Example:
        >>> subtract([3, 2], [1, 4])
        Array([ 2, -2], dtype=int32)
    """


@computed_by(jnp.multiply)
def multiply(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Product, element by element: x1 * x2.

    Example:
        >>> multiply([[1.0], [2.0]], [3.0, 4.0])
        Array([[3., 4.],
               [6., 8.]], dtype=float32)
    """


@computed_by(jnp.divide)
def divide(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Quotient: x1 / x2. The quotient of integers is a float.

    Example:
        >>> divide([1, 3], 2)
        Array([0.5, 1.5], dtype=float32)
    """


@computed_by(jnp.divide)
def true_divide(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Quotient: another name of `divide`.

    Example:
        >>> true_divide([1, 3], 2)
        Array([0.5, 1.5], dtype=float32)
    """


@operation("x1", "x2")
def divide_no_nan(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Quotient x1 / x2, but 0 where x2 is 0. The gradients are finite there too.

    Example:
        >>> divide_no_nan([1.0, 3.0], [0.0, 2.0])
        Array([0. , 1.5], dtype=float32)
    """
    zero = jnp.equal(x2, 0)
    return jnp.where(zero, 0, jnp.divide(x1, jnp.where(zero, 1, x2)))


@computed_by(jnp.floor_divide)
def floor_divide(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Quotient rounded down: floor(x1 / x2).

    Example:
        >>> floor_divide([7, -7], 2)
        Array([ 3, -4], dtype=int32)
    """


@computed_by(jnp.mod)
def mod(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Remainder of `floor_divide`, with the sign of the divisor.

    Example:
        >>> mod([7, -7], 3)
        Array([1, 2], dtype=int32)
    """


@computed_by(jnp.fmod)
def fmod(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Remainder of the division rounded towards zero, with the sign of the dividend.

    Example:
        >>> fmod([7, -7], 3)
        Array([ 1, -1], dtype=int32)
    """


@computed_by(edges.power)
def power(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Power: x1 ** x2.

    Example:
        >>> power([2.0, 3.0], 2)
        Array([4., 9.], dtype=float32)
    """


@computed_by(jnp.square)
def square(x: ArrayLike) -> Array:
    """Square: x * x.

    Example:
        >>> square([2, -3])
        Array([4, 9], dtype=int32)
    """


@computed_by(jnp.sqrt)
def sqrt(x: ArrayLike) -> Array:
    """Square root; nan for negative numbers.

    Example:
        >>> sqrt([4, 9])
        Array([2., 3.], dtype=float32)
    """


@computed_by(jnp.cbrt)
def cbrt(x: ArrayLike) -> Array:
    """Cube root, also of negative numbers.

    Example:
        >>> cbrt([8.0, -1.0])
        Array([ 2., -1.], dtype=float32)
    """


@computed_by(hypotenuse)
def hypot(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Hypotenuse of a right triangle: sqrt(x1^2 + x2^2), without overflow in the squares. Its gradient at 0 is 0.

    Example:
        >>> hypot([3.0], [4.0])
        Array([5.], dtype=float32)
    """


@computed_by(jnp.reciprocal)
def reciprocal(x: ArrayLike) -> Array:
    """Reciprocal: 1 / x.

    Example:
        >>> reciprocal([2.0, -4.0])
        Array([ 0.5 , -0.25], dtype=float32)
    """


@computed_by(jnp.negative)
def negative(x: ArrayLike) -> Array:
    """Negative: -x.

    Example:
        >>> negative([1, -2])
        Array([-1,  2], dtype=int32)
    """


@computed_by(jnp.absolute)
def absolute(x: ArrayLike) -> Array:
    """Absolute value: |x|. For complex numbers, it is the modulus.

    Example:
        >>> absolute([1, -2])
        Array([1, 2], dtype=int32)
    """


@computed_by(jnp.absolute)
def abs(x: ArrayLike) -> Array:
    """Absolute value: another name of `absolute`.

    Example:
        >>> abs([1, -2])
        Array([1, 2], dtype=int32)
    """


@computed_by(jnp.fabs)
def fabs(x: ArrayLike) -> Array:
    """Absolute value of real numbers as a float: |x|.

    Example:
        >>> fabs([1, -2])
        Array([1., 2.], dtype=float32)
    """


@operation("x1", "x2")
def ldexp(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Product with a power of two: x1 * 2 ** x2.

    Args:
        x1: array.
        x2: an array of integers.

    Raises:
        TypeError: when the exponents are not integers.

    Example:
        >>> ldexp([0.75, 5.0], [2, -1])
        Array([3. , 2.5], dtype=float32)
    """
    dtype = jnp.result_type(x2)
    if dtype.kind not in "iu":
        raise TypeError(f"ops.ldexp expects integer exponents x2; received dtype {dtype}. Cast them first.")
    return jnp.ldexp(x1, x2)


@computed_by(jnp.nextafter)
def nextafter(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The next number after x1 in the direction of x2 that the dtype can represent.

    Example:
        >>> float(nextafter(1.0, 2.0)) - 1.0
        1.1920928955078125e-07
    """


@computed_by(jnp.gcd)
def gcd(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Greatest common divisor of integers.

    Example:
        >>> gcd([12, 18], 8)
        Array([4, 2], dtype=int32)
    """


@computed_by(jnp.lcm)
def lcm(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Least common multiple of integers.

    Example:
        >>> lcm([4, 6], 10)
        Array([20, 30], dtype=int32)
    """
