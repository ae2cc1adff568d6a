"""Helpers that prepare arrays: NumPy in, NumPy out; JAX in, JAX out."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import epsilon
from jaxlayers.core import SymbolicTensor, Variable, operation


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """Class numbers as one-hot vectors, in a new last axis.

    Args:
        x: integers from 0 to `num_classes - 1`, of shape `[...]` or `[..., 1]`.
        num_classes: how many classes; by default one more than the largest number in `x`.

    Returns:
        `[..., num_classes]`: an array of JAX's for one of those, and NumPy's for all else.

    Raises:
        ValueError: when a number in NumPy's arrays or lists is out of range; when `num_classes` is needed, because
            the values are being traced.

    Example:
        >>> from jaxlayers import utils
        >>> utils.to_categorical([0, 2])
        array([[1., 0., 0.],
               [0., 0., 1.]])
    """
    if isinstance(x, jax.Array | SymbolicTensor | Variable):
        if not num_classes:
            if isinstance(x, jax.core.Tracer | SymbolicTensor):
                raise ValueError("to_categorical() needs num_classes where the values of x are not known.")
            num_classes = int(jnp.max(jnp.asarray(x))) + 1
        return _one_hot(x, num_classes)
    labels = np.asarray(x, "int64")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    count = num_classes or int(labels.max()) + 1
    if labels.size and not (labels.min() >= 0 and labels.max() < count):
        raise ValueError(f"Class numbers must be from 0 to {count - 1}; received {labels.min()} to {labels.max()}.")
    return np.eye(count)[labels]


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """Vectors scaled to norm 1; vectors of zeros stay zeros.

    Args:
        x: an array.
        axis: the axis along which a vector lies.
        order: which norm: 1, 2, ...

    Returns:
        An array of the same shape, NumPy's for NumPy's.

    Raises:
        ValueError: when `order` is not an integer of 1 or more.

    Example:
        >>> import numpy as np
        >>> from jaxlayers import utils
        >>> utils.normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
        array([[0.6, 0.8],
               [0. , 0. ]])
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"order must be an integer of 1 or more; received {order!r}.")
    if isinstance(x, np.ndarray):
        norms = np.linalg.norm(x, order, axis, keepdims=True)
        return x / np.where(norms == 0, 1, norms)
    return _normalize(x, axis, order)


@operation("x")
def _one_hot(x: Any, num_classes: int) -> jax.Array:
    return jax.nn.one_hot(x[..., 0] if x.ndim > 1 and x.shape[-1] == 1 else x, num_classes)


@operation("x")
def _normalize(x: Any, axis: int, order: int) -> jax.Array:
    # The bound is under the root, where it keeps the gradient at a vector of zeros finite.
    powers = jnp.sum(jnp.abs(x) ** order, axis=axis, keepdims=True)
    return x / jnp.maximum(powers, epsilon() ** order) ** (1 / order)
