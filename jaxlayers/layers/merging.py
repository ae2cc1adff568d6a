"""Layers that merge several arrays into one.

Masks: the outputs of layers that merge element by element have the logical or of the masks of the inputs; they have
no mask when an input has none. Products, maxima and minima leave out the masked time steps of an input. Sums,
differences and averages include them, as in Keras.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import ops
from jaxlayers.core import Layer
from jaxlayers.numerics.masking import append_axes
from jaxlayers.numerics.types import wide_dtype


class Merge(Layer):
    """The base of layers that merge inputs element by element, which are broadcast.

    Inputs with fewer axes get axes of size 1 after the batch. (Keras refuses a batch of one beside a larger batch if
    both sizes are known when the layer is built.)
    """

    built = True  # it has no weights
    pairwise: Any  # the function that merges two arrays
    neutral: Any = None  # replaces the masked time steps of an input; None if they are merged like the others
    exactly: int | None = None  # the required number of inputs; None for any

    def merge(self, inputs: list[jax.Array]) -> jax.Array:
        """Merge arrays that have the same number of axes."""
        return functools.reduce(self.pairwise, inputs)

    def call(self, inputs: Any, mask: Any = None) -> jax.Array:
        """Give the inputs the same number of axes, and merge them."""
        arrays = self._as_arrays(inputs)
        _check_shapes(self, arrays)
        rank = max(array.ndim for array in arrays)
        arrays = [_aligned(array, rank - array.ndim) for array in arrays]
        if self.neutral is not None and mask is not None:
            masks = [m if m is None else append_axes(m, x) for m, x in zip(mask, inputs, strict=True)]
            arrays = self._replace_masked(arrays, [m if m is None else _aligned(m, rank - m.ndim) for m in masks])
        return self.merge(arrays)

    def _as_arrays(self, inputs: Any) -> list[jax.Array]:
        if not isinstance(inputs, list | tuple) or not inputs:
            received = "an array" if hasattr(inputs, "shape") else repr(inputs)
            raise ValueError(f"{self.path!r} expects a list of arrays; received {received}.")
        if self.exactly is not None and len(inputs) != self.exactly:
            raise ValueError(f"{self.path!r} expects exactly {self.exactly} inputs; received {len(inputs)}.")
        return [jnp.asarray(array) for array in inputs]

    def _replace_masked(self, arrays: list[jax.Array], masks: list[Any]) -> list[jax.Array]:
        """The arrays with the neutral value at the masked time steps, and zeros at those masked in all inputs."""
        arrays = [
            x if m is None else jnp.where(m, x, _neutral(self.neutral, x.dtype))
            for x, m in zip(arrays, masks, strict=True)
        ]
        if any(m is None for m in masks):
            return arrays
        valid = functools.reduce(jnp.logical_or, masks)
        return [jnp.where(valid, x, jnp.zeros_like(x)) for x in arrays]

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The logical or of the masks of the inputs; None when an input has none.

        Raises:
            ValueError: when `previous_mask` is neither None nor a list with a mask, or None, for each of the inputs.
        """
        if not _are_masks_of(self, previous_mask, inputs) or any(mask is None for mask in previous_mask):
            return None
        return functools.reduce(ops.logical_or, previous_mask)


def _neutral(value: float, dtype: Any) -> Any:
    """A neutral value in a dtype; integer dtypes have their largest or smallest value instead of an infinity."""
    if jnp.issubdtype(dtype, jnp.floating) or value == 1:
        return jnp.asarray(value, dtype)
    if jnp.issubdtype(dtype, jnp.bool_):
        return value > 0
    return jnp.iinfo(dtype).max if value > 0 else jnp.iinfo(dtype).min


def _aligned(array: jax.Array, missing: int) -> jax.Array:
    """The array with `missing` axes of size 1 after the batch."""
    return array.reshape(*array.shape[:1], *(1,) * missing, *array.shape[1:]) if missing else array


