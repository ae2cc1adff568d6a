"""What a loss function is: `(y_true, y_pred) -> one value per sample`, and what all of them share.

`samplewise` turns the mathematics of one into an operation. It brings labels and predictions to one shape and dtype,
says so when that cannot be done, and compiles the whole for each set of options, so that an eager call is a single
dispatch; where something is being traced already, nothing of that is left. Half-precision inputs are computed with in
float32, since 1 - 1e-7 is 1 in bfloat16 and log(1 - 1) is no loss; the result has the dtype of the predictions, and
that of `floatx()` when it says right or wrong.
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
from jaxlayers.core.symbolic import operation

Function = TypeVar("Function", bound=Callable[..., Any])
Prepare = Callable[[str, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


def match_ranks(a: Any, b: Any) -> tuple[Any, Any]:
    """Drop or add a last axis of size 1 where that makes the ranks equal; otherwise both come back as they are."""
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b[..., None]) if b.ndim == 1 else (a[..., 0], b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (a[..., None], b) if a.ndim == 1 else (a, b[..., 0])
    return a, b


def broadcastable(name: str, y_true: jax.Array, y_pred: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Labels and predictions as floats of one shape; axes of size 1 are repeated."""
    y_true, y_pred = match_ranks(_as_float(y_true, y_pred), _as_float(y_pred, y_pred))
    try:
        shape = np.broadcast_shapes(y_true.shape, y_pred.shape)
    except ValueError:
        raise mismatch(name, y_true, y_pred) from None
    if not shape:
        raise ValueError(f"{name}: expected arrays with at least one axis; received two scalars.")
    return jnp.broadcast_to(y_true, shape), jnp.broadcast_to(y_pred, shape)


def same_shape(name: str, y_true: jax.Array, y_pred: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Labels and predictions as floats; their shapes have to be equal already, up to a last axis of size 1."""
    y_true, y_pred = match_ranks(_as_float(y_true, y_pred), _as_float(y_pred, y_pred))
    if y_true.shape != y_pred.shape or not y_pred.ndim:
        raise mismatch(name, y_true, y_pred)
    return y_true, y_pred


def classes_and_scores(name: str, y_true: jax.Array, y_pred: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Numbers of classes as they are, and predictions as floats; the shapes are for the function to check."""
    if not y_pred.ndim:
        raise ValueError(f"{name}: expected y_pred with an axis of classes; received a scalar.")
    return y_true, _as_float(y_pred, y_pred)


def samplewise(*static: str, prepare: Prepare = broadcastable) -> Callable[[Function], Function]:
    """Decorator for the mathematics of a loss or metric function of `(y_true, y_pred, ...)`.

    Args:
        *static: the names of those options that the computation branches on.
        prepare: called as `prepare(name, y_true, y_pred)`: what the mathematics gets to see.
    """

    def decorate(function: Function) -> Function:
        names = list(inspect.signature(function).parameters)[2:]
        name = function.__name__

        # The settings are part of the key, or a change of epsilon would go unnoticed.
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
                if isinstance(options.get(option), list | np.ndarray):  # as axes come back from JSON
                    options[option] = tuple(np.asarray(options[option]).tolist())
            return compiled((epsilon(), floatx()), y_true, y_pred, **options)

        return operation("y_true", "y_pred")(call)

    return decorate


def _float_dtype(y_pred: jax.Array) -> Any:
    return y_pred.dtype if jnp.issubdtype(y_pred.dtype, jnp.floating) else floatx()


def _as_float(array: jax.Array, y_pred: jax.Array) -> jax.Array:
    return array.astype(jnp.promote_types(_float_dtype(y_pred), jnp.float32))


def mismatch(name: str, y_true: jax.Array, y_pred: jax.Array, expected: str = "the same shape") -> ValueError:
    """The error for labels and predictions that do not fit each other."""
    return ValueError(
        f"{name}: y_true and y_pred must have {expected}; received y_true of shape {y_true.shape} and y_pred of shape "
        f"{y_pred.shape}."
    )
