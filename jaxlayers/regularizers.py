"""Regularizers: penalties on weights or activations that are added to the loss.

A regularizer is any callable `array -> scalar`, e.g. a plain function. The classes of this module also have a config,
and compute the penalties of half precision in float32. The result has the dtype of the array.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import registry
from jaxlayers.common.constructors import library_class
from jaxlayers.common.settings import epsilon, to_snake_case
from jaxlayers.core import operation
from jaxlayers.numerics.spatial import one_of
from jaxlayers.numerics.types import wide
from jaxlayers.saving import serialize_keras_object
from jaxlayers.saving.configured import Configured


class Regularizer(Configured):
    """Base class of regularizers.

    Subclasses define `__call__(x)`, and `get_config()` if they are to be saved.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxlayers import regularizers
        >>> class Largest(regularizers.Regularizer):
        ...     def __call__(self, x):
        ...         return jnp.max(jnp.abs(x))
        >>> float(Largest()(jnp.array([1.0, -3.0])))
        3.0
    """

    def __call__(self, x: Any) -> Any:
        """Return the penalty for an array; the base class returns 0."""
        return 0.0

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data."""
        if library_class(type(self)) is Regularizer:
            raise NotImplementedError(f"{type(self).__name__} must define get_config() to be written to a config.")
        return super().get_config()


class L1L2(Regularizer):
    """The sum of an L1 and an L2 penalty: `l1 * sum(|x|) + l2 * sum(x ** 2)`.

    Args:
        l1: the factor of the absolute values, 0 (the default) or more.
        l2: the factor of the squares, 0 (the default) or more.

    Raises:
        ValueError: when a factor is negative or not finite.

    Example:
        >>> from jaxlayers import regularizers
        >>> float(regularizers.L1L2(l1=1.0, l2=0.5)([3.0, -4.0]))
        19.5
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1 = _checked_weight("l1", 0.0 if l1 is None else l1)
        self.l2 = _checked_weight("l2", 0.0 if l2 is None else l2)

    @operation("x")
    def __call__(self, x: Any) -> jax.Array:
        """Return the penalty for an array."""
        full = wide(x)
        total = jnp.zeros((), full.dtype)
        if self.l1:
            total += self.l1 * jnp.sum(jnp.abs(full))
        if self.l2:
            total += self.l2 * jnp.sum(jnp.square(full))
        return _as_dtype_of(x, total)


class L1(Regularizer):
    """The L1 penalty, `l1 * sum(|x|)`, which makes many weights exactly or almost zero.

    Args:
        l1: the factor, 0 or more; 0.01 by default.

    Raises:
        ValueError: when the factor is negative or not finite.

    Example:
        >>> from jaxlayers import regularizers
        >>> float(regularizers.L1(0.5)([3.0, -4.0]))
        3.5
    """

    def __init__(self, l1: float = 0.01):
        self.l1 = _checked_weight("l1", 0.01 if l1 is None else l1)

    @operation("x")
    def __call__(self, x: Any) -> jax.Array:
        """Return the penalty for an array."""
        return _as_dtype_of(x, self.l1 * jnp.sum(jnp.abs(wide(x))))


class L2(Regularizer):
    """The L2 penalty, `l2 * sum(x ** 2)`, which keeps weights small.

    Args:
        l2: the factor, 0 or more; 0.01 by default.

    Raises:
        ValueError: when the factor is negative or not finite.

    Example:
        >>> from jaxlayers import regularizers
        >>> float(regularizers.L2(0.5)([3.0, -4.0]))
        12.5
    """

    def __init__(self, l2: float = 0.01):
        self.l2 = _checked_weight("l2", 0.01 if l2 is None else l2)

    @operation("x")
    def __call__(self, x: Any) -> jax.Array:
        """Return the penalty for an array."""
        return _as_dtype_of(x, self.l2 * jnp.sum(jnp.square(wide(x))))


class OrthogonalRegularizer(Regularizer):
    """A penalty that makes the rows or the columns of a matrix orthogonal.

    It is `factor` times the mean of `|cos(angle)|` over all pairs of rows, or of columns.

    Args:
        factor: the factor, 0 or more; 0.01 by default.
        mode: `"rows"` (the default) or `"columns"`.

    Raises:
        ValueError: when `factor` is negative or not finite, `mode` is unknown, or the array is not a matrix.

    Example:
        >>> from jaxlayers import regularizers
        >>> float(regularizers.OrthogonalRegularizer(2.0)([[1.0, 0.0], [0.0, 3.0]]))
        0.0
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows"):
        self.factor = _checked_weight("factor", factor)
        self.mode = one_of("OrthogonalRegularizer", "mode", mode, ("rows", "columns"))

    @operation("inputs")
    def __call__(self, inputs: Any) -> jax.Array:
        """Return the penalty for a matrix."""
        if inputs.ndim != 2:
            raise ValueError(f"OrthogonalRegularizer expects a matrix (two axes); received shape {inputs.shape}.")
        vectors = wide(inputs if self.mode == "rows" else inputs.T)  # [vectors, size]
        squares = jnp.sum(jnp.square(vectors), axis=1, keepdims=True)
        # The lower bound is inside of the square root, so that the gradient at a vector of zeros is finite.
        vectors = vectors * jax.lax.rsqrt(jnp.maximum(squares, epsilon() ** 2))
        count = vectors.shape[0]
        cosines = jnp.abs(vectors @ vectors.T) * (1 - jnp.eye(count, dtype=vectors.dtype))
        return _as_dtype_of(inputs, self.factor * jnp.sum(cosines) / max(1, count * (count - 1)))


def _as_dtype_of(x: Any, penalty: jax.Array) -> jax.Array:
    return penalty.astype(x.dtype) if jnp.issubdtype(x.dtype, jnp.floating) else penalty


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

_CLASSES: list[type[Regularizer]] = [Regularizer, L1, L2, L1L2, OrthogonalRegularizer]
registry.register(
    "regularizer", {name: cls for cls in _CLASSES for name in (cls.__name__, to_snake_case(cls.__name__))}
)
registry.register("regularizer", {"l1_l2": L1L2})


def get(identifier: Any) -> Callable[..., Any] | None:
    """Return the regularizer that a name, config, class or callable identifies; None for None.

    Raises:
        ValueError: when the name is unknown.
        TypeError: when the identifier is of none of these kinds.

    Example:
        >>> from jaxlayers import regularizers
        >>> regularizers.get("l2").get_config()
        {'l2': 0.01}
    """
    return registry.lookup("regularizer", identifier)


def serialize(regularizer: Any) -> Any:
    """The config of a regularizer, in the form that `deserialize` takes and Keras writes."""
    return serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Callable[..., Any] | None:
    """The regularizer that a config or name describes.

    Args:
        config: what `serialize` returned.
        custom_objects: classes of your own by name, looked up first.

    Raises:
        ValueError: when the name is unknown.
    """
    return registry.lookup("regularizer", config, custom_objects)


registry.serializers["regularizer"] = serialize


def _checked_weight(name: str, value: Any) -> float:
    if not isinstance(value, Real) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be a finite number, 0 or more; received {value!r}.")
    return float(value)
