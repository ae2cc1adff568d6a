"""Where a graph of layers starts."""

from __future__ import annotations

import warnings
import weakref
from typing import Any

from jaxlayers.common.settings import standardize_dtype
from jaxlayers.core import Layer, SymbolicTensor
from jaxlayers.core.symbolic import Node


class InputLayer(Layer):
    """Stands for an input in the list of a model's layers; `Input` makes one.

    Args:
        shape: the sizes without the batch; None for what is not known.
        batch_size: the size of the batch, None for any.
        dtype: `floatx()` by default.
        sparse: refused when true: there are no sparse arrays here. Kept for the sake of Keras's configs.
        ragged: likewise.
        batch_shape: the sizes with the batch, in the place of `shape` and `batch_size`.
        input_tensor: a symbolic tensor that is to be the input; what is said beside it must agree with it.
        optional: whether the model may be called with None in this place.
        name: a name; one is made up when none is given.
        **kwargs: `input_shape` and `batch_input_shape`, the former names of `shape` and `batch_shape`.

    Raises:
        ValueError: when neither of `shape` and `batch_shape` is given, or `batch_shape` beside one of the others; when
            `input_tensor` is no symbolic tensor, or other than the rest says; for a sparse input.

    Example:
        >>> import jaxlayers as jl
        >>> jl.layers.InputLayer((3,)).output.shape
        (None, 3)
    """

    sparse = ragged = False

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
            raise ValueError(f"{self.name!r}: sparse and ragged inputs are not supported; give dense arrays.")
        shape = (shape,) if isinstance(shape, int) else None if shape is None else tuple(shape)
        batch_shape = None if batch_shape is None else tuple(batch_shape)
        if input_tensor is not None:
            self._check(input_tensor, shape=shape, batch_size=batch_size, batch_shape=batch_shape, dtype=dtype)
            batch_shape, dtype = input_tensor.shape, input_tensor.dtype
        elif (shape is None) == (batch_shape is None) or None not in (batch_shape, batch_size):
            raise ValueError(
                f"{self.name!r} needs either shape= (without the batch, which batch_size= may say) or batch_shape= "
                f"(with it); received shape={shape}, batch_size={batch_size}, batch_shape={batch_shape}."
            )
        self.batch_shape = (batch_size, *shape) if batch_shape is None else batch_shape
        self._input_dtype = standardize_dtype(dtype)
        self.optional = optional
        self.built = True
        self._input_tensor: weakref.ref[SymbolicTensor] | None = None
        if input_tensor is not None:
            self._start(input_tensor)

    def _check(self, tensor: Any, **said: Any) -> None:
        """Whether a tensor is what the arguments beside it say."""
        if not isinstance(tensor, SymbolicTensor):
            raise ValueError(
                f"{self.name!r}: input_tensor must be a symbolic tensor; received {type(tensor).__name__}."
            )
        is_there = {
            "shape": tensor.shape[1:],
            "batch_size": tensor.shape[0] if tensor.shape else None,
            "batch_shape": tensor.shape,
            "dtype": tensor.dtype,
        }
        for name, value in said.items():
            if value is not None and (standardize_dtype(value) if name == "dtype" else value) != is_there[name]:
                raise ValueError(
                    f"{self.name!r} was given {name}={value}; its input_tensor has {name}={is_there[name]}."
                )

    def _start(self, tensor: SymbolicTensor | None) -> SymbolicTensor:
        node = Node(self, (), {})
        if tensor is None:
            tensor = SymbolicTensor(self.batch_shape, self._input_dtype, self.name, node)
        tensor.node = tensor.node or node  # it may be the result of another call
        node.outputs = tensor
        object.__setattr__(self, "_nodes", (weakref.ref(tensor.node),))
        object.__setattr__(self, "_input_tensor", weakref.ref(tensor))
        return tensor

    @property
    def output(self) -> SymbolicTensor:
        """The symbolic tensor: the same one for as long as somebody holds it."""
        tensor = None if self._input_tensor is None else self._input_tensor()
        return self._start(None) if tensor is None else tensor

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
        """Refuse: it is the model's call that is given the inputs."""
        raise TypeError(f"{self.name!r} stands for an input, and cannot be called. Call the model.")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": self.optional,
        }


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
    """A symbolic tensor to build on: an input of a model.

    Args:
        shape: the sizes without the batch; None for what is not known.
        batch_size: the size of the batch, None for any.
        dtype: `floatx()` by default.
        sparse: see `InputLayer`.
        ragged: likewise.
        batch_shape: the sizes with the batch, in the place of `shape` and `batch_size`.
        name: a name; one is made up when none is given.
        tensor: a symbolic tensor that is to be an input; it is returned as it is.
        optional: whether the model may be called with None in this place.

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
