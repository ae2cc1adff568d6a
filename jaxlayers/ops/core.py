"""Conversion of arrays, shapes and dtypes; slices and scattered updates; custom gradients."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import standardize_dtype
from jaxlayers.core import operation
from jaxlayers.core.operations import as_array, sized_by_values
from jaxlayers.numerics.types import Array, ArrayLike, DType, dtype_or_none, refuse_sparse, wide
from jaxlayers.ops._declarations import computed_by

__all__ = [
    "cast", "convert_to_numpy", "convert_to_tensor", "custom_gradient", "dtype", "is_tensor", "saturate_cast",
    "scatter", "scatter_update", "shape", "slice", "slice_update", "stop_gradient", "unstack",
]  # fmt: skip


@operation("x")
def convert_to_tensor(
    x: ArrayLike, dtype: DType = None, sparse: bool | None = None, ragged: bool | None = None
) -> Array:
    """Convert a variable, a list, a NumPy array or a number to an array; an array is returned unchanged.

    Args:
        x: the value to convert.
        dtype: the dtype of the result; by default that of x, narrowed to 32 bits as JAX does.
        sparse: not supported.
        ragged: not supported.

    Raises:
        ValueError: when `sparse` or `ragged` is True.

    Example:
        >>> convert_to_tensor([1, 2], "float32")
        Array([1., 2.], dtype=float32)
    """
    refuse_sparse("convert_to_tensor", sparse or ragged)
    return jnp.asarray(x, dtype_or_none(dtype))


def convert_to_numpy(x: ArrayLike) -> np.ndarray:
    """Copy an array to a NumPy array.

    Example:
        >>> convert_to_numpy(jnp.ones(2))
        array([1., 1.], dtype=float32)
    """
    return np.array(as_array(x))


def is_tensor(x: Any) -> bool:
    """True if x is a JAX array or a tracer.

    Example:
        >>> is_tensor(jnp.ones(2)), is_tensor([1.0, 1.0])
        (True, False)
    """
    return isinstance(x, jax.Array)


def shape(x: ArrayLike) -> tuple[int | None, ...]:
    """Return the shape of an array as a tuple; None for an axis of unknown size of a symbolic tensor.

    Example:
        >>> shape([[1, 2, 3]])
        (1, 3)
    """
    known_shape = getattr(x, "shape", None)
    return jnp.shape(as_array(x)) if known_shape is None else tuple(known_shape)


def dtype(x: ArrayLike) -> str:
    """Return the name of the dtype of an array.

    Example:
        >>> dtype([1.0, 2.0])
        'float32'
    """
    known_dtype = getattr(x, "dtype", None)
    return standardize_dtype(jnp.result_type(as_array(x)) if known_dtype is None else known_dtype)


@operation("x")
def cast(x: ArrayLike, dtype: DType) -> Array:
    """Convert an array to another dtype.

    Args:
        x: array.
        dtype: the dtype of the result.

    Example:
        >>> cast([1.7, -1.7], "int32")
        Array([ 1, -1], dtype=int32)
    """
    return jnp.asarray(x, standardize_dtype(dtype))


@operation("x")
def saturate_cast(x: ArrayLike, dtype: DType) -> Array:
    """Convert an array to another dtype; values outside of its range become its smallest or largest value.

    Args:
        x: array.
        dtype: the dtype of the result.

    Example:
        >>> saturate_cast([300, -1], "uint8")
        Array([255,   0], dtype=uint8)
    """
    target = jax.dtypes.canonicalize_dtype(standardize_dtype(dtype))
    if target.kind == "b":
        return jnp.clip(x, 0, 1).astype(bool)
    source = jnp.result_type(x)
    target_min, target_max = _range(target)
    source_min, source_max = _range(source)
    # A bound outside of the range of x's dtype has no effect, and cannot be represented in that dtype.
    lower = np.asarray(target_min, source) if target_min > source_min else None
    upper = np.asarray(target_max, source) if target_max < source_max else None
    return jnp.clip(x, lower, upper).astype(target)


def _range(dtype: jnp.dtype) -> tuple[float, float]:
    if dtype.kind == "b":
        return 0, 1
    if jnp.issubdtype(dtype, jnp.floating):
        return float(jnp.finfo(dtype).min), float(jnp.finfo(dtype).max)
    return int(jnp.iinfo(dtype).min), int(jnp.iinfo(dtype).max)


@computed_by(jax.lax.stop_gradient)
def stop_gradient(variable: ArrayLike) -> Array:
    """Return the same values as constants: gradients do not flow through the result.

    Example:
        >>> jax.grad(lambda x: x * stop_gradient(x))(jnp.float32(3))
        Array(3., dtype=float32)
    """


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function a custom gradient; usable as a decorator.

    Args:
        f: a function that returns `(output, grad)`. `grad` is a function that takes the gradient of the output (one
            positional argument for each output) and returns the gradient of the argument of `f`, or a tuple with the
            gradient of each argument.

    Returns:
        A function of the same arguments that returns the output only.

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
    """Return an array of zeros to which values are added at the given indices.

    Args:
        indices: one index for each of the first k axes of the result, [..., k].
        values: the values, [..., *shape[k:]]; values with equal indices are summed.
        shape: the shape of the result.

    Example:
        >>> scatter([[0], [2], [2]], [1.0, 2.0, 3.0], (4,))
        Array([1., 0., 5., 0.], dtype=float32)
    """
    return _update(jnp.zeros(shape, values.dtype), indices, values, "add")


@operation("inputs", "indices", "updates")
def scatter_update(inputs: ArrayLike, indices: ArrayLike, updates: ArrayLike, reduction: str | None = None) -> Array:
    """Return a copy of an array, updated at the given indices.

    Args:
        inputs: array.
        indices: one index for each of the first k axes of `inputs`, [updates, k].
        updates: the new values, [updates, *inputs.shape[k:]].
        reduction: None (the default) to replace the old values; `"add"`, `"max"`, `"min"` or `"mul"` to combine the
            old and the new values.

    Raises:
        ValueError: for any other reduction.

    Example:
        >>> scatter_update([1, 2, 3], [[0], [2]], [7, 9])
        Array([7, 2, 9], dtype=int32)
    """
    methods = {None: "set", "add": "add", "max": "max", "min": "min", "mul": "multiply"}
    if reduction not in methods:
        raise ValueError(f"ops.scatter_update expects a reduction among {list(methods)}; received {reduction!r}.")
    return _update(jnp.asarray(inputs), indices, updates, methods[reduction])


def _update(inputs: Array, indices: Array, updates: Any, method: str) -> Array:
    """Return a copy of an array, updated by a method of `inputs.at`; sums of half precision are in float32."""
    full = inputs if inputs.dtype.kind in "biu" else wide(inputs)
    updates = wide(updates) if getattr(updates, "dtype", None) == inputs.dtype != full.dtype else updates
    return getattr(full.at[_index_arrays(indices)], method)(updates).astype(inputs.dtype)


def _index_arrays(indices: Array) -> tuple[Array, ...]:
    """Split [..., k] into k arrays of indices, one for each axis."""
    return tuple(jnp.moveaxis(indices, -1, 0))


@operation("inputs")
def slice(inputs: ArrayLike, start_indices: Any, shape: Sequence[int]) -> Array:
    """Return a block of an array; its start may be a traced value.

    Args:
        inputs: array.
        start_indices: the start of the block along each axis. It is reduced if the block would exceed the array.
        shape: the sizes of the block. -1 (or None, an unknown size of a symbolic tensor) is the size from the start,
            which must not be a traced value then, to the end.

    Example:
        >>> slice([1, 2, 3, 4], [1], [2])
        Array([2, 3], dtype=int32)
    """
    starts = _starts(start_indices)
    sizes = [size if isinstance(size, int | None) else int(size) for size in shape]
    sizes = [inputs.shape[i] - int(starts[i]) if size in (-1, None) else size for i, size in enumerate(sizes)]
    return jax.lax.dynamic_slice(inputs, starts, sizes)


@sized_by_values(slice)
def _slice_of_size(inputs: Array, start_indices: Any, shape: Any, size: int) -> Array:
    is_known = [isinstance(number, int) and number >= 0 for number in shape]
    return jnp.zeros([number if known else size for number, known in zip(shape, is_known, strict=True)], inputs.dtype)


@operation("inputs", "updates")
def slice_update(inputs: ArrayLike, start_indices: Any, updates: ArrayLike) -> Array:
    """Return a copy of an array with one block replaced; the start of the block may be a traced value.

    Args:
        inputs: array.
        start_indices: the start of the block along each axis. It is reduced if the block would exceed the array.
        updates: the new block, with as many axes as `inputs`.

    Example:
        >>> slice_update([1, 2, 3, 4], [1], [7, 8])
        Array([1, 7, 8, 4], dtype=int32)
    """
    same_kind = jnp.issubdtype(inputs.dtype, jnp.floating) == jnp.issubdtype(updates.dtype, jnp.floating)
    updates = updates.astype(inputs.dtype) if same_kind else updates
    return jax.lax.dynamic_update_slice(inputs, updates, _starts(start_indices))


def _starts(start_indices: Any) -> Any:
    """Return the start along each axis, all in one dtype: an array, or a list of arrays and of Python integers."""
    if not isinstance(start_indices, list | tuple):
        return as_array(start_indices)
    starts = [as_array(start) for start in start_indices]
    dtypes = [start.dtype for start in starts if not isinstance(start, int)]
    return [jnp.asarray(start, np.result_type(*dtypes)) for start in starts] if dtypes else starts


@operation("x")
def unstack(x: ArrayLike, num: int | None = None, axis: int = 0) -> list[Array]:
    """Split an array along an axis into slices of size 1, and remove that axis.

    Args:
        x: array.
        num: the number of slices, needed if the size of the axis is unknown, which it can be for a symbolic tensor.
        axis: the axis; 0 by default.

    Example:
        >>> unstack([[1, 2], [3, 4]])
        [Array([1, 2], dtype=int32), Array([3, 4], dtype=int32)]
    """
    if not isinstance(x.shape[axis], int) and num is not None:
        return [jnp.take(x, number, axis) for number in range(num)]
    return list(jnp.unstack(x, axis=axis))
