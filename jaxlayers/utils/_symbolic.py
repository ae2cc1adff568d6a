"""`is_keras_tensor` and `get_source_inputs`: functions of symbolic tensors."""

from __future__ import annotations

from typing import Any

from jaxlayers.core import SymbolicTensor


def is_keras_tensor(x: Any) -> bool:
    """True if a value is a symbolic tensor, as `Input` and calls of layers on symbolic tensors return.

    Args:
        x: any value.

    Example:
        >>> import jaxlayers as jl
        >>> jl.utils.is_keras_tensor(jl.Input((3,))), jl.utils.is_keras_tensor(3.0)
        (True, False)
    """
    return isinstance(x, SymbolicTensor)


def get_source_inputs(tensor: Any) -> list[SymbolicTensor]:
    """Return the inputs from which a symbolic tensor is computed.

    Each input is listed once, in the order of a depth-first search through the arguments of each operation.

    Args:
        tensor: a symbolic tensor.

    Raises:
        TypeError: if the argument is not a symbolic tensor.

    Example:
        >>> import jaxlayers as jl
        >>> a, b = jl.Input((3,), name="a"), jl.Input((3,), name="b")
        >>> [source.name for source in jl.utils.get_source_inputs((a + b) * a)]
        ['a', 'b']
    """
    if not is_keras_tensor(tensor):
        raise TypeError(f"get_source_inputs() takes a symbolic tensor; received {type(tensor).__name__}.")
    sources: list[SymbolicTensor] = []
    visited: set[int] = set()
    stack = [tensor]
    while stack:
        current = stack.pop()
        if id(current) in visited:
            continue
        visited.add(id(current))
        arguments = current.node.inputs if current.node is not None else []
        if not arguments:
            sources.append(current)
        stack += reversed(arguments)
    return sources
