"""What arrays are and become: conversion, shapes, dtypes; slices and scattered updates; gradients of one's own."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import standardize_dtype
from jaxlayers.core import operation
from jaxlayers.core.symbolic import as_array
from jaxlayers.numerics.types import Array, ArrayLike, DType, dtype_or_none, refuse_sparse

__all__ = [
    "cast", "convert_to_numpy", "convert_to_tensor", "custom_gradient", "dtype", "is_tensor", "saturate_cast",
    "scatter", "scatter_update", "shape", "slice", "slice_update", "stop_gradient", "unstack",
]  # fmt: skip


@operation("x")
def convert_to_tensor(
    x: ArrayLike, dtype: DType = None, sparse: bool | None = None, ragged: bool | None = None
) -> Array:
    """An array from a variable, a list, a NumPy array or a number; an array as it is.

    Args:
        x: what becomes an array.
        dtype: of the result; by default that of x, and `"float32"` or `"int32"` for what has 64 bits.
        sparse: not supported.
        ragged: not supported.

    Raises:
        ValueError: for a sparse or ragged one.

    Example:
        >>> convert_to_tensor([1, 2], "float32")
        Array([1., 2.], dtype=float32)
    """
    refuse_sparse("convert_to_tensor", sparse or ragged)
    return jnp.asarray(x, dtype_or_none(dtype))


def convert_to_numpy(x: ArrayLike) -> np.ndarray:
    """A NumPy array with a copy of the values.

    Example:
        >>> convert_to_numpy(jnp.ones(2))
        array([1., 1.], dtype=float32)
    """
    return np.array(as_array(x))


def is_tensor(x: Any) -> bool:
    """Whether something is a JAX array, or a traced one.

    Example:
        >>> is_tensor(jnp.ones(2)), is_tensor([1.0, 1.0])
        (True, False)
    """
    return isinstance(x, jax.Array)


def shape(x: ArrayLike) -> tuple[int | None, ...]:
    """The sizes of the axes; None for one that a symbolic tensor does not know.

    Example:
        >>> shape([[1, 2, 3]])
        (1, 3)
    """
    found = getattr(x, "shape", None)
    return jnp.shape(as_array(x)) if found is None else tuple(found)


def dtype(x: ArrayLike) -> str:
    """The name of the dtype.

    Example:
        >>> dtype([1.0, 2.0])
        'float32'
    """
    found = getattr(x, "dtype", None)
    return standardize_dtype(jnp.result_type(as_array(x)) if found is None else found)


@operation("x")
def cast(x: ArrayLike, dtype: DType) -> Array:
    """The same values in another dtype.

    Example:
        >>> cast([1.7, -1.7], "int32")
        Array([ 1, -1], dtype=int32)
    """
    return jnp.asarray(x, standardize_dtype(dtype))


@operation("x")
def saturate_cast(x: ArrayLike, dtype: DType) -> Array:
    """The same values in another dtype, held within its range.

    Example:
        >>> saturate_cast([300, -1], "uint8")
        Array([255,   0], dtype=uint8)
    """
    target = jax.dtypes.canonicalize_dtype(standardize_dtype(dtype))
    if target.kind == "b":
        return jnp.clip(x, 0, 1).astype(bool)
    own = jnp.result_type(x)
    low, high = _range(target)
    own_low, own_high = _range(own)
    # A bound outside of x's own range cannot be written in x's dtype, and holds anyway.
    lowest = np.asarray(low, own) if low > own_low else None
    highest = np.asarray(high, own) if high < own_high else None
    return jnp.clip(x, lowest, highest).astype(target)


def _range(kind: jnp.dtype) -> tuple[float, float]:
    if kind.kind == "b":
        return 0, 1
    if jnp.issubdtype(kind, jnp.floating):
        return float(jnp.finfo(kind).min), float(jnp.finfo(kind).max)
    return int(jnp.iinfo(kind).min), int(jnp.iinfo(kind).max)


@operation("variable")
def stop_gradient(variable: ArrayLike) -> Array:
    """The same values, as constants to differentiation.

    Example:
        >>> jax.grad(lambda x: x * stop_gradient(x))(jnp.float32(3))
        Array(3., dtype=float32)
    """
    return jax.lax.stop_gradient(variable)


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a gradient of one's own.

    Args:
        f: returns its output and a function: from the gradient of the output (positional, one for each output) to
            those of the arguments, a tuple when there are several.

    Returns:
        A function that returns the output alone.

    Example:
        >>> @custom_gradient
        ... def log1pexp(x):
        ...     e = jnp.exp(x)
        ...     return jnp.log(1 + e), lambda upstream: upstream * (1 - 1 / (1 + e))
        >>> jax.grad(log1pexp)(jnp.float32(100))
        Array(1., dtype=float32)
    """
    return operation()(functools.update_wrapper(jax.custom_gradient(f), f))


