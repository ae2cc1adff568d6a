"""Where a graph of layers starts."""

from __future__ import annotations

from typing import Any

from jaxlayers.core import Layer, SymbolicTensor
from jaxlayers.core.settings import standardize_dtype
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
        input_tensor: an existing symbolic tensor, to take the shape and dtype of.
        optional: whether the model may be called with None in this place.
        name: a name; one is made up when none is given.

    Raises:
        ValueError: when neither or both of `shape` and `batch_shape` are given, or for a sparse input.

    Example:
        >>> import jaxlayers as jl
        >>> jl.layers.InputLayer((3,)).output.shape
        (None, 3)
    """

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
        super().__init__(name=name, **kwargs)
        if sparse or ragged:
            raise ValueError(f"{self.name!r}: sparse and ragged inputs are not supported; give dense arrays.")
        if input_tensor is not None:
            batch_shape, dtype = input_tensor.shape, input_tensor.dtype
        elif (shape is None) == (batch_shape is None):
            raise ValueError(
                f"{self.name!r} needs either shape= (without the batch) or batch_shape= (with it); received "
                f"shape={shape}, batch_shape={batch_shape}."
            )
        if batch_shape is None:
            batch_shape = (batch_size, *((shape,) if isinstance(shape, int) else shape))
        self.batch_shape = tuple(batch_shape)
        self._input_dtype = standardize_dtype(dtype)
        self.optional = optional
        self.built = True
        self._start()

    def _start(self) -> None:
        node = Node(self, (), {})
        node.outputs = SymbolicTensor(self.batch_shape, self._input_dtype, self.name, node)
        object.__setattr__(self, "_nodes", (node,))

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._start()

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
