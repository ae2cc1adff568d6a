"""Questions about symbolic tensors."""

from __future__ import annotations

from typing import Any

from jaxlayers.core import SymbolicTensor


def is_keras_tensor(x: Any) -> bool:
    """Whether something is a symbolic tensor: what `Input`, and layers called on one, return.

    Example:
        >>> import jaxlayers as jl
        >>> jl.utils.is_keras_tensor(jl.Input((3,))), jl.utils.is_keras_tensor(3.0)
        (True, False)
    """
    return isinstance(x, SymbolicTensor)


def get_source_inputs(tensor: Any) -> list[SymbolicTensor]:
    """The inputs that a symbolic tensor is computed from, each once, in the order in which they are met.

    Args:
        tensor: a symbolic tensor.

    Raises:
        TypeError: for anything else.

    Example:
        >>> import jaxlayers as jl
        >>> a, b = jl.Input((3,), name="a"), jl.Input((3,), name="b")
        >>> [source.name for source in jl.utils.get_source_inputs((a + b) * a)]
        ['a', 'b']
    """
    if not is_keras_tensor(tensor):
        raise TypeError(f"get_source_inputs() takes a symbolic tensor; received {type(tensor).__name__}.")
    found: dict[int, SymbolicTensor] = {}
    seen: set[int] = set()
    waiting = [tensor]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        inside = one.node.inputs if one.node is not None else []
        if not inside:
            found[id(one)] = one
        waiting += reversed(inside)
    return list(found.values())
