"""The inputs of models made from a graph of layers."""

from __future__ import annotations

import warnings
import weakref
from typing import Any, ClassVar

from jaxlayers.common.constructors import constructor_config
from jaxlayers.common.settings import standardize_dtype
from jaxlayers.core import Layer, SymbolicTensor
from jaxlayers.core.symbolic import Node


class InputLayer(Layer):
    """A layer that represents one input of a model; `Input` makes it and returns its symbolic tensor.

    Args:
        shape: the shape of a sample, without the batch; None for a size that is not known.
        batch_size: the size of the batch; None (the default) for any.
        dtype: the dtype of the input; `floatx()` by default.
        sparse: accepted for Keras's configs; True is refused, because sparse arrays are not supported.
        ragged: accepted for Keras's configs; True is refused, because ragged arrays are not supported.
        batch_shape: the shape with the batch, instead of `shape` and `batch_size`.
        input_tensor: an existing symbolic tensor to use as the input; the arguments given besides it must agree with
            it.
        optional: if True, the model accepts None for this input. False by default.
        name: the name of the layer; derived from the class by default.
        **kwargs: `input_shape` and `batch_input_shape`, the former names of `shape` and `batch_shape`.

    Raises:
        ValueError: when neither `shape` nor `batch_shape` is given, or `batch_shape` is given besides `shape` or
            `batch_size`; when `input_tensor` is not a symbolic tensor, or disagrees with another argument; when
            `sparse` or `ragged` is True.

    Example:
        >>> import jaxlayers as jl
        >>> jl.layers.InputLayer((3,)).output.shape
        (None, 3)
    """

    sparse = ragged = False
    _config_attributes: ClassVar[dict[str, str | None]] = {"shape": None, "batch_size": None, "input_tensor": None}

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: SymbolicTensor | None = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ):
        if "input_shape" in kwargs:
            warnings.warn("InputLayer(input_shape=...) is now InputLayer(shape=...).", stacklevel=2)
        shape, batch_shape = kwargs.pop("input_shape", shape), kwargs.pop("batch_input_shape", batch_shape)
        super().__init__(name=name, **kwargs)
        if sparse or ragged:
            raise ValueError(f"{self.name!r}: sparse and ragged inputs are not supported. Pass dense arrays.")
        shape, batch_shape = self._sizes("shape", shape), self._sizes("batch_shape", batch_shape)
        if input_tensor is not None:
            self._check_tensor(input_tensor, shape=shape, batch_size=batch_size, batch_shape=batch_shape, dtype=dtype)
            batch_shape, dtype = input_tensor.shape, input_tensor.dtype
        elif (shape is None) == (batch_shape is None) or None not in (batch_shape, batch_size):
            raise ValueError(
                f"{self.name!r} expects either shape (without the batch), with or without batch_size, or batch_shape "
                f"(with the batch); received shape={shape}, batch_size={batch_size}, batch_shape={batch_shape}."
            )
        self.batch_shape = (batch_size, *shape) if batch_shape is None else batch_shape
        self._input_dtype = standardize_dtype(dtype)
        self.optional = optional
        self.built = True
        self._input_tensor: weakref.ref[SymbolicTensor] | None = None
        if input_tensor is not None:
            self._make_tensor(input_tensor)

    def _sizes(self, name: str, shape: Any) -> tuple[int | None, ...] | None:
        """Return a shape as a tuple of sizes; a single size is one axis."""
        if shape is None:
            return None
        sizes = tuple(shape) if hasattr(shape, "__iter__") else (shape,)
        for size in sizes:
            if size is not None and (isinstance(size, bool) or not hasattr(size, "__index__") or size < 0):
                raise ValueError(
                    f"{self.name!r} expects as {name} a tuple of sizes, each an integer or None; received {shape!r}."
                )
        return tuple(None if size is None else size.__index__() for size in sizes)

    def _check_tensor(self, tensor: Any, **arguments: Any) -> None:
        """Raise if `input_tensor` is not a symbolic tensor, or disagrees with one of the other arguments."""
        if not isinstance(tensor, SymbolicTensor):
            raise ValueError(
                f"{self.name!r}: input_tensor must be a symbolic tensor; received {type(tensor).__name__}."
            )
        batch_size, *shape = tensor.shape or (None,)
        actual = {"shape": tuple(shape), "batch_size": batch_size, "batch_shape": tensor.shape, "dtype": tensor.dtype}
        for name, value in arguments.items():
            if value is not None and (standardize_dtype(value) if name == "dtype" else value) != actual[name]:
                raise ValueError(
                    f"{self.name!r} expects an input_tensor with {name}={value}; received one with {name}="
                    f"{actual[name]}. Leave the argument {name} out, or make it agree."
                )

    def _make_tensor(self, tensor: SymbolicTensor | None) -> SymbolicTensor:
        """Record the node of this input; return its symbolic tensor, a new one unless `tensor` is given."""
        node = Node(self, (), {})
        if tensor is None:
            tensor = SymbolicTensor(self.batch_shape, self._input_dtype, self.name, node)
        tensor.node = tensor.node or node  # the output of a layer keeps the node of that layer's call
        node.outputs = tensor
        object.__setattr__(self, "_symbolic_nodes", (weakref.ref(tensor.node),))
        object.__setattr__(self, "_input_tensor", weakref.ref(tensor))
        return tensor

    @property
    def output(self) -> SymbolicTensor:
        """The symbolic tensor of this input: the same object as long as something refers to it."""
        tensor = None if self._input_tensor is None else self._input_tensor()
        return self._make_tensor(None) if tensor is None else tensor

    @property
    def input(self) -> list[SymbolicTensor]:
        """An input layer has no inputs: an empty list."""
        return []

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_input_tensor": None}

    @property
    def dtype(self) -> str:
        """The dtype of the input."""
        return self._input_dtype

    def call(self, *inputs: Any) -> Any:
        """Raise: an input is passed to the call of the model."""
        raise TypeError(f"{self.name!r} represents an input of a model, and cannot be called. Call the model.")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data."""
        return {**constructor_config(self), "name": self.name, "dtype": self.dtype}


def Input(  # noqa: N802, Keras's name
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: SymbolicTensor | None = None,
    optional: bool = False,
) -> SymbolicTensor:
    """Return a symbolic tensor that is an input of a model.

    Args:
        shape: the shape of a sample, without the batch; None for a size that is not known.
        batch_size: the size of the batch; None (the default) for any.
        dtype: the dtype of the input; `floatx()` by default.
        sparse: see `InputLayer`.
        ragged: see `InputLayer`.
        batch_shape: the shape with the batch, instead of `shape` and `batch_size`.
        name: the name of the input; derived from `InputLayer` by default.
        tensor: an existing symbolic tensor to use as an input; it is returned unchanged.
        optional: if True, the model accepts None for this input. False by default.

    Raises:
        ValueError: when neither or both of `shape` and `batch_shape` are given.

    Example:
        >>> import jaxlayers as jl
        >>> jl.Input((3,), name="x")
        <SymbolicTensor shape=(None, 3), dtype=float32, name=x>
    """
    if tensor is not None:
        return tensor
    return InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, None, optional, name).output
