"""Symbolic tensors: the placeholders that the functional API computes with instead of arrays.

`operation` wraps a function of arrays. The wrapper records a node if one of its arguments is a symbolic tensor, and
calls the function otherwise. Shapes come from `jax.eval_shape`. An unknown size is replaced by two different numbers in
turn: sizes of the result that are equal both times are known, and the others stay unknown. If the numbers are too small
for the call, larger ones are tried.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import operator
import types
import weakref
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common import masks
from jaxlayers.common.array_like import unwrap
from jaxlayers.common.settings import auto_name, standardize_dtype
from jaxlayers.core import scope
from jaxlayers.core.protocols import BuildLike
from jaxlayers.core.variable import Variable

# The numbers in the place of an unknown size; divisible, so that pools, strides and splits fit.
_SIZES = ((48, 80), (48 << 6, 80 << 6), (48 << 10, 80 << 10))
_in_use = False  # operations search their arguments for symbolic tensors only once the first one has been made


class Node:
    """One recorded call: the function, its arguments, and the symbolic tensors that it returned.

    A symbolic tensor holds the node that it comes from, and so all nodes before that one. The node refers to its
    outputs weakly, so that a graph is freed as soon as nobody holds the tensors at its end.
    """

    __slots__ = ("__weakref__", "_outputs", "args", "function", "kwargs")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]):
        self.function, self.args, self.kwargs = function, args, kwargs
        self._outputs: Any = None

    @property
    def outputs(self) -> Any:
        """The symbolic tensors that the call returned; one that was garbage-collected is created again."""
        return jax.tree.map(lambda output: output.tensor(self), self._outputs)

    @outputs.setter
    def outputs(self, tensors: Any) -> None:
        self._outputs = jax.tree.map(lambda tensor: _Output(tensor, self), tensors)

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

    __slots__ = ("__weakref__", "dtype", "mask", "name", "node", "output", "shape")
    __array_priority__ = 1100
    carries_mask = True

    def __init__(self, shape: Any, dtype: Any = None, name: str | None = None, node: Node | None = None):
        global _in_use
        _in_use = True
        self.shape: tuple[int | None, ...] = tuple(None if size is None else int(size) for size in shape)
        self.dtype = standardize_dtype(dtype)
        self.name = name or auto_name("symbolic_tensor")
        self.node = node
        self.output: _Output | None = None  # the place of this tensor among the outputs of the node
        self.mask: Any = None

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

    __array__ = __bool__ = __float__ = __int__ = __iter__ = _refuse
    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Any:
        return _getitem(self, index)

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise TypeError(f"len() needs a known size of the first axis; received {self!r}.")
        return self.shape[0]

    def astype(self, dtype: Any) -> Any:
        """The same values in another dtype."""
        return _astype(self, dtype)

    def reshape(self, *shape: Any) -> Any:
        """The same values in another shape."""
        return _reshape(self, shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape)

    @property
    def T(self) -> Any:  # noqa: N802, an array's name for it
        """The same values with the axes in the opposite order."""
        return _transpose(self)


class _Output:
    """A weak reference to one output of a node, with its shape, dtype and name to create it again."""

    __slots__ = ("_dtype", "_name", "_ref", "_shape")

    def __init__(self, tensor: SymbolicTensor, node: Node):
        self._shape, self._dtype, self._name = tensor.shape, tensor.dtype, tensor.name
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
            self.refer_to(tensor, node)
        return tensor

    def __getstate__(self) -> Any:
        return self._shape, self._dtype, self._name

    def __setstate__(self, state: Any) -> None:
        self._shape, self._dtype, self._name = state
        self._ref = _nothing  # until the copy of the tensor says that it is this output


def _nothing() -> None:
    return None


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
                return record(call, args, kwargs)[1]
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
    """Return a variable, list or NumPy array as an array; None and Python scalars as they are."""
    kind = type(value)
    if value is None or kind in _SCALARS or isinstance(value, jax.Array):
        return value
    if kind is Variable:
        return value.value
    if isinstance(value, list | tuple):
        value = jax.tree.map(unwrap, value)
    return jnp.asarray(value)


_SCALARS = frozenset([int, float, bool, complex])


def symbolic_leaves(tree: Any) -> list[SymbolicTensor]:
    """The symbolic tensors in a nested structure."""
    return [leaf for leaf in jax.tree.leaves(tree) if type(leaf) is SymbolicTensor]


def has_symbolic(args: Any, kwargs: Any) -> bool:
    """True if there is a symbolic tensor among the arguments of a call."""
    if not _in_use:
        return False
    for value in (*args, *kwargs.values()) if kwargs else args:
        if type(value) is SymbolicTensor or (isinstance(value, list | tuple | dict) and symbolic_leaves(value)):
            return True
    return False


def record(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], specs: Any = None) -> tuple[Node, Any]:
    """Record a call; return its node and its symbolic results, of the given `specs` or else those of `infer`."""
    node = Node(function, args, kwargs)
    name = getattr(function, "name", None) or getattr(function, "__name__", "operation")
    specs = infer(function, args, kwargs) if specs is None else specs
    outputs = jax.tree.map(
        lambda spec: SymbolicTensor(spec[0], spec[1], auto_name(f"{name}_output"), node), specs, is_leaf=_is_spec
    )
    node.outputs = outputs
    return node, outputs


class Spec(tuple):
    """A (shape, dtype) pair, in which None is an unknown size; a leaf of the result of `infer`."""


def _is_spec(value: Any) -> bool:
    return type(value) is Spec


def infer(function: Callable[..., Any], args: Any, kwargs: Any, build: BuildLike | None = None) -> Any:
    """Return the shapes and dtypes of the result of a function, as a tree of `Spec`.

    Nothing is computed and no state changes. Layers that build themselves stay built.

    Args:
        function: the function.
        args: its arguments; symbolic tensors among them come with their masks.
        kwargs: likewise, by name.
        build: the build that records the layers that build themselves, so that this can be undone.

    Raises:
        ValueError: when the result depends on a size that is unknown.
    """
    trial = _Trial(function, args, kwargs, build)
    size, first = trial.first_that_works()
    results = [first]
    if size is not None and trial.has_unknown:
        results.append(trial.second(size))
        # Strides may be larger than both sizes, so that a size of 1 came out both times.
        if trial.is_deep and any(1 in leaf.shape for leaf in jax.tree.leaves(first)):
            with contextlib.suppress(TypeError, ValueError):
                results.append(trial.at(size << 6))

    def agree(*leaves: Any) -> Spec:
        sizes = zip(*(leaf.shape for leaf in leaves), strict=True)
        return Spec((tuple(n[0] if len(set(n)) == 1 else None for n in sizes), standardize_dtype(leaves[0].dtype)))

    return jax.tree.map(agree, *results)


class _Trial:
    """A function traced with numbers in the place of the sizes that are not known."""

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any, build: BuildLike | None):
        self._function, self._build = function, build
        self._leaves, self._tree = jax.tree.flatten((args, kwargs))
        self._where = [i for i, leaf in enumerate(self._leaves) if type(leaf) is SymbolicTensor]
        # Each tensor with its mask, which is another symbolic tensor or None.
        self._tensors = [(self._leaves[i], self._leaves[i].mask) for i in self._where]
        shapes = [self._leaves[i].shape for i in self._where]
        self.has_unknown = any(None in shape for shape in shapes)
        self.is_deep = any(None in shape[1:] for shape in shapes)  # more than the batch size is unknown

    def at(self, size: int) -> Any:
        """Trace the function with a number in the place of every unknown size."""
        structs = jax.tree.map(lambda tensor: fill(tensor.shape, tensor.dtype, size), self._tensors)
        return jax.eval_shape(self._run, structs)

    def _run(self, values: list[Any]) -> Any:
        filled = list(self._leaves)
        for i, (value, mask) in zip(self._where, values, strict=True):
            masks.set_mask(value, mask)
            filled[i] = value
        args, kwargs = jax.tree.unflatten(self._tree, filled)
        with scope.Scope.closed(build=self._build):
            return jax.tree.map(unwrap, self._function(*args, **kwargs))

    def first_that_works(self) -> tuple[int | None, Any]:
        """Trace with one number after another; return the first that works, and the result.

        The number is None if the function runs only with an unknown size that is equal to a size of another argument.
        """
        failures = []
        for size, _ in _SIZES if self.is_deep else _SIZES[:1]:
            try:
                return size, self.at(size)
            except (TypeError, ValueError) as error:
                failures.append(error)
                if self._build is not None:
                    self._build.undo()
        result = self._at_known_size() if self.has_unknown and self._build is None else None
        if result is None:
            if self.has_unknown:
                failures[0].add_note(f"In this message, {_SIZES[0][0]} stands for unknown sizes (None).")
            raise failures[0]
        return None, result

    def _at_known_size(self) -> Any:
        """Trace with the sizes of the other arguments, the largest first; None if none of them works."""
        shapes = [getattr(leaf, "shape", (leaf,)) for leaf in self._leaves]
        sizes = {size for shape in shapes for size in shape if type(size) is int and size > 1}
        for size in sorted(sizes, reverse=True):
            with contextlib.suppress(TypeError, ValueError):
                return self.at(size)
        return None

    def second(self, first_size: int) -> Any:
        """Trace with another number, to tell which sizes of the result depend on it."""
        try:
            return self.at(next(second for first, second in _SIZES if first == first_size))
        except (TypeError, ValueError) as error:  # the first number fits, another one does not
            name = getattr(self._function, "name", None) or getattr(self._function, "__name__", "This")
            shapes = ", ".join(str(self._leaves[i].shape) for i in self._where)
            raise ValueError(
                f"{name!r} cannot be called with unknown sizes: received shapes {shapes}, and its weights or its "
                "result depend on a size that is None there. Give Input that size."
            ) from error


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """Apply a function to every shape, a list or tuple of sizes, in a nested structure."""

    def is_shape(value: Any) -> bool:
        return isinstance(value, list | tuple) and all(n is None or isinstance(n, int | np.integer) for n in value)

    return jax.tree.map(function, shapes, is_leaf=is_shape)


def fill(shape: Any, dtype: Any, size: int = _SIZES[0][0]) -> jax.ShapeDtypeStruct:
    """Return a shape and dtype with every unknown size replaced by a number."""
    return jax.ShapeDtypeStruct(tuple(size if n is None else n for n in shape), jax.dtypes.canonicalize_dtype(dtype))


# The operators, under the names of the functions in `ops`, which configs of graphs use.
_operators = types.SimpleNamespace()


def _operator(name: str, function: Callable[..., Any], *arrays: str) -> Any:
    function.__name__, function.__qualname__ = name, f"_operators.{name}"  # where pickle finds it
    wrapped = operation(*arrays)(function)
    setattr(_operators, name, wrapped)
    return wrapped


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
