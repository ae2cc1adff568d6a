"""The decorator of loss and metric functions `(y_true, y_pred, ...) -> one value per sample`, and its shape checks.

`samplewise` turns the formula of a function into an operation. It converts labels and predictions to one shape and
dtype, raises an error if their shapes do not fit, and compiles the function once for each set of options, so that an
eager call is a single dispatch. Inside a trace the compiled function is inlined.

Half-precision inputs are computed in float32: in bfloat16, 1 - 1e-7 rounds to 1 and log(1 - 1) is infinite. The result
has the dtype of the predictions; a boolean result (right or wrong) becomes `floatx()`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import epsilon, floatx
from jaxlayers.core.operations import operation
from jaxlayers.numerics.types import wide_dtype

Function = TypeVar("Function", bound=Callable[..., Any])
Prepare = Callable[[str, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


def match_ranks(a: Any, b: Any) -> tuple[Any, Any]:
    """Drop or add a last axis of size 1 if that makes the ranks equal; otherwise return both arrays unchanged.

    The axis is dropped, unless the array of lower rank is a vector: then that one receives the axis.
    """
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b[..., None]) if b.ndim == 1 else (a[..., 0], b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (a[..., None], b) if a.ndim == 1 else (a, b[..., 0])
    return a, b


def broadcastable(name: str, y_true: jax.Array, y_pred: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return labels and predictions as floats, broadcast to one shape."""
    y_true, y_pred = match_ranks(_as_float(y_true, y_pred), _as_float(y_pred, y_pred))
    try:
        shape = jnp.broadcast_shapes(y_true.shape, y_pred.shape)
    except ValueError:
        raise mismatch(name, y_true, y_pred) from None
    if not shape:
        raise ValueError(f"{name}: expected arrays with at least one axis; received two scalars.")
    return jnp.broadcast_to(y_true, shape), jnp.broadcast_to(y_pred, shape)


def equal_shapes(name: str, y_true: jax.Array, y_pred: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return labels and predictions; raise a ValueError unless their shapes match up to `match_ranks`."""
    y_true, y_pred = match_ranks(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise mismatch(name, y_true, y_pred)
    return y_true, y_pred


def same_shape(name: str, y_true: jax.Array, y_pred: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return labels and predictions as floats; raise a ValueError unless they have one shape, of at least one axis."""
    if not y_pred.ndim:
        raise mismatch(name, y_true, y_pred)
    return equal_shapes(name, _as_float(y_true, y_pred), _as_float(y_pred, y_pred))


def classes_and_scores(name: str, y_true: jax.Array, y_pred: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return class indices unchanged and predictions as floats; the decorated function checks their shapes."""
    if not y_pred.ndim:
        raise ValueError(f"{name}: expected y_pred with an axis of classes; received a scalar.")
    return y_true, _as_float(y_pred, y_pred)


def class_indices(name: str, y_true: jax.Array, y_pred: jax.Array, axis: int = -1) -> jax.Array:
    """Return class indices in the shape of the scores without the axis of the classes."""
    before, after = y_pred.shape[:axis], y_pred.shape[axis:][1:]
    if y_true.shape not in (before + after, (*before, 1, *after)):
        raise mismatch(name, y_true, y_pred, f"the same shape but for axis {axis}, the classes in y_pred")
    return y_true.reshape(before + after)


def samplewise(*static: str, prepare: Prepare = broadcastable) -> Callable[[Function], Function]:
    """Decorate the formula of a loss or metric, a function of `(y_true, y_pred, ...)`.

    Args:
        *static: the names of the options that are static arguments of the compilation: the formula branches on them.
        prepare: called as `prepare(name, y_true, y_pred)`; returns the two arrays that the formula receives.
    """

    def decorate(function: Function) -> Function:
        names = list(inspect.signature(function).parameters)[2:]
        name = function.__name__

        # The settings are a static argument: without it, a compiled function would keep using an old epsilon.
        def compute(settings: tuple[Any, ...], y_true: Any, y_pred: Any, **options: Any) -> Any:
            y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
            values = function(*prepare(name, y_true, y_pred), **options)
            return values.astype(floatx() if values.dtype == jnp.bool_ else _float_dtype(y_pred))

        compute.__name__ = name
        compiled = jax.jit(compute, static_argnums=0, static_argnames=static, inline=True)

        @functools.wraps(function)
        def call(y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Any:
            if len(args) > len(names):
                raise TypeError(f"{name} takes {2 + len(names)} arguments; received {2 + len(args)}.")
            options = {**dict(zip(names, args, strict=False)), **kwargs}
            for option in static:
                if isinstance(options.get(option), list | np.ndarray):  # axes that were read from JSON
                    options[option] = tuple(np.asarray(options[option]).tolist())
            return compiled((epsilon(), floatx()), y_true, y_pred, **options)

        return operation("y_true", "y_pred")(call)  # type: ignore[return-value]

    return decorate


def _float_dtype(y_pred: jax.Array) -> Any:
    return y_pred.dtype if jnp.issubdtype(y_pred.dtype, jnp.floating) else floatx()


def _as_float(array: jax.Array, y_pred: jax.Array) -> jax.Array:
    return array.astype(wide_dtype(_float_dtype(y_pred)))


def mismatch(name: str, y_true: jax.Array, y_pred: jax.Array, expected: str = "the same shape") -> ValueError:
    """Return the error for labels and predictions whose shapes do not fit each other."""
    return ValueError(
        f"{name}: y_true and y_pred must have {expected}; received y_true of shape {y_true.shape} and y_pred of shape "
        f"{y_pred.shape}."
    )
