"""Constraints: functions that an optimizer applies to a weight after each update, e.g. to keep it non-negative.

A constraint is any callable `array -> array`, e.g. a plain function. The classes of this module also have a config.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import registry
from jaxlayers.common.settings import epsilon, to_snake_case
from jaxlayers.core import operation
from jaxlayers.numerics.types import wide
from jaxlayers.saving import serialize_keras_object
from jaxlayers.saving.configured import Configured


class Constraint(Configured):
    """Base class of constraints.

    Subclasses define `__call__(w)`, and `get_config()` if they take arguments.

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
        """Return the constrained weight; the base class returns the weight unchanged."""
        return w


class MaxNorm(Constraint):
    """An upper limit of the L2 norm of vectors: longer vectors are scaled to `max_value`.

    `w * min(norm, max_value) / (norm + epsilon)`, with `epsilon` from the settings.

    Args:
        max_value: the largest norm; 2 by default.
        axis: the axis or axes along which the norm is computed. Use 0 (the default) for the vector of each unit in the
            kernel of a Dense layer, `[inputs, units]`; `(0, 1, 2)` for each filter in the kernel of a convolution,
            `[height, width, inputs, filters]`.

    Source: Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html (max-norm regularization)

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
        """Return the constrained weight."""
        norms = _norms(w, self.axis)
        return (w * (jnp.clip(norms, 0, self.max_value) / (epsilon() + norms))).astype(w.dtype)


class NonNeg(Constraint):
    """The constraint to non-negative values: `max(w, 0)`.

    Example:
        >>> from jaxlayers import constraints
        >>> constraints.NonNeg()([-1.0, 2.0])
        Array([0., 2.], dtype=float32)
    """

    @operation("w")
    def __call__(self, w: Any) -> jax.Array:
        """Return the constrained weight."""
        return jnp.maximum(w, 0)


class UnitNorm(Constraint):
    """The constraint of vectors to the L2 norm 1: `w / (norm + epsilon)`, with `epsilon` from the settings.

    Args:
        axis: the axis or axes along which the norm is computed, 0 by default; see `MaxNorm`.

    Example:
        >>> from jaxlayers import constraints
        >>> constraints.UnitNorm()([3.0, 4.0]).round(3)
        Array([0.6, 0.8], dtype=float32)
    """

    def __init__(self, axis: int | Sequence[int] = 0):
        self.axis = axis

    @operation("w")
    def __call__(self, w: Any) -> jax.Array:
        """Return the constrained weight."""
        return (w / (epsilon() + _norms(w, self.axis))).astype(w.dtype)


class MinMaxNorm(Constraint):
    """A lower and an upper limit of the L2 norm of vectors.

    The new norm is `rate * clip(norm, min_value, max_value) + (1 - rate) * norm`.

    Args:
        min_value: the smallest norm; 0 by default.
        max_value: the largest norm; 1 by default.
        rate: the weight of the clipped norm, from 0 to 1. With 1 (the default), the limits hold after every update.
        axis: the axis or axes along which the norm is computed, 0 by default; see `MaxNorm`.

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
        """Return the constrained weight."""
        norms = _norms(w, self.axis)
        new_norms = self.rate * jnp.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return (w * (new_norms / (epsilon() + norms))).astype(w.dtype)


max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm

_CLASSES: list[type[Constraint]] = [Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm]
registry.register("constraint", {cls.__name__: cls for cls in _CLASSES})
registry.register("constraint", {to_snake_case(cls.__name__): cls for cls in _CLASSES})


def get(identifier: Any) -> Callable[..., Any] | None:
    """Return the constraint that a name, config, class or callable identifies; None for None.

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
    return jnp.sqrt(jnp.sum(jnp.square(wide(w)), axis=axis, keepdims=True))
