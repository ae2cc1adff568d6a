"""Constraints: what an optimizer does to a weight after each update, so that it keeps a property.

A constraint is any callable `array -> array`; a plain function serves. The classes here have a config besides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp

from jaxlayers.common import registry
from jaxlayers.common.constructors import constructor_config
from jaxlayers.common.settings import epsilon, to_snake_case
from jaxlayers.core import operation
from jaxlayers.saving import serialize_keras_object


class Constraint:
    """Base class of constraints.

    Subclasses define `__call__(w)`, and `get_config()` when they take arguments.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxlayers import constraints
        >>> class Clipped(constraints.Constraint):
        ...     def __call__(self, w):
        ...         return jnp.clip(w, -1, 1)
        >>> Clipped()(jnp.array([0.5, -3.0]))
        Array([ 0.5, -1. ], dtype=float32)
    """

    def __call__(self, w: Any) -> Any:
        """What a weight becomes: itself, here."""
        return w

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return constructor_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The constraint that `get_config()` describes."""
        return cls(**config)


class MaxNorm(Constraint):
    """Scales vectors down whose norm is above `max_value`.

    Args:
        max_value: the largest L2 norm.
        axis: the axes along which a vector lies: 0 for the inputs of each unit of a Dense kernel `[inputs, units]`,
            `(0, 1, 2)` for each filter of a convolution's kernel `[height, width, inputs, filters]`.

    Example:
        >>> from jaxlayers import constraints
        >>> constraints.MaxNorm(1.0)([[3.0, 0.3], [4.0, 0.4]]).round(3)
        Array([[0.6, 0.3],
               [0.8, 0.4]], dtype=float32)
    """

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0):
        self.max_value, self.axis = max_value, axis

    @operation("w")
    def __call__(self, w: Any) -> jax.Array:
        """What a weight becomes."""
        norms = _norms(w, self.axis)
        return w * (jnp.clip(norms, 0, self.max_value) / (epsilon() + norms))


class NonNeg(Constraint):
    """Sets negative values to zero.

    Example:
        >>> from jaxlayers import constraints
        >>> constraints.NonNeg()([-1.0, 2.0])
        Array([0., 2.], dtype=float32)
    """

    @operation("w")
    def __call__(self, w: Any) -> jax.Array:
        """What a weight becomes."""
        return jnp.maximum(w, 0)


class UnitNorm(Constraint):
    """Scales vectors to norm 1.

    Args:
        axis: the axes along which a vector lies; see `MaxNorm`.

    Example:
        >>> from jaxlayers import constraints
        >>> constraints.UnitNorm()([3.0, 4.0]).round(3)
        Array([0.6, 0.8], dtype=float32)
    """

    def __init__(self, axis: int | Sequence[int] = 0):
        self.axis = axis

    @operation("w")
    def __call__(self, w: Any) -> jax.Array:
        """What a weight becomes."""
        return w / (epsilon() + _norms(w, self.axis))


class MinMaxNorm(Constraint):
    """Scales vectors towards a norm between `min_value` and `max_value`.

    The norm becomes `rate * clip(norm, min_value, max_value) + (1 - rate) * norm`.

    Args:
        min_value: the smallest L2 norm.
        max_value: the largest L2 norm.
        rate: how much of the way each update goes: 1 for all of it.
        axis: the axes along which a vector lies; see `MaxNorm`.

    Example:
        >>> from jaxlayers import constraints
        >>> constraints.MinMaxNorm(max_value=1.0, rate=0.5)([0.0, 10.0])
        Array([0. , 5.5], dtype=float32)
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: int | Sequence[int] = 0
    ):
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    @operation("w")
    def __call__(self, w: Any) -> jax.Array:
        """What a weight becomes."""
        norms = _norms(w, self.axis)
        desired = self.rate * jnp.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (desired / (epsilon() + norms))


max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm

_CLASSES: list[type[Constraint]] = [Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm]
registry.register("constraint", {cls.__name__: cls for cls in _CLASSES})
registry.register("constraint", {to_snake_case(cls.__name__): cls for cls in _CLASSES})


def get(identifier: Any) -> Callable[..., Any] | None:
    """The constraint that a name, config, class or callable stands for; None for None.

    Raises:
        ValueError: when the name is unknown.
        TypeError: when the identifier is of none of these kinds.

    Example:
        >>> from jaxlayers import constraints
        >>> constraints.get("max_norm").get_config()
        {'max_value': 2, 'axis': 0}
    """
    return registry.lookup("constraint", identifier)


def serialize(constraint: Any) -> Any:
    """The config of a constraint, in the form that `deserialize` takes and Keras writes."""
    return serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Callable[..., Any] | None:
    """The constraint that a config or name describes.

    Args:
        config: what `serialize` returned.
        custom_objects: classes of your own by name, looked up first.

    Raises:
        ValueError: when the name is unknown.
    """
    return registry.lookup("constraint", config, custom_objects)


registry.serializers["constraint"] = serialize


def _norms(w: jax.Array, axis: Any) -> jax.Array:
    axis = axis if isinstance(axis, int) else tuple(axis)
    return jnp.sqrt(jnp.sum(jnp.square(w), axis=axis, keepdims=True))