@operation("indices", "values")
def scatter(indices: ArrayLike, values: ArrayLike, shape: Sequence[int]) -> Array:
    """Zeros, with values added at given places.

    Args:
        indices: one index for each of the first k axes, [..., k].
        values: [..., *shape[k:]]; those that share a place add up.
        shape: of the result.

    Example:
        >>> scatter([[0], [2], [2]], [1.0, 2.0, 3.0], (4,))
        Array([1., 0., 5., 0.], dtype=float32)
    """
    return jnp.zeros(shape, values.dtype).at[_places(indices)].add(values)


@operation("inputs", "indices", "updates")
def scatter_update(inputs: ArrayLike, indices: ArrayLike, updates: ArrayLike, reduction: str | None = None) -> Array:
    """An array with some places changed.

    Args:
        inputs: array.
        indices: one index for each of the first k axes, [updates, k].
        updates: [updates, *inputs.shape[k:]].
        reduction: how they are joined with what is there: None to replace it, `"add"`, `"max"`, `"min"` or `"mul"`.

    Raises:
        ValueError: for another reduction.

    Example:
        >>> scatter_update([1, 2, 3], [[0], [2]], [7, 9])
        Array([7, 2, 9], dtype=int32)
    """
    methods = {None: "set", "add": "add", "max": "max", "min": "min", "mul": "multiply"}
    if reduction not in methods:
        raise ValueError(f"ops.scatter_update expects a reduction among {list(methods)}; received {reduction!r}.")
    return getattr(jnp.asarray(inputs).at[_places(indices)], methods[reduction])(updates)


def _places(indices: Array) -> tuple[Array, ...]:
    return tuple(jnp.moveaxis(indices, -1, 0))


@operation("inputs")
def slice(inputs: ArrayLike, start_indices: Any, shape: Sequence[int]) -> Array:
    """A block of an array, from a place that may be computed.

    Args:
        inputs: array.
        start_indices: where it starts along each axis; moved back where it would stick out.
        shape: sizes of the block; -1, with a start that is known, for all that remains.

    Example:
        >>> slice([1, 2, 3, 4], [1], [2])
        Array([2, 3], dtype=int32)
    """
    starts = _starts(start_indices)
    sizes = [inputs.shape[axis] - int(starts[axis]) if size == -1 else size for axis, size in enumerate(shape)]
    return jax.lax.dynamic_slice(inputs, starts, sizes)


@operation("inputs", "updates")
def slice_update(inputs: ArrayLike, start_indices: Any, updates: ArrayLike) -> Array:
    """An array with a block replaced, at a place that may be computed.

    Args:
        inputs: array.
        start_indices: where the block starts along each axis; moved back where it would stick out.
        updates: the block, with as many axes.

    Example:
        >>> slice_update([1, 2, 3, 4], [1], [7, 8])
        Array([1, 7, 8, 4], dtype=int32)
    """
    return jax.lax.dynamic_update_slice(inputs, updates, _starts(start_indices))


def _starts(start_indices: Any) -> Any:
    # A list stays one: the numbers in it are known also while a function is traced.
    return start_indices if isinstance(start_indices, list | tuple) else as_array(start_indices)


@operation("x")
def unstack(x: ArrayLike, num: int | None = None, axis: int = 0) -> list[Array]:
    """The slices along an axis, without it.

    Args:
        x: array.
        num: how many there are; not needed.
        axis: along which axis.

    Example:
        >>> unstack([[1, 2], [3, 4]])
        [Array([1, 2], dtype=int32), Array([3, 4], dtype=int32)]
    """
    return list(jnp.unstack(x, axis=axis))
