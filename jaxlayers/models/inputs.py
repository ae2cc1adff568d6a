"""Where a graph of layers starts."""

from __future__ import annotations

from typing import Any

from jaxlayers.core import SymbolicTensor
from jaxlayers.core.settings import auto_name


def Input(  # noqa: N802, Keras's name
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    batch_shape: Any = None,
    name: str | None = None,
) -> SymbolicTensor:
    """A symbolic tensor to build on: an input of a model.

    Args:
        shape: the sizes without the batch; None for what is not known.
        batch_size: the size of the batch, None for any.
        dtype: `floatx()` by default.
        batch_shape: the sizes with the batch, in the place of `shape` and `batch_size`.
        name: a name; one is made up when none is given.

    Raises:
        ValueError: when neither or both of `shape` and `batch_shape` are given.

    Example:
        >>> import jaxlayers as jl
        >>> jl.Input((3,), name="x")
        <SymbolicTensor shape=(None, 3), dtype=float32, name=x>
    """
    if (shape is None) == (batch_shape is None):
        raise ValueError("Input() needs either shape= (without the batch) or batch_shape= (with it).")
    if batch_shape is None:
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        batch_shape = (batch_size, *sizes)
    return SymbolicTensor(batch_shape, dtype, name or auto_name("input"))
