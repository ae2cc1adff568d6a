"""Symbolic tensors: what the functional API computes with instead of arrays.

`operation` turns a function of arrays into one that records a node when it meets a symbolic tensor, and runs as it is
otherwise. Shapes come from `jax.eval_shape`. A size that is not known is tried out as two different numbers: what
comes out the same both times is known, the rest stays unknown. Where the numbers are too small for the call, it is
tried with larger ones; a size of 1 along which these may have been too small to tell, with one that is much larger.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import operator
import types
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import auto_name, standardize_dtype
from jaxlayers.core import masks, scope
from jaxlayers.core.variable import Variable

# Stand for an unknown size: divisible, so that pools, strides and splits fit.
_SIZES = ((48, 80), (48 << 6, 80 << 6), (48 << 10, 80 << 10))
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


_WAY_OUT = (
    "Use the function of the same name in jaxlayers.ops, or put the computation into the call() of a Layer, where "
    "jax.numpy has arrays."
)


class _Told(type):
    """JAX refuses a symbolic tensor in many words, and all show its class; so that is where the way out is told."""

    def __repr__(cls) -> str:
        return f"{super().__repr__()} (a symbolic tensor has no values. {_WAY_OUT})"


class SymbolicTensor(metaclass=_Told):
    """Stands for an array whose values are not known yet: a shape, in which None is an unknown size, and a dtype."""

    __slots__ = ("__weakref__", "dtype", "mask", "name", "node", "shape")
    __array_priority__ = 1100
    carries_mask = True

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
        raise TypeError(f"{self!r} has no values, so NumPy cannot compute with it. {_WAY_OUT}")

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
                return record(call, args, kwargs).outputs
            if first_only and args:
                args = (as_array(args[0]), *args[1:])
            elif positions:
                args = tuple(as_array(a) if i in positions else a for i, a in enumerate(args))
            if kwargs:
                kwargs = {name: as_array(a) if name in by_name else a for name, a in kwargs.items()}
            return function(*args, **kwargs)

        call.arrays = arrays  # type: ignore[attr-defined]
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


def record(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], specs: Any = None) -> Node:
    """The node of a call, with its symbolic results: of these `specs`, or as `infer` finds them."""
    node = Node(function, args, kwargs)
    name = getattr(function, "name", None) or getattr(function, "__name__", "operation")
    specs = infer(function, args, kwargs) if specs is None else specs
    node.outputs = jax.tree.map(
        lambda spec: SymbolicTensor(spec[0], spec[1], auto_name(f"{name}_output"), node), specs, is_leaf=_is_spec
    )
    return node


class Spec(tuple):
    """A (shape, dtype) pair, in which None is an unknown size; a leaf of what `infer` returns."""


def _is_spec(value: Any) -> bool:
    return type(value) is Spec


def infer(
    function: Callable[..., Any], args: Any, kwargs: Any, snapshots: Any = None, undo: Callable[[], None] | None = None
) -> Any:
    """Shapes and dtypes of what a function returns, as a tree of `Spec`.

    Arguments may be symbolic tensors, and come with the masks that these have; nothing is computed, and no state
    changes. Layers that build themselves stay built; what they were before is put into `snapshots`, and `undo` makes
    them so again.

    Raises:
        ValueError: when a size that is not known would have to be.
    """
    leaves, tree = jax.tree.flatten((args, kwargs))
    where = [i for i, leaf in enumerate(leaves) if type(leaf) is SymbolicTensor]
    tensors = [(leaves[i], leaves[i].mask) for i in where]  # a mask is a symbolic tensor as well, or None
    unknown = any(None in leaves[i].shape for i in where)
    deep = any(None in leaves[i].shape[1:] for i in where)  # more than the number of samples

    def at(size: int) -> Any:
        def run(values: list[Any]) -> Any:
            filled = list(leaves)
            for i, (value, mask) in zip(where, values, strict=True):
                masks.set_mask(value, mask)
                filled[i] = value
            new_args, new_kwargs = jax.tree.unflatten(tree, filled)
            with scope.Scope(closed=True) as inner:
                inner.snapshots = snapshots
                return jax.tree.map(scope.unwrap, function(*new_args, **new_kwargs))

        return jax.eval_shape(run, jax.tree.map(lambda tensor: fill(tensor.shape, tensor.dtype, size), tensors))

    def at_a_known_size() -> Any:
        """What an unknown size meets in another array, it has to be; None where that does not help."""
        sizes = [getattr(leaf, "shape", (leaf,)) for leaf in leaves]
        known = {size for shape in sizes for size in shape if type(size) is int and size > 1}
        for size in sorted(known, reverse=True):
            with contextlib.suppress(TypeError, ValueError):
                return at(size)
        return None

    failures = []
    for sizes in _SIZES if deep else _SIZES[:1]:
        try:
            first = at(sizes[0])
            break
        except (TypeError, ValueError) as error:
            failures.append(error)
            if undo is not None:
                undo()
    else:
        first = at_a_known_size() if unknown and snapshots is None else None
        if first is None:
            if unknown:
                failures[0].add_note(f"{_SIZES[0][0]} stands for the sizes that are not known.")
            raise failures[0]
        unknown = deep = False
    found = [first]
    if unknown:
        try:
            found.append(at(sizes[1]))
        except (TypeError, ValueError) as error:  # what was right for one size is not for another
            shapes = ", ".join(str(leaves[i].shape) for i in where)
            raise ValueError(
                f"{getattr(function, 'name', None) or getattr(function, '__name__', 'This')!r} cannot do with sizes "
                f"that are not known: it was called on {shapes}, and its weights or its result need one that is None "
                "there. Give Input that size."
            ) from error
    if deep and any(1 in leaf.shape for leaf in jax.tree.leaves(first)):  # strides may be larger than both sizes
        with contextlib.suppress(TypeError, ValueError):
            found.append(at(sizes[0] << 6))

    def agree(*found: Any) -> Spec:
        sizes = zip(*(one.shape for one in found), strict=True)
        return Spec((tuple(n[0] if len(set(n)) == 1 else None for n in sizes), standardize_dtype(found[0].dtype)))

    return jax.tree.map(agree, *found)


def fill(shape: Any, dtype: Any, size: int = _SIZES[0][0]) -> jax.ShapeDtypeStruct:
    """A shape with every unknown size replaced by a number."""
    return jax.ShapeDtypeStruct(tuple(size if n is None else n for n in shape), jax.dtypes.canonicalize_dtype(dtype))


# The operators, under the names that the functions of `ops` have; a graph's config calls them so.
_operators = types.SimpleNamespace()


def _operator(name: str, function: Callable[..., Any], *arrays: str) -> Any:
    function.__name__, function.__qualname__ = name, f"_operators.{name}"  # where pickle finds it
    made = operation(*arrays)(function)
    setattr(_operators, name, made)
    return made


def _binary(apply: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda x1, x2: apply(x1, x2)


def _unary(apply: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda x: apply(x)


_getitem = _operator("get_item", lambda x, key: x[key], "x")
_astype = _operator("cast", lambda x, dtype: x.astype(dtype), "x")
_reshape = _operator("reshape", lambda x, newshape: jnp.reshape(x, newshape), "x")
_transpose = _operator("transpose", lambda x: x.T, "x")
for _method, _name in {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}.items():
    _apply = getattr(operator, f"{_method}_" if _method in ("and", "or") else _method)
    _forward = _operator(_name, _binary(_apply), "x1", "x2")
    setattr(SymbolicTensor, f"__{_method}__", _forward)
    if _method not in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(SymbolicTensor, f"__r{_method}__", lambda self, other, forward=_forward: forward(other, self))
for _method, _name in {"neg": "negative", "abs": "absolute", "invert": "bitwise_not"}.items():
    setattr(SymbolicTensor, f"__{_method}__", _operator(_name, _unary(getattr(operator, _method)), "x"))


def is_array_like(value: Any) -> bool:
    """Whether a value is an array, a traced one, a symbolic one or NumPy's."""
    return isinstance(value, jax.Array | np.ndarray | SymbolicTensor | Variable)
