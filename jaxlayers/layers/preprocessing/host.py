"""Inputs that JAX has no arrays for: strings, and integers of more than 32 bits. Layers that take them run on the host.

Such inputs are wrapped as `HostArray`, which JAX and the kernel treat as an opaque leaf. Other inputs are arrays, as in
every layer, and the layer compiles for them. A layer for text alone raises an error for traced arrays and symbolic
tensors.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from jaxlayers.core import Layer, SymbolicTensor, Variable, inference


class HostArray:
    """A wrapper of a NumPy array of strings (dtype object) or of 64-bit integers, for the call of a `HostLayer`."""

    __slots__ = ("values",)

    def __init__(self, values: np.ndarray):
        self.values = values


class HostLayer(Layer):
    """The base class of layers without weights that take strings, or integers of more than 32 bits.

    Attributes:
        text_only: if True, all inputs are wrapped as host arrays; False by default.
        encoding: the encoding of strings that are given as bytes; `"utf-8"` by default.
    """

    built = True  # it has no weights
    text_only = False
    encoding = "utf-8"

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Wrap the inputs that JAX cannot hold, then call the layer as any other."""
        inputs = self.wrap_for_host(inputs)
        if not jax.tree.leaves(inputs) or any(isinstance(leaf, HostArray) for leaf in jax.tree.leaves(inputs)):
            # A subclass may have layers inside. Building traces `call`, which fails for host arrays.
            object.__setattr__(self, "built", True)
        return super().__call__(inputs, *args, **kwargs)

    def build(self, input_shape: Any = None) -> None:
        """Mark the layer as built. A run of `call` on shapes, as in other layers, has no strings to run on."""
        super().build(input_shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the outputs for integer inputs of a shape; None is an unknown size."""
        inputs = inference.map_shapes(lambda shape: SymbolicTensor(shape, "int32"), input_shape)
        outputs = self.compute_output_spec(inputs)
        return jax.tree.map(lambda output: output.shape, outputs)

    def wrap_for_host(self, value: Any) -> Any:
        """Return strings and large integers as a `HostArray`, and other values as they are.

        Raises:
            TypeError: if the layer is for text alone and the value is traced or symbolic; for values that are neither
                text nor numbers.
        """
        if value is None or isinstance(value, HostArray):
            return value
        if isinstance(value, jax.core.Tracer | SymbolicTensor) and self.text_only:
            raise TypeError(
                f"{self.path!r} processes text on the host, so it cannot be part of a compiled function or of a graph "
                f"of symbolic tensors; received {value!r}. Call the layer on the data first, and give its outputs to "
                "the compiled function or the model."
            )
        if is_on_device(value) and not self.text_only:
            return value
        array = as_host(self, value.value if isinstance(value, Variable) else value)
        wide = array.dtype.kind in "iu" and is_wide(array) and not jax.config.read("jax_enable_x64")
        if self.text_only or array.dtype == object or wide:
            return HostArray(array)
        return array


def is_on_device(value: Any) -> bool:
    """True if a value is, or contains, a JAX array, a variable or a symbolic tensor."""
    leaves = [value] if not isinstance(value, list | tuple | dict) else jax.tree.leaves(value)
    return any(isinstance(leaf, jax.Array | SymbolicTensor | Variable) for leaf in leaves)


def is_wide(array: np.ndarray) -> bool:
    """True if an integer of the array does not fit in 32 bits."""
    limits = np.iinfo("int32")
    return bool(array.size) and (array.min() < limits.min or array.max() > limits.max)


def as_host(layer: Any, value: Any) -> np.ndarray:
    """Return a value as a NumPy array; strings become an array of `str` objects (dtype object).

    Args:
        layer: the layer, for its path in messages and its encoding of bytes.
        value: an array, or nested lists of strings, bytes or numbers.

    Raises:
        ValueError: if the rows have different lengths.
        TypeError: if an element is neither text nor a number.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"{layer.path!r} expects rows of one length; received a {type(value).__name__} with rows of different "
            "lengths."
        ) from None
    if array.dtype.kind == "U":
        return array.astype(object)
    if array.dtype.kind in "SO":
        texts = [text.decode(layer.encoding) if isinstance(text, bytes) else text for text in array.ravel().tolist()]
        other_types = {type(text).__name__ for text in texts if not isinstance(text, str)}
        if other_types:
            raise TypeError(f"{layer.path!r} expects strings or numbers; received {', '.join(sorted(other_types))}.")
        decoded = np.empty(len(texts), object)
        decoded[:] = texts
        return decoded.reshape(array.shape)
    return array


def batches(data: Any, steps: int | None = None) -> Iterator[Any]:
    """Return an iterator over the batches of the argument of `adapt`.

    Args:
        data: an array, which is one batch; or an iterable of batches. Of a batch that is a tuple (inputs, targets), the
            inputs are used.
        steps: the largest number of batches; None for all.

    Raises:
        TypeError: if the data is neither.
    """
    if not hasattr(data, "shape") and not isinstance(data, Iterable):
        raise TypeError(f"adapt() takes an array, a list or an iterable of batches; received {type(data).__name__}.")
    for batch in [data] if hasattr(data, "shape") else itertools.islice(data, steps):
        yield batch[0] if isinstance(batch, tuple) else batch
