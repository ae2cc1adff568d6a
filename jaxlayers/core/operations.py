"""Operations: functions of arrays that also take variables, lists and symbolic tensors.

`operation` wraps a function of arrays. The wrapper records a node if one of its arguments is a symbolic tensor, and
calls the function otherwise. The operators of symbolic tensors are operations as well.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from jaxlayers.common import explanations, unknown_sizes
from jaxlayers.common.array_like import unwrap
from jaxlayers.common.settings import auto_name
from jaxlayers.core import symbolic
from jaxlayers.core.inference import infer, is_spec
from jaxlayers.core.symbolic import Node, SymbolicTensor, has_symbolic, operators
from jaxlayers.core.variable import Variable

Function = TypeVar("Function", bound=Callable[..., Any])


def operation(*arrays: str) -> Callable[[Function], Function]:
    """Decorator: a function of arrays that also takes variables, lists, NumPy arrays and symbolic tensors.

    Args:
        *arrays: the names of the parameters that are arrays. Those are converted, unless they are None or Python
            scalars (which take on the other operand's dtype); other parameters are left alone.
    """

    def decorate(function: Function) -> Function:
        code = inspect.unwrap(function).__code__  # `inspect.signature` is slow, and this runs at import
        names = list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        unknown = [name for name in arrays if name not in names]
        if unknown:
            raise TypeError(f"{function.__name__} has no parameters {unknown}.")
        positions = tuple(names.index(name) for name in arrays)
        first_only = positions == (0,)
        by_name = frozenset(arrays)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if symbolic.in_use and has_symbolic(args, kwargs):
                return record(call, args, kwargs)[1]
            if first_only and args:
                args = (as_array(args[0]), *args[1:])
            elif positions:
                args = tuple(as_array(a) if i in positions else a for i, a in enumerate(args))
            if kwargs:
                kwargs = {name: as_array(a) if name in by_name else a for name, a in kwargs.items()}
            return function(*args, **kwargs)

        call.arrays = arrays  # type: ignore[attr-defined]
        return call  # type: ignore[return-value]

    return decorate


def sized_by_values(function: Any) -> Callable[[Function], Function]:
    """Decorator: a variant of an operation for symbolic tensors, where sizes of its result depend on values.

    The variant has one more argument, `size`, in the place of these sizes.
    """

    def decorate(variant: Function) -> Function:
        function.with_size = variant
        return variant

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
    return jnp.asarray(explanations.refuse_dict(value))


_SCALARS = frozenset([int, float, bool, complex])


def record(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], specs: Any = None) -> tuple[Node, Any]:
    """Record a call; return its node and its symbolic results, of the given `specs` or else those of `infer`."""
    node = Node(function, args, kwargs)
    name = getattr(function, "name", None) or getattr(function, "__name__", "operation")
    specs = infer(function, args, kwargs) if specs is None else specs
    outputs = jax.tree.map(
        lambda spec: SymbolicTensor(spec[0], spec[1], auto_name(f"{name}_output"), node), specs, is_leaf=is_spec
    )
    node.outputs = outputs
    return node, outputs


# The operators have the names of the functions in `ops`, which configs of graphs use.


def _operator(name: str, function: Callable[..., Any], *arrays: str) -> Any:
    function.__name__, function.__qualname__ = name, f"operators.{name}"  # where pickle finds it
    wrapped = operation(*arrays)(function)
    setattr(operators, name, wrapped)
    return wrapped


def _binary(apply: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda x1, x2: apply(x1, x2)


def _or_identity(compare: Callable[..., Any]) -> Callable[..., Any]:
    """Return a comparison that leaves what cannot be compared to Python, so that lists can be searched."""

    def apply(self: SymbolicTensor, other: Any) -> Any:
        try:
            return NotImplemented if other is None or isinstance(other, str) else compare(self, other)
        except (TypeError, ValueError):
            return NotImplemented

    return apply


def _unary(apply: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda x: apply(x)


_operator("get_item", lambda x, key: x[key], "x")
_operator("cast", lambda x, dtype: x.astype(dtype), "x")
_operator("reshape", lambda x, newshape: unknown_sizes.reshape(x, newshape), "x")
_operator("transpose", lambda x: x.T, "x")
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
    setattr(SymbolicTensor, f"__{_method}__", _or_identity(_forward) if _method in ("eq", "ne") else _forward)
    if _method not in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(SymbolicTensor, f"__r{_method}__", lambda self, other, forward=_forward: forward(other, self))
for _method, _name in {"neg": "negative", "abs": "absolute", "invert": "bitwise_not"}.items():
    setattr(SymbolicTensor, f"__{_method}__", _operator(_name, _unary(getattr(operator, _method)), "x"))
