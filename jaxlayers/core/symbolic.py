"""Symbolic tensors: what the functional API computes with instead of arrays.

`operation` turns a function of arrays into one that records a node when it meets a symbolic tensor, and runs as it is
otherwise. Shapes come from `jax.eval_shape`. A size that is not known is tried out as two different numbers: what
comes out the same both times is known, the rest stays unknown.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import scope
from jaxlayers.core.settings import auto_name, standardize_dtype
from jaxlayers.core.variable import Variable

_SIZES = (48, 80)  # stand for an unknown size; large and divisible, so that pools, strides and splits fit
_in_use = False  # no operation looks for symbolic tensors before the first one is made


class Node:
    """One recorded call: what was called, with what, and the symbolic tensors that came out."""

    __slots__ = ("args", "function", "kwargs", "outputs")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]):
        self.function, self.args, self.kwargs = function, args, kwargs
        self.outputs: Any = None

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors among the arguments."""
        return symbolic_leaves((self.args, self.kwargs))


class SymbolicTensor:
    """Stands for an array whose values are not known yet: a shape, in which None is an unknown size, and a dtype."""

    __slots__ = ("__weakref__", "dtype", "mask", "name", "node", "shape")
    __array_priority__ = 1100

    def __init__(self, shape: Any, dtype: Any = None, name: str | None = None, node: Node | None = None):
        global _in_use
        _in_use = True
        self.shape: tuple[int | None, ...] = tuple(None if size is None else int(size) for size in shape)
        self.dtype = standardize_dtype(dtype)
        self.name = name or auto_name("symbolic_tensor")
        self.node = node
        self.mask: Any = None

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            f"{self!r} has no values, so jax.numpy and NumPy cannot compute with it. Use the function of the same "
            "name in jaxlayers.ops, or put the computation into a Layer's call()."
        )

    __array__ = __bool__ = __float__ = __int__ = __iter__ = _refuse
    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Any:
        return _getitem(self, index)

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise TypeError(f"The length of {self!r} is not known.")
        return self.shape[0]

    def astype(self, dtype: Any) -> Any:
        """The same values in another dtype."""
        return _astype(self, dtype)

    def reshape(self, *shape: Any) -> Any:
        """The same values in another shape."""
        return _reshape(self, shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape)

    @property
    def T(self) -> Any:  # noqa: N802, an array's name for it
        """With the axes in the opposite order."""
        return _transpose(self)


def operation(*arrays: str) -> Callable[[Callable[..., Any]], Any]:
    """Decorator: a function of arrays that also takes variables, lists, NumPy arrays and symbolic tensors.

    Args:
        *arrays: the names of the parameters that are arrays. Those are converted, unless they are None or Python
            scalars (which take on the other operand's dtype); other parameters are left alone.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        names = list(inspect.signature(function).parameters)
        unknown = [name for name in arrays if name not in names]
        if unknown:
            raise TypeError(f"{function.__name__} has no parameters {unknown}.")
        positions = tuple(names.index(name) for name in arrays)
        first_only = positions == (0,)
        by_name = frozenset(arrays)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if _in_use and has_symbolic(args, kwargs):
                return record(call, args, kwargs)
            if first_only and args:
                args = (as_array(args[0]), *args[1:])
            elif positions:
                args = tuple(as_array(a) if i in positions else a for i, a in enumerate(args))
            if kwargs:
                kwargs = {name: as_array(a) if name in by_name else a for name, a in kwargs.items()}
            return function(*args, **kwargs)

        return call

    return decorate


def as_array(value: Any) -> Any:
    """An array from a variable, list or NumPy array; None and Python scalars as they are."""
    kind = type(value)
    if value is None or kind in _SCALARS or isinstance(value, jax.Array):
        return value
    if kind is Variable:
        return value.value
    if isinstance(value, list | tuple):
        value = jax.tree.map(scope.unwrap, value)
    return jnp.asarray(value)


_SCALARS = frozenset([int, float, bool, complex])


def symbolic_leaves(tree: Any) -> list[SymbolicTensor]:
    """The symbolic tensors in a nested structure."""
    return [leaf for leaf in jax.tree.leaves(tree) if type(leaf) is SymbolicTensor]


def has_symbolic(args: Any, kwargs: Any) -> bool:
    """Whether there is a symbolic tensor among the arguments of a call."""
    if not _in_use:
        return False
    for value in (*args, *kwargs.values()) if kwargs else args:
        if type(value) is SymbolicTensor or (isinstance(value, list | tuple | dict) and symbolic_leaves(value)):
            return True
    return False


def record(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The symbolic result of a call, with the node that says how it came about."""
    node = Node(function, args, kwargs)
    name = getattr(function, "name", None) or getattr(function, "__name__", "operation")
    specs = infer(function, args, kwargs)
    node.outputs = jax.tree.map(
        lambda spec: SymbolicTensor(spec[0], spec[1], auto_name(f"{name}_output"), node), specs, is_leaf=_is_spec
    )
    return node.outputs


