"""Values that JAX has no arrays for: strings, and integers of more than 32 bits. Layers that take them run on the host.

They go through a layer's call as `HostArray`, which JAX and the kernel leave alone; numbers go as arrays, as in every
layer, and compile. A layer that takes nothing but text refuses what has no values yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np

from jaxlayers.core import Layer, SymbolicTensor, Variable


class HostArray:
    """A NumPy array of strings (of dtype object) or of 64-bit integers, on its way through a layer's call."""

    __slots__ = ("values",)

    def __init__(self, values: np.ndarray):
        self.values = values


class HostLayer(Layer):
    """A layer without weights that takes strings beside numbers, or, where `text_only`, nothing but host arrays."""

    text_only = False
    encoding = "utf-8"  # of strings that come as bytes

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Set aside what JAX cannot hold, then call the layer like any other."""
        inputs = self.hosted(inputs)
        if not jax.tree.leaves(inputs) or any(isinstance(leaf, HostArray) for leaf in jax.tree.leaves(inputs)):
            object.__setattr__(self, "built", True)  # nothing has to be made, so the call is not tried out first
        return super().__call__(inputs, *args, **kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for integers of a shape, None being an unknown size."""
        found = self.compute_output_spec(map_shapes(lambda shape: SymbolicTensor(shape, "int32"), input_shape))
        return jax.tree.map(lambda one: one.shape, found)

    def hosted(self, value: Any) -> Any:
        """A host array of strings and of large integers; other values as they are."""
        if value is None or isinstance(value, HostArray):
            return value
        if isinstance(value, jax.core.Tracer | SymbolicTensor) and self.text_only:
            raise TypeError(
                f"{self.path!r} works with text, which runs on the host: it cannot be a part of a compiled function or "
                f"of a graph of symbolic tensors; received {value!r}. Call it on the data beforehand, and compile what "
                "takes its numbers."
            )
        given = is_on_device(value)
        if given and not self.text_only:
            return value
        array = as_host(self, value.value if isinstance(value, Variable) else value)
        wide = array.dtype.kind in "iu" and is_wide(array) and not jax.config.read("jax_enable_x64")
        if self.text_only or array.dtype == object or wide:
            return HostArray(array)
        return array


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """A function of each shape in a nested structure."""

    def is_shape(value: Any) -> bool:
        return isinstance(value, list | tuple) and all(size is None or isinstance(size, int) for size in value)

    return jax.tree.map(function, shapes, is_leaf=is_shape)


def is_on_device(value: Any) -> bool:
    """Whether a value is an array of JAX's, traced or symbolic, or holds one."""
    leaves = [value] if not isinstance(value, list | tuple | dict) else jax.tree.leaves(value)
    return any(isinstance(leaf, jax.Array | SymbolicTensor | Variable) for leaf in leaves)


def is_wide(array: np.ndarray) -> bool:
    """Whether integers do not all fit in 32 bits."""
    limits = np.iinfo("int32")
    return bool(array.size) and (array.min() < limits.min or array.max() > limits.max)


def as_host(layer: Any, value: Any) -> np.ndarray:
    """A NumPy array: of `str` objects where there is text, of 64-bit integers where there are integers.

    Raises:
        ValueError: for rows of several lengths.
        TypeError: for anything else than text and numbers.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"{layer.path!r} expects rows of one length; received a {type(value).__name__} of several."
        ) from None
    if array.dtype.kind == "U":
        return array.astype(object)
    if array.dtype.kind in "SO":
        texts = [one.decode(layer.encoding) if isinstance(one, bytes) else one for one in array.ravel().tolist()]
        strange = {type(one).__name__ for one in texts if not isinstance(one, str)}
        if strange:
            raise TypeError(f"{layer.path!r} expects strings or numbers; received {', '.join(sorted(strange))}.")
        filled = np.empty(len(texts), object)
        filled[:] = texts
        return filled.reshape(array.shape)
    return array


def batches(data: Any, steps: int | None = None) -> Iterator[Any]:
    """What `adapt` is given, batch by batch: an array or a list is one, of which every element is a sample.

    Of batches that are tuples, of inputs and targets, the inputs count.
    """
    if isinstance(data, list | tuple | str | bytes) or hasattr(data, "shape"):
        array = data if hasattr(data, "shape") else np.asarray(data)
        yield array[:, None] if np.ndim(array) == 1 else array
        return
    if not isinstance(data, Iterable):
        raise TypeError(f"adapt() takes an array, a list, or batches in any iterable; received {type(data).__name__}.")
    for number, batch in enumerate(data):
        if steps is not None and number >= steps:
            return
        yield batch[0] if isinstance(batch, tuple) else batch
