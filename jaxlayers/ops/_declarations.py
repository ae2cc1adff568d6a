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


def computed_by(function: Callable[..., Any]) -> Callable[[Declaration], Declaration]:
    """Decorator: turn a declaration into an operation that calls a function of JAX.

    All parameters of the declaration are arrays without defaults. They are passed on by position.
    """

    def decorate(declaration: Declaration) -> Declaration:
        names = declaration.__code__.co_varnames[: declaration.__code__.co_argcount]

        @functools.wraps(declaration)
        def compute(*args: Any, **kwargs: Any) -> Any:
            if kwargs or len(args) != len(names):
                declaration(*args, **kwargs)  # refuses missing and unknown arguments
                args = (*args, *(kwargs[name] for name in names[len(args) :]))
            return function(*args)

        return operation(*names)(compute)

    return decorate


def reduced_by(function: Callable[..., Any]) -> Callable[[Declaration], Declaration]:
    """Decorator: turn a declaration `(x, axis=None, keepdims=False)` into an operation: a reduction of JAX."""

    def decorate(declaration: Declaration) -> Declaration:
        @functools.wraps(declaration)
        def reduce(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
            return function(x, axis=hashable(axis), keepdims=keepdims)

        return operation("x")(reduce)

    return decorate