def _check_shapes(layer: Layer, arrays: list[jax.Array]) -> None:
    shapes = [array.shape for array in arrays]
    try:
        jnp.broadcast_shapes(*(shape[1:] for shape in shapes))
    except ValueError:
        raise ValueError(
            f"{layer.path!r} expects inputs whose axes after the batch broadcast; received shapes {shapes}."
        ) from None
    if len({shape[:1] for shape in shapes} - {(1,)}) > 1:
        raise ValueError(
            f"{layer.path!r} expects inputs with the same batch size, or a batch of one; received shapes {shapes}."
        )


def _are_masks_of(layer: Layer, masks: Any, inputs: Any) -> bool:
    """False if there are no masks; an error unless there is one mask, or None, for each input."""
    if masks is None:
        return False
    for name, value in (("previous_mask", masks), ("inputs", inputs)):
        if not isinstance(value, list | tuple):
            raise ValueError(f"{layer.path!r}.compute_mask expects a list as {name}; received {type(value).__name__}.")
    if len(masks) != len(inputs):
        raise ValueError(
            f"{layer.path!r}.compute_mask expects one mask, or None, for each of {len(inputs)} inputs; received "
            f"{len(masks)} masks."
        )
    return True


class Add(Merge):
    """The sum of its inputs: `a + b + ...`.

    Shapes:
        inputs: a list of arrays `[batch, ...]`, whose axes after the batch broadcast; outputs: `[batch, ...]`.

    Raises:
        ValueError: when the inputs are not a list of arrays, their batch sizes differ, or they do not broadcast.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Add()([jnp.array([1.0, 2.0]), jnp.array([3.0, 5.0])]).tolist()
        [4.0, 7.0]
    """

    pairwise = staticmethod(jnp.add)


class Subtract(Merge):
    """The difference of its two inputs: `a - b`.

    Shapes and errors are those of `Add`; another number of inputs than two is an error as well.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Subtract()([jnp.array([1.0, 2.0]), jnp.array([3.0, 5.0])]).tolist()
        [-2.0, -3.0]
    """

    exactly = 2
    pairwise = staticmethod(jnp.subtract)


class Multiply(Merge):
    """The product of its inputs: `a * b * ...`; masked time steps of an input are ones.

    Shapes and errors are those of `Add`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Multiply()([jnp.array([1.0, 2.0]), jnp.array([3.0, 5.0])]).tolist()
        [3.0, 10.0]
    """

    neutral = 1
    pairwise = staticmethod(jnp.multiply)


class Average(Merge):
    """The mean of its inputs: `(a + b + ...) / n`. Half precision is added up in float32.

    Shapes and errors are those of `Add`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Average()([jnp.array([1.0, 2.0]), jnp.array([3.0, 5.0])]).tolist()
        [2.0, 3.5]
    """

    pairwise = staticmethod(jnp.add)

    def merge(self, inputs: list[jax.Array]) -> jax.Array:
        """Return the mean of the arrays."""
        dtype = jnp.result_type(*inputs, 1.0)
        mean = super().merge([array.astype(wide_dtype(dtype)) for array in inputs]) / len(inputs)
        return mean.astype(dtype)


class Maximum(Merge):
    """The element-wise maximum of its inputs, without their masked time steps.

    Shapes and errors are those of `Add`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Maximum()([jnp.array([1.0, 7.0]), jnp.array([3.0, 5.0])]).tolist()
        [3.0, 7.0]
    """

    neutral = -jnp.inf
    pairwise = staticmethod(jnp.maximum)


class Minimum(Merge):
    """The element-wise minimum of its inputs, without their masked time steps.

    Shapes and errors are those of `Add`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Minimum()([jnp.array([1.0, 7.0]), jnp.array([3.0, 5.0])]).tolist()
        [1.0, 5.0]
    """

    neutral = jnp.inf
    pairwise = staticmethod(jnp.minimum)


