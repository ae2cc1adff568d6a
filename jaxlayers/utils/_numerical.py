"""`to_categorical` and `normalize`: they return NumPy arrays for NumPy arrays, and JAX arrays for JAX arrays."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import epsilon
from jaxlayers.core import SymbolicTensor, Variable, operation


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """Return integer labels as one-hot vectors.

    Args:
        x: integers from 0 to `num_classes - 1`, `[...]` or `[..., 1]`.
        num_classes: the number of classes; by default the largest label plus 1.

    Returns:
        `[..., num_classes]`: a JAX array if `x` is one, otherwise a NumPy array.

    Raises:
        ValueError: if a label in a list or a NumPy array is out of range; if `num_classes` is missing and `x` is traced
            or symbolic.

    Example:
        >>> from jaxlayers import utils
        >>> utils.to_categorical([0, 2])
        array([[1., 0., 0.],
               [0., 0., 1.]])
    """
    if isinstance(x, jax.Array | SymbolicTensor | Variable):
        if not num_classes:
            if isinstance(x, jax.core.Tracer | SymbolicTensor):
                raise ValueError("to_categorical() needs num_classes if x is traced or symbolic; received None.")
            num_classes = int(jnp.max(jnp.asarray(x))) + 1
        return _one_hot(x, num_classes)
    labels = np.asarray(x, "int64")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    count = num_classes or int(labels.max()) + 1
    if labels.size and not (labels.min() >= 0 and labels.max() < count):
        raise ValueError(
            f"to_categorical(): labels must be from 0 to {count - 1}; received {labels.min()} to {labels.max()}."
        )
    return np.eye(count)[labels]


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """Scale vectors to norm 1: `x / (sum |x|^order)^(1 / order)`; vectors of zeros stay as they are.

    Args:
        x: an array `[...]`.
        axis: the axis of the components of a vector; -1 by default.
        order: the order of the norm, a positive integer; 2 by default.

    Returns:
        An array of the same shape: a NumPy array if `x` is one, otherwise a JAX array.

    Raises:
        ValueError: if `order` is not a positive integer.

    Example:
        >>> import numpy as np
        >>> from jaxlayers import utils
        >>> utils.normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
        array([[0.6, 0.8],
               [0. , 0. ]])
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"normalize(): order must be an integer of at least 1; received {order!r}.")
    if isinstance(x, np.ndarray):
        norms = np.linalg.norm(x, order, axis, keepdims=True)
        return x / np.where(norms == 0, 1, norms)
    return _normalize(x, axis, order)


@operation("x")
def _one_hot(x: Any, num_classes: int) -> jax.Array:
    return jax.nn.one_hot(x[..., 0] if x.ndim > 1 and x.shape[-1] == 1 else x, num_classes)


@operation("x")
def _normalize(x: Any, axis: int, order: int) -> jax.Array:
    # The bound is applied before the root, so that the gradient at a vector of zeros is finite.
    powers = jnp.sum(jnp.abs(x) ** order, axis=axis, keepdims=True)
    return x / jnp.maximum(powers, epsilon() ** order) ** (1 / order)
