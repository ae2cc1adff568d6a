"""Layers that make one array of several, element by element, and the same as functions.

Masks: where all inputs have one, a step of the output counts when it counts in any of them. Where some input has none,
neither has the output. A step that an input leaves out takes no part in products, maxima and minima; in sums,
differences and averages whatever stands there is added, as in Keras.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import ops
from jaxlayers.core import Layer


class Merge(Layer):
    """The base of layers that merge element by element: inputs of one batch size, broadcast after its axis.

    Inputs with fewer axes get axes of size 1 after the batch.
    """

    neutral: Any = None  # what stands for a step that is left out; None where padding is merged like the rest
    exactly: int | None = None  # how many inputs there must be

    def merge(self, inputs: list[jax.Array]) -> jax.Array:
        """Make one array of arrays with as many axes each; a subclass has its own version."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it merges: it has no merge().")

    def call(self, inputs: Any, mask: Any = None) -> jax.Array:
        """Line the inputs up, and merge them."""
        arrays = self._several(inputs)
        _check_shapes(self, arrays)
        rank = max(array.ndim for array in arrays)
        arrays = [_aligned(array, rank - array.ndim) for array in arrays]
        if self.neutral is not None and mask is not None:
            steps = [None if m is None else _aligned(m, rank - x.ndim) for m, x in zip(mask, inputs, strict=True)]
            arrays = self._without_padding(arrays, steps)
        return self.merge(arrays)

    def _several(self, inputs: Any) -> list[jax.Array]:
        if not isinstance(inputs, list | tuple) or not inputs:
            found = "an array" if hasattr(inputs, "shape") else repr(inputs)
            raise ValueError(f"{self.path!r} merges a list of arrays; received {found}.")
        if self.exactly is not None and len(inputs) != self.exactly:
            raise ValueError(f"{self.path!r} merges exactly {self.exactly} inputs; received {len(inputs)}.")
        return [jnp.asarray(one) for one in inputs]

    def _without_padding(self, arrays: list[jax.Array], steps: list[Any]) -> list[jax.Array]:
        """The arrays with what changes nothing in the place of left-out steps; zeros where all leave out."""
        counts = [None if m is None else m.reshape(*m.shape, *(1,) * (arrays[0].ndim - m.ndim)) for m in steps]
        nobody: Any = None
        if all(m is not None for m in counts):
            nobody = ~functools.reduce(jnp.logical_or, counts, jnp.bool_(False))  # type: ignore[arg-type]
        arrays = [
            x if m is None else jnp.where(m, x, _neutral(self.neutral, x.dtype))
            for x, m in zip(arrays, counts, strict=True)
        ]
        return arrays if nobody is None else [jnp.where(nobody, jnp.zeros_like(x), x) for x in arrays]

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The steps that count in any input, when all inputs have masks."""
        if not isinstance(previous_mask, list | tuple) or any(mask is None for mask in previous_mask):
            return None
        return functools.reduce(ops.logical_or, previous_mask)


def _neutral(value: float, dtype: Any) -> Any:
    """The value in a dtype; infinities as the largest number where there is none."""
    if jnp.issubdtype(dtype, jnp.floating) or value == 1:
        return jnp.asarray(value, dtype)
    if jnp.issubdtype(dtype, jnp.bool_):
        return value > 0
    return jnp.iinfo(dtype).max if value > 0 else jnp.iinfo(dtype).min


def _aligned(array: jax.Array, missing: int) -> jax.Array:
    return array.reshape(*array.shape[:1], *(1,) * missing, *array.shape[1:]) if missing else array


def _check_shapes(layer: Layer, arrays: list[jax.Array]) -> None:
    shapes = [array.shape for array in arrays]
    try:
        jnp.broadcast_shapes(*(shape[1:] for shape in shapes))
    except ValueError:
        raise ValueError(f"{layer.path!r} cannot merge inputs of shapes {shapes}: they do not broadcast.") from None
    if len({shape[:1] for shape in shapes}) > 1:
        raise ValueError(f"{layer.path!r} merges inputs of one batch size; received shapes {shapes}.")


class Add(Merge):
    """The sum of its inputs: `a + b + ...`.

    Shapes:
        inputs: a list of `[batch, ...]`, which broadcast after the batch; outputs: `[batch, ...]`.

    Raises:
        ValueError: when the inputs are no list, or do not fit each other.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Add()([jnp.array([1.0, 2.0]), jnp.array([3.0, 5.0])]).tolist()
        [4.0, 7.0]
    """

    def merge(self, inputs: list[jax.Array]) -> jax.Array:
        """Add."""
        return functools.reduce(jnp.add, inputs)


class Subtract(Merge):
    """The difference of its two inputs: `a - b`.

    Shapes and errors: see `Add`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Subtract()([jnp.array([1.0, 2.0]), jnp.array([3.0, 5.0])]).tolist()
        [-2.0, -3.0]
    """

    exactly = 2

    def merge(self, inputs: list[jax.Array]) -> jax.Array:
        """Subtract."""
        return inputs[0] - inputs[1]


class Multiply(Merge):
    """The product of its inputs: `a * b * ...`; a step that an input's mask leaves out counts as ones in it.

    Shapes and errors: see `Add`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Multiply()([jnp.array([1.0, 2.0]), jnp.array([3.0, 5.0])]).tolist()
        [3.0, 10.0]
    """

    neutral = 1

    def merge(self, inputs: list[jax.Array]) -> jax.Array:
        """Multiply."""
        return functools.reduce(jnp.multiply, inputs)


class Average(Merge):
    """The mean of its inputs: `(a + b + ...) / n`.

    Shapes and errors: see `Add`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Average()([jnp.array([1.0, 2.0]), jnp.array([3.0, 5.0])]).tolist()
        [2.0, 3.5]
    """

    def merge(self, inputs: list[jax.Array]) -> jax.Array:
        """Add, divide."""
        return functools.reduce(jnp.add, inputs) / len(inputs)


class Maximum(Merge):
    """The largest of its inputs, element by element; a step that an input's mask leaves out is not looked at in it.

    Shapes and errors: see `Add`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Maximum()([jnp.array([1.0, 7.0]), jnp.array([3.0, 5.0])]).tolist()
        [3.0, 7.0]
    """

    neutral = -jnp.inf

    def merge(self, inputs: list[jax.Array]) -> jax.Array:
        """Take the largest."""
        return functools.reduce(jnp.maximum, inputs)


class Minimum(Merge):
    """The smallest of its inputs, element by element; a step that an input's mask leaves out is not looked at in it.

    Shapes and errors: see `Add`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Minimum()([jnp.array([1.0, 7.0]), jnp.array([3.0, 5.0])]).tolist()
        [1.0, 5.0]
    """

    neutral = jnp.inf

    def merge(self, inputs: list[jax.Array]) -> jax.Array:
        """Take the smallest."""
        return functools.reduce(jnp.minimum, inputs)


class Concatenate(Merge):
    """Its inputs one after the other along an axis.

    Masks are joined the same way; an input without one counts whole. Along an axis that masks do not have, a step
    counts when it does in any input.

    Args:
        axis: along which axis.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: a list of arrays with the same sizes along the other axes.

    Raises:
        ValueError: when the inputs are no list, or their other sizes differ.

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
        """Join the arrays."""
        arrays = self._several(inputs)
        shapes = [list(array.shape) for array in arrays]
        for shape in shapes:
            if not -len(shape) <= self.axis < len(shape):
                raise ValueError(f"{self.path!r} has axis={self.axis}; received an input of shape {tuple(shape)}.")
            shape[self.axis] = -1
        if any(shape != shapes[0] for shape in shapes):
            raise ValueError(
                f"{self.path!r} joins inputs that differ along axis {self.axis} alone; received shapes "
                f"{[array.shape for array in arrays]}."
            )
        return jnp.concatenate(arrays, self.axis)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The masks joined as the inputs are."""
        given = [m for m in previous_mask or [] if m is not None]
        if not given:
            return None
        rank, most = inputs[0].ndim, max(len(m.shape) for m in given)
        spread = []
        for array, m in zip(inputs, previous_mask, strict=True):
            counts = ops.ones_like(array, dtype="bool")
            if m is not None:
                for _ in range(rank - len(m.shape)):
                    m = ops.expand_dims(m, -1)
                counts = ops.logical_and(counts, m)
            spread.append(counts)
        return ops.any(ops.concatenate(spread, axis=self.axis), axis=tuple(range(most, rank)))


class Dot(Merge):
    """The products of two inputs, sample by sample, summed over one axis of each.

    Args:
        axes: that axis, of both or as a pair; not the batch's.
        normalize: whether the inputs are divided by their L2 norms along it before: the cosine of their angle.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, ..., size, ...]`, two of them; outputs: `[batch]`, the other axes of the first, those of the
        second; `[batch, 1]` when there are none. The output has no mask.

    Raises:
        ValueError: when there are not two inputs, the sizes differ, or an axis is the batch's.

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
            raise ValueError(f"Dot: axes must be an integer or two; received {axes!r}.")
        self.axes, self.normalize = axes, normalize

    def call(self, inputs: Any, mask: Any = None) -> jax.Array:
        """Multiply and sum."""
        x, y = arrays = self._several(inputs)
        pair = self.axes if isinstance(self.axes, list | tuple) else (self.axes, self.axes)
        shapes = f"received shapes {x.shape} and {y.shape}"
        if any(not -array.ndim <= axis < array.ndim for array, axis in zip(arrays, pair, strict=True)):
            raise ValueError(f"{self.path!r} has axes={self.axes}; {shapes}.")
        i, j = (axis % array.ndim for array, axis in zip(arrays, pair, strict=True))
        if i == 0 or j == 0:
            raise ValueError(f"{self.path!r} has axes={self.axes}, one of which is that of the batch; {shapes}.")
        if x.shape[0] != y.shape[0] or x.shape[i] != y.shape[j]:
            raise ValueError(f"{self.path!r} needs one batch size, and one size along axes {i} and {j}; {shapes}.")
        if self.normalize:
            x, y = ops.normalize(x, axis=i), ops.normalize(y, axis=j)
        outputs = jax.lax.dot_general(x, y, (((i,), (j,)), ((0,), (0,))))
        return outputs[:, None] if outputs.ndim == 1 else outputs

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """None: the steps are gone or paired."""
        return None


def add(inputs: Any, **kwargs: Any) -> Any:
    """The sum of several arrays or symbolic tensors: `Add(**kwargs)(inputs)`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.add([jnp.array([1.0]), jnp.array([3.0])]).tolist()
        [4.0]
    """
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """The difference of two arrays or symbolic tensors: `Subtract(**kwargs)(inputs)`."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """The product of several arrays or symbolic tensors: `Multiply(**kwargs)(inputs)`."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """The mean of several arrays or symbolic tensors: `Average(**kwargs)(inputs)`."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """The largest of several arrays or symbolic tensors, element by element: `Maximum(**kwargs)(inputs)`."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """The smallest of several arrays or symbolic tensors, element by element: `Minimum(**kwargs)(inputs)`."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """Several arrays or symbolic tensors joined along an axis: `Concatenate(axis, **kwargs)(inputs)`."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """Two arrays or symbolic tensors multiplied and summed over an axis of each: `Dot(axes, **kwargs)(inputs)`."""
    return Dot(axes=axes, **kwargs)(inputs)
