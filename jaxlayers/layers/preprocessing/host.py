"""Layers on the host, for values that JAX has no arrays for: strings, and integers of more than 32 bits.

Such values pass through a layer's call as `HostArray`, which JAX and the kernel leave alone. Numbers pass as arrays, as
in every layer, and the call can be compiled. A layer that takes only text refuses traced and symbolic values.
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
    """A layer without weights that takes strings and numbers, or, if `text_only` is True, host arrays alone."""

    text_only = False
    encoding = "utf-8"  # of strings that come as bytes

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Wrap values that JAX cannot hold in host arrays, then call the layer like any other."""
        inputs = self.hosted(inputs)
        if not jax.tree.leaves(inputs) or any(isinstance(leaf, HostArray) for leaf in jax.tree.leaves(inputs)):
            object.__setattr__(self, "built", True)  # there are no weights to make, so no trial call is needed
        return super().__call__(inputs, *args, **kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the outputs for integers of a shape; None is an unknown size."""
        outputs = self.compute_output_spec(map_shapes(lambda shape: SymbolicTensor(shape, "int32"), input_shape))
        return jax.tree.map(lambda output: output.shape, outputs)

    def hosted(self, value: Any) -> Any:
        """Return strings and large integers as a host array; other values as they are."""
        if value is None or isinstance(value, HostArray):
            return value
        if isinstance(value, jax.core.Tracer | SymbolicTensor) and self.text_only:
            raise TypeError(
                f"{self.path!r} works with text, which runs on the host: it cannot be a part of a compiled function or "
                f"of a graph of symbolic tensors; received {value!r}. Call it on the data beforehand, and compile what "
                "takes its numbers."
            )
        if is_on_device(value) and not self.text_only:
            return value
        array = as_host(self, value.value if isinstance(value, Variable) else value)
        wide = array.dtype.kind in "iu" and is_wide(array) and not jax.config.read("jax_enable_x64")
        if self.text_only or array.dtype == object or wide:
            return HostArray(array)
        return array


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """Return the function of each shape in a nested structure."""

    def is_shape(value: Any) -> bool:
        return isinstance(value, list | tuple) and all(size is None or isinstance(size, int) for size in value)

    return jax.tree.map(function, shapes, is_leaf=is_shape)


def is_on_device(value: Any) -> bool:
    """Return True if a value is, or contains, a JAX array, a tracer, a symbolic tensor or a variable."""
    leaves = [value] if not isinstance(value, list | tuple | dict) else jax.tree.leaves(value)
    return any(isinstance(leaf, jax.Array | SymbolicTensor | Variable) for leaf in leaves)


def is_wide(array: np.ndarray) -> bool:
    """Return True if an integer does not fit in 32 bits."""
    limits = np.iinfo("int32")
    return bool(array.size) and (array.min() < limits.min or array.max() > limits.max)


def as_host(layer: Any, value: Any) -> np.ndarray:
    """Return a NumPy array: of `str` objects for text, of 64-bit integers for integers.

    Raises:
        ValueError: if rows have several lengths.
        TypeError: if there is anything but text and numbers.
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
        texts = [item.decode(layer.encoding) if isinstance(item, bytes) else item for item in array.ravel().tolist()]
        other_types = {type(item).__name__ for item in texts if not isinstance(item, str)}
        if other_types:
            raise TypeError(f"{layer.path!r} expects strings or numbers; received {', '.join(sorted(other_types))}.")
        strings = np.empty(len(texts), object)
        strings[:] = texts
        return strings.reshape(array.shape)
    return array


def batches(data: Any, steps: int | None = None) -> Iterator[Any]:
    """Yield the batches of inputs in the data of `adapt`.

    An array or a list is one batch, of which every element is a sample. Of a tuple of inputs and targets, the inputs
    are the batch.
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
