"""Symbolic tensors: the placeholders that the functional API computes with instead of arrays.

A call on symbolic tensors is recorded as a node: see `operations`. The shapes of its results come from `inference`.
"""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable
from typing import Any

import jax

from jaxlayers.common.settings import auto_name, standardize_dtype

in_use = False  # operations search their arguments for symbolic tensors only once the first one has been made
operators = types.SimpleNamespace()  # the operations behind the methods of symbolic tensors; `operations` makes them


class Node:
    """One recorded call: the function, its arguments, and the symbolic tensors that it returned.

    A symbolic tensor holds the node that it comes from, and so all nodes before that one. The node refers to its
    outputs weakly, so that a graph is freed as soon as nobody holds the tensors at its end.
    """

    __slots__ = ("__weakref__", "args", "function", "kwargs", "weak_outputs")

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], weak_outputs: Any = None
    ):
        self.function, self.args, self.kwargs = function, args, kwargs
        self.weak_outputs = weak_outputs  # a tree of `_Output`

    @property
    def outputs(self) -> Any:
        """The symbolic tensors that the call returned; one that was garbage-collected is created again."""
        return jax.tree.map(lambda output: output.tensor(self), self.weak_outputs)

    @outputs.setter
    def outputs(self, tensors: Any) -> None:
        self.weak_outputs = jax.tree.map(lambda tensor: _Output(tensor, self), tensors)

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors among the arguments."""
        return symbolic_leaves((self.args, self.kwargs))


_WAY_OUT = (
    "Use the function of the same name in jaxlayers.ops, or put the computation into the call() of a Layer, where "
    "jax.numpy has arrays."
)


class _ExplainedInErrors(type):
    """Metaclass whose `repr` explains the way out: all errors of JAX about a symbolic tensor show its class."""

    def __repr__(cls) -> str:
        return f"{super().__repr__()} (a symbolic tensor has no values. {_WAY_OUT})"


class SymbolicTensor(metaclass=_ExplainedInErrors):
    """A placeholder for an array whose values are not known: a shape, in which None is an unknown size, and a dtype."""

    __slots__ = ("__weakref__", "_mask", "dtype", "name", "node", "output", "shape")
    __array_priority__ = 1100
    carries_mask = True

    def __init__(self, shape: Any, dtype: Any = None, name: str | None = None, node: Node | None = None):
        global in_use
        in_use = True
        self.shape: tuple[int | None, ...] = tuple(None if size is None else int(size) for size in shape)
        self.dtype = standardize_dtype(dtype)
        self.name = name or auto_name("symbolic_tensor")
        self.node = node
        self.output: _Output | None = None  # the place of this tensor among the outputs of the node
        self._mask: Any = None

    @property
    def mask(self) -> Any:
        """The mask: a symbolic tensor of booleans, or None."""
        return self._mask

    @mask.setter
    def mask(self, value: Any) -> None:
        self._mask = value
        if self.output is not None:
            self.output.mask = value

    def __setstate__(self, state: tuple[Any, dict[str, Any]]) -> None:
        for name, value in state[1].items():
            setattr(self, name, value)
        if self.node is not None and self.output is not None:
            self.output.refer_to(self, self.node)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError(f"{self!r} has no values, so NumPy cannot compute with it. {_WAY_OUT}")

    def __bool__(self) -> bool:
        """For `a == b` of two symbolic tensors, True if they are the same one, so that `a in [b, c]` can be asked."""
        if self.node is not None and self.node.function in (operators.equal, operators.not_equal):
            first, second = self.node.args
            if type(first) is type(second) is SymbolicTensor:
                return (first is second) is (self.node.function is operators.equal)
        return self._refuse()

    __array__ = __float__ = __int__ = __iter__ = _refuse
    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Any:
        return operators.get_item(self, index)

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise TypeError(f"len() needs a known size of the first axis; received {self!r}.")
        return self.shape[0]

    def astype(self, dtype: Any) -> Any:
        """The same values in another dtype."""
        return operators.cast(self, dtype)

    def reshape(self, *shape: Any) -> Any:
        """The same values in another shape."""
        return operators.reshape(self, shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape)

    @property
    def T(self) -> Any:  # noqa: N802, an array's name for it
        """The same values with the axes in the opposite order."""
        return operators.transpose(self)


class _Output:
    """A weak reference to one output of a node, with its shape, dtype, name and mask to create it again."""

    __slots__ = ("_dtype", "_name", "_ref", "_shape", "mask")

    def __init__(self, tensor: SymbolicTensor, node: Node):
        self._shape, self._dtype, self._name, self.mask = tensor.shape, tensor.dtype, tensor.name, tensor.mask
        self.refer_to(tensor, node)

    def refer_to(self, tensor: SymbolicTensor, node: Node) -> None:
        """Refer to a tensor that is this output of a node."""
        self._ref: Callable[[], SymbolicTensor | None] = weakref.ref(tensor)
        if tensor.node is node:
            tensor.output = self

    def tensor(self, node: Node) -> SymbolicTensor:
        """Return the tensor, created again if it was garbage-collected."""
        tensor = self._ref()
        if tensor is None:
            tensor = SymbolicTensor(self._shape, self._dtype, self._name, node)
            tensor.mask = self.mask
            self.refer_to(tensor, node)
        return tensor

    def __getstate__(self) -> Any:
        return self._shape, self._dtype, self._name, self.mask

    def __setstate__(self, state: Any) -> None:
        self._shape, self._dtype, self._name, self.mask = state
        self._ref = _nothing  # until the copy of the tensor says that it is this output


def _nothing() -> None:
    return None


def symbolic_leaves(tree: Any) -> list[SymbolicTensor]:
    """The symbolic tensors in a nested structure."""
    return [leaf for leaf in jax.tree.leaves(tree) if type(leaf) is SymbolicTensor]


def has_symbolic(args: Any, kwargs: Any) -> bool:
    """True if there is a symbolic tensor among the arguments of a call."""
    if not in_use:
        return False
    for value in (*args, *kwargs.values()) if kwargs else args:
        if type(value) is SymbolicTensor or (isinstance(value, list | tuple | dict) and symbolic_leaves(value)):
            return True
    return False
