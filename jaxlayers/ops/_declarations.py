"""Decorators of declarations: functions with a signature and a docstring, but no body.

Most of `ops` are functions of JAX under Keras's names. A declaration gives such a function its name, its parameters and
its documentation. The decorator names the function of JAX, and turns the declaration into an operation.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.types import Array, ArrayLike, Axis, hashable, wide

_HALF = frozenset([jnp.dtype("float16"), jnp.dtype("bfloat16")])
Declaration = TypeVar("Declaration", bound=Callable[..., Any])


def computed_by(function: Callable[..., Any], *arrays: str) -> Callable[[Declaration], Declaration]:
    """Decorator: turn a declaration into an operation that calls a function of JAX.

    Args:
        function: the function of JAX. Its first parameters are the arrays, under any names. The other parameters of the
            declaration are its next ones, of the same names and defaults.
        *arrays: the parameters of the declaration that are arrays. They have no defaults. If none is named, all are.
    """

    def decorate(declaration: Declaration) -> Declaration:
        names = declaration.__code__.co_varnames[: declaration.__code__.co_argcount]
        required = len(names) - len(declaration.__defaults__ or ())
        array_names = arrays or names

        @functools.wraps(declaration)
        def compute(*args: Any, **kwargs: Any) -> Any:
            if kwargs or not required <= len(args) <= len(names):
                declaration(*args, **kwargs)  # refuses missing and unknown arguments
                args = (*args, *(kwargs.pop(name) for name in array_names[len(args) :]))
            return function(*args, **kwargs)

        return operation(*array_names)(compute)  # type: ignore[return-value]

    return decorate


def widened(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of arrays that computes half precision in float32, and returns the dtype of its arguments.

    The arrays are the positional arguments. The sums of squares of a function like a standard deviation may overflow in
    half precision where the result does not.
    """

    @functools.wraps(function)
    def compute(*arrays: Any, **options: Any) -> Any:
        is_half = [getattr(array, "dtype", None) in _HALF for array in arrays]
        if not any(is_half):
            return function(*arrays, **options)
        dtype = jnp.result_type(
            *(array for array in arrays if hasattr(array, "dtype") and array.dtype.kind not in "biu")
        )
        pairs = zip(arrays, is_half, strict=True)
        results = function(*(wide(array) if half else array for array, half in pairs), **options)
        return jax.tree.map(lambda result: result.astype(dtype) if result.dtype == "float32" else result, results)

    return compute


def reduced_by(function: Callable[..., Any]) -> Callable[[Declaration], Declaration]:
    """Decorator: turn a declaration `(x, axis=None, keepdims=False)` into an operation: a reduction of JAX."""

    def decorate(declaration: Declaration) -> Declaration:
        @functools.wraps(declaration)
        def reduce(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
            return function(x, axis=hashable(axis), keepdims=keepdims)

        return operation("x")(reduce)  # type: ignore[return-value]

    return decorate
