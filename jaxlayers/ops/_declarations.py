"""Decorators of declarations: functions with a signature and a docstring, but no body.

Most of `ops` are functions of JAX under Keras's names. A declaration gives such a function its name, its parameters and
its documentation. The decorator names the function of JAX, and turns the declaration into an operation.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from jaxlayers.core import operation
from jaxlayers.numerics.types import Array, ArrayLike, Axis, hashable

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


def reduced_by(function: Callable[..., Any]) -> Callable[[Declaration], Declaration]:
    """Decorator: turn a declaration `(x, axis=None, keepdims=False)` into an operation: a reduction of JAX."""

    def decorate(declaration: Declaration) -> Declaration:
        @functools.wraps(declaration)
        def reduce(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
            return function(x, axis=hashable(axis), keepdims=keepdims)

        return operation("x")(reduce)  # type: ignore[return-value]

    return decorate
