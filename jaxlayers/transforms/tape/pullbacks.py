"""How gradients go back through one operation.

All derivatives are those of `jax.vjp`. There are three ways to get them:

- A small operation that runs eagerly keeps its arguments. Its gradient is a function that is compiled once for each
  (primitive, parameters, inputs with a gradient), when a gradient is asked for.
- A program or loop that runs eagerly (`jit`, `scan`, `cond`, ...) runs once, as a compiled `jax.vjp`, which returns the
  outputs and the residuals.
- Inside a transformation, each operation is linearized as it is met.

The caches of compiled functions are bounded.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.manual_axes import vary

Pullback = Callable[[Sequence[Any]], Sequence[Any]]
_MOST_COMPILED = 4096  # functions in each cache


class Operation:
    """A primitive with its parameters, as a function of its arguments; equal to others that compute the same.

    Args:
        primitive: the primitive.
        params: its parameters.
    """

    __slots__ = ("_hash", "_key", "params", "primitive")

    def __init__(self, primitive: Any, params: dict[str, Any]):
        self.primitive, self.params = primitive, params
        self._key = (primitive, tuple(sorted(params.items(), key=_name)))
        self._hash: int | None = None

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self._key)
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Operation) and self._key == other._key

    def __call__(self, *args: Any) -> list[Any]:
        outputs = self.primitive.bind(*args, **self.params)
        return list(outputs) if self.primitive.multiple_results else [outputs]


def _name(item: tuple[str, Any]) -> str:
    return item[0]


def is_hashable(operation: Operation) -> bool:
    """True if compiled functions can be cached for an operation."""
    try:
        hash(operation)
    except TypeError:
        return False
    return True


def allow_another_run(functions: Sequence[Any]) -> None:
    """Make functions ready to run again that JAX has handed to a trace.

    Such a function is a `WrappedFun`, which JAX does not document: each run fills its `stores` (the structure of the
    outputs, for example), and a second run is an error unless they are emptied. The method `reset` of a store empties
    it. JAX has no public way to run such a function twice.
    """
    for function in functions:
        for store in getattr(function, "stores", ()):
            if store:
                store.reset()


def of_some(function: Callable[..., Any], args: Sequence[Any], numbers: Sequence[int]) -> Callable[..., Any]:
    """Return a function of some of its arguments, with the others fixed."""

    def partial(*some: Any) -> Any:
        merged = list(args)
        for number, value in zip(numbers, some, strict=True):
            merged[number] = value
        return function(*merged)

    return partial


def complete(cotangents: Sequence[Any], avals: Sequence[Any]) -> list[Any]:
    """Return the cotangents of outputs with the given types, with zeros in the places of those that are None."""
    return [_zero(aval) if cotangent is None else cotangent for cotangent, aval in zip(cotangents, avals, strict=True)]


def _zero(aval: Any) -> Any:
    """The zero that `jax.vjp` takes as the cotangent of an output: of dtype float0 for integers and keys."""
    if jnp.issubdtype(aval.dtype, jnp.inexact):
        return vary(jnp.zeros(aval.shape, aval.dtype), aval.manual_axis_type.varying)
    return np.zeros(aval.shape, jax.dtypes.float0)


def linearize(function: Callable[..., Any], args: Sequence[Any], numbers: Sequence[int]) -> tuple[list[Any], Pullback]:
    """Run a function in the current trace; return its outputs and its pullback to some of the arguments."""
    outputs, vjp = jax.vjp(of_some(function, args, numbers), *[args[number] for number in numbers])
    avals = [jax.typeof(output) for output in outputs]
    return outputs, lambda cotangents: vjp(complete(cotangents, avals))


def run_compiled(operation: Operation, args: Sequence[Any], numbers: tuple[int, ...]) -> tuple[list[Any], Pullback]:
    """Run a program or loop once, compiled together with its residuals; return its outputs and its pullback."""
    outputs, vjp = _forward(operation, numbers)(*args)
    avals = [jax.typeof(output) for output in outputs]
    return outputs, lambda cotangents: _back(vjp, cotangents, tuple(avals))


@functools.lru_cache(_MOST_COMPILED)
def _forward(operation: Operation, numbers: tuple[int, ...]) -> Callable[..., Any]:
    @jax.jit
    def forward(*args: Any) -> Any:
        return jax.vjp(of_some(operation, args, numbers), *[args[number] for number in numbers])

    return forward


@functools.partial(jax.jit, static_argnums=2)
def _back(vjp: Any, cotangents: Sequence[Any], avals: tuple[Any, ...]) -> Any:
    return vjp(complete(cotangents, avals))


def pull_back(operation: Any, args: Sequence[Any], numbers: tuple[int, ...], cotangents: Sequence[Any]) -> Any:
    """Return the cotangents of some arguments of an operation that has kept its arguments."""
    own = operation.params.get("subfuns", ()) if isinstance(operation, Operation) else ()
    if own or not is_hashable(operation):
        allow_another_run(own)
        return linearize(operation, args, numbers)[1](cotangents)
    return _pullback(operation, numbers)(args, cotangents)


@functools.lru_cache(_MOST_COMPILED)
def _pullback(operation: Operation, numbers: tuple[int, ...]) -> Callable[..., Any]:
    @jax.jit
    def pullback(args: Any, cotangents: Any) -> Any:
        return linearize(operation, args, numbers)[1](cotangents)

    return pullback