class Spec(tuple):
    """A (shape, dtype) pair, in which None is an unknown size; a leaf of what `infer` returns."""


def _is_spec(value: Any) -> bool:
    return type(value) is Spec


def infer(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Shapes and dtypes of what a function returns, as a tree of `Spec`.

    Arguments may be symbolic tensors; nothing is computed, and no state changes.
    """
    leaves, tree = jax.tree.flatten((args, kwargs))
    where = [i for i, leaf in enumerate(leaves) if type(leaf) is SymbolicTensor]
    unknown = any(None in leaves[i].shape for i in where)

    def at(size: int) -> Any:
        def run(values: list[Any]) -> Any:
            filled = list(leaves)
            for i, value in zip(where, values, strict=True):
                filled[i] = value
            new_args, new_kwargs = jax.tree.unflatten(tree, filled)
            with scope.Scope(closed=True):
                return jax.tree.map(scope.unwrap, function(*new_args, **new_kwargs))

        return jax.eval_shape(run, [fill(leaves[i].shape, leaves[i].dtype, size) for i in where])

    first = at(_SIZES[0])
    second = at(_SIZES[1]) if unknown else first

    def agree(a: Any, b: Any) -> Spec:
        shape = tuple(m if m == n else None for m, n in zip(a.shape, b.shape, strict=True))
        return Spec((shape, standardize_dtype(a.dtype)))

    return jax.tree.map(agree, first, second)


def fill(shape: Any, dtype: Any, size: int = _SIZES[0]) -> jax.ShapeDtypeStruct:
    """A shape with every unknown size replaced by a number."""
    return jax.ShapeDtypeStruct(tuple(size if n is None else n for n in shape), jnp.dtype(dtype))


def fill_tree(tree: Any) -> Any:
    """A nested structure with a shape in the place of every symbolic tensor."""
    return jax.tree.map(lambda leaf: fill(leaf.shape, leaf.dtype) if type(leaf) is SymbolicTensor else leaf, tree)


_getitem = operation("array")(lambda array, index: array[index])
_astype = operation("array")(lambda array, dtype: array.astype(dtype))
_reshape = operation("array")(lambda array, shape: jnp.reshape(array, shape))
_transpose = operation("array")(lambda array: array.T)


def _binary(function: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    @operation("a", "b")
    def forward(a: Any, b: Any) -> Any:
        return function(a, b)

    forward.__name__ = function.__name__.strip("_")
    return forward, lambda self, other: forward(other, self)


def _unary(function: Callable[[Any], Any]) -> Any:
    @operation("a")
    def forward(a: Any) -> Any:
        return function(a)

    forward.__name__ = function.__name__
    return forward


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor"):
    _forward, _reflected = _binary(getattr(operator, _name))
    setattr(SymbolicTensor, f"__{_name.strip('_')}__", _forward)
    setattr(SymbolicTensor, f"__r{_name.strip('_')}__", _reflected)
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(SymbolicTensor, f"__{_name}__", _binary(getattr(operator, _name))[0])
for _name in ("neg", "abs", "invert"):
    setattr(SymbolicTensor, f"__{_name}__", _unary(getattr(operator, _name)))


def is_array_like(value: Any) -> bool:
    """Whether a value is an array, a traced one, a symbolic one or NumPy's."""
    return isinstance(value, jax.Array | np.ndarray | SymbolicTensor | Variable)