class Concatenate(Merge):
    """The concatenation of its inputs along an axis.

    The masks of the inputs are concatenated along the same axis; the mask of an input without one is True everywhere.
    If the masks do not have that axis, the mask of the outputs is their logical or.

    Args:
        axis: the axis; -1, the last, by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: a list of arrays with the same sizes along all axes but `axis`; outputs: the same axes, with the sum of
        the sizes along `axis`.

    Raises:
        TypeError: when `axis` is not an integer.
        ValueError: when the inputs are not a list of arrays, do not have the axis, or differ along another axis.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Concatenate()([jnp.ones((1, 2)), jnp.zeros((1, 1))]).tolist()
        [[1.0, 1.0, 0.0]]
    """

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        if not hasattr(axis, "__index__"):
            raise TypeError(f"Concatenate: axis must be an integer; received {axis!r}.")
        self.axis = axis

    def call(self, inputs: Any, mask: Any = None) -> jax.Array:
        """Concatenate the arrays."""
        arrays = self._as_arrays(inputs)
        shapes = [list(array.shape) for array in arrays]
        for shape in shapes:
            if not -len(shape) <= self.axis < len(shape):
                raise ValueError(f"{self.path!r} has axis={self.axis}; received an input of shape {tuple(shape)}.")
            shape[self.axis] = -1
        if any(shape != shapes[0] for shape in shapes):
            raise ValueError(
                f"{self.path!r} expects inputs with the same sizes along all axes but axis {self.axis}; received "
                f"shapes {[array.shape for array in arrays]}."
            )
        return jnp.concatenate(arrays, self.axis)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The masks of the inputs, concatenated along the axis; None when no input has a mask.

        Raises:
            ValueError: when `previous_mask` is neither None nor a list with a mask, or None, for each of the inputs.
        """
        has_masks = _are_masks_of(self, previous_mask, inputs)
        mask_ranks = [len(m.shape) for m in previous_mask if m is not None] if has_masks else []
        if not mask_ranks:
            return None
        rank = inputs[0].ndim
        full_masks = [ops.ones_like(array, dtype="bool") for array in inputs]
        for number, m in enumerate(previous_mask):
            if m is not None:
                expanded = ops.expand_dims(m, tuple(range(len(m.shape), rank)))
                full_masks[number] = ops.logical_and(full_masks[number], expanded)
        return ops.any(ops.concatenate(full_masks, axis=self.axis), axis=tuple(range(max(mask_ranks), rank)))


class Dot(Merge):
    """The dot product of two inputs along one axis of each, sample by sample.

    Args:
        axes: the axis of both inputs, or a pair of axes, one of each; not the axis of the batch.
        normalize: if True, the inputs are divided by their L2 norms along these axes first, so that the outputs are
            cosine similarities. False by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: a list of two arrays `[batch, ..., size, ...]`; outputs: the batch, then the other axes of the first
        input, then those of the second; `[batch, 1]` when there are no other axes. The outputs have no mask.

    Raises:
        ValueError: when `axes` is invalid, there are not two inputs, their sizes differ, or an axis is the batch.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Dot(axes=1)([jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 5.0]])]).tolist()
        [[13.0]]
    """

    exactly = 2

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        pair = list(axes) if isinstance(axes, list | tuple) else [axes, axes]
        if len(pair) != 2 or not all(hasattr(axis, "__index__") for axis in pair):
            raise ValueError(f"Dot: axes must be an integer or a pair of integers; received {axes!r}.")
        self.axes, self.normalize = axes, normalize

    def call(self, inputs: Any, mask: Any = None) -> jax.Array:
        """Return the dot products."""
        x, y = arrays = self._as_arrays(inputs)
        pair = self.axes if isinstance(self.axes, list | tuple) else (self.axes, self.axes)
        received = f"received shapes {x.shape} and {y.shape}"
        if any(axis == 0 or not -array.ndim < axis < array.ndim for array, axis in zip(arrays, pair, strict=True)):
            raise ValueError(f"{self.path!r} has axes={self.axes}, which must exist and not be the batch; {received}.")
        i, j = (axis % array.ndim for array, axis in zip(arrays, pair, strict=True))
        if x.shape[0] != y.shape[0] or x.shape[i] != y.shape[j]:
            raise ValueError(
                f"{self.path!r} expects inputs with the same batch size, and the same size along axis {i} of the first "
                f"and axis {j} of the second; {received}."
            )
        if self.normalize:
            x, y = ops.normalize(x, axis=i), ops.normalize(y, axis=j)
        outputs = jax.lax.dot_general(x, y, (((i,), (j,)), ((0,), (0,))))
        return outputs[:, None] if outputs.ndim == 1 else outputs

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """None: the axes of the inputs' masks are contracted or combined."""
        return None
