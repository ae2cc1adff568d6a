"""The merging layers as functions: each makes a layer and calls it."""

from __future__ import annotations

from typing import Any

from jaxlayers.layers.merging import Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract


def add(inputs: Any, **kwargs: Any) -> Any:
    """The sum of several arrays or symbolic tensors: `Add(**kwargs)(inputs)`.

    Args:
        inputs: a list of arrays or symbolic tensors.
        **kwargs: arguments of the layer.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.add([jnp.array([1.0, 7.0]), jnp.array([3.0, 5.0])]).tolist()
        [4.0, 12.0]
    """
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """The difference of two arrays or symbolic tensors: `Subtract(**kwargs)(inputs)`.

    Args:
        inputs: a list of two arrays or symbolic tensors.
        **kwargs: arguments of the layer.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.subtract([jnp.array([1.0, 7.0]), jnp.array([3.0, 5.0])]).tolist()
        [-2.0, 2.0]
    """
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """The product of several arrays or symbolic tensors: `Multiply(**kwargs)(inputs)`.

    Args:
        inputs: a list of arrays or symbolic tensors.
        **kwargs: arguments of the layer.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.multiply([jnp.array([1.0, 7.0]), jnp.array([3.0, 5.0])]).tolist()
        [3.0, 35.0]
    """
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """The mean of several arrays or symbolic tensors: `Average(**kwargs)(inputs)`.

    Args:
        inputs: a list of arrays or symbolic tensors.
        **kwargs: arguments of the layer.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.average([jnp.array([1.0, 7.0]), jnp.array([3.0, 5.0])]).tolist()
        [2.0, 6.0]
    """
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """The element-wise maximum of several arrays or symbolic tensors: `Maximum(**kwargs)(inputs)`.

    Args:
        inputs: a list of arrays or symbolic tensors.
        **kwargs: arguments of the layer.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.maximum([jnp.array([1.0, 7.0]), jnp.array([3.0, 5.0])]).tolist()
        [3.0, 7.0]
    """
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """The element-wise minimum of several arrays or symbolic tensors: `Minimum(**kwargs)(inputs)`.

    Args:
        inputs: a list of arrays or symbolic tensors.
        **kwargs: arguments of the layer.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.minimum([jnp.array([1.0, 7.0]), jnp.array([3.0, 5.0])]).tolist()
        [1.0, 5.0]
    """
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """The concatenation of several arrays or symbolic tensors along an axis: `Concatenate(axis, **kwargs)(inputs)`.

    Args:
        inputs: a list of arrays or symbolic tensors.
        axis: the axis; -1, the last, by default.
        **kwargs: arguments of the layer.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.concatenate([jnp.array([[1.0, 7.0]]), jnp.array([[3.0]])]).tolist()
        [[1.0, 7.0, 3.0]]
    """
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """The dot product of two arrays or symbolic tensors along an axis of each: `Dot(axes, **kwargs)(inputs)`.

    Args:
        inputs: a list of two arrays or symbolic tensors.
        axes: the axis of both inputs, or a pair of axes; -1, the last, by default.
        **kwargs: arguments of the layer.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.dot([jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 5.0]])]).tolist()
        [[13.0]]
    """
    return Dot(axes=axes, **kwargs)(inputs)
