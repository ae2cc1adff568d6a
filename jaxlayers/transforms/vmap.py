"""`vmap` of functions that use facades: variables are shared by all examples."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax

from jaxlayers.common import masks
from jaxlayers.common.errors import ends_in_user_code
from jaxlayers.core import random, scope
from jaxlayers.core.effects import LossKey, run
from jaxlayers.core.protocols import Role
from jaxlayers.core.scope import Scope
from jaxlayers.core.variable import Variable


def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: Any = None,
    axis_size: int | None = None,
    spmd_axis_name: Any = None,
) -> Callable[..., Any]:
    """`jax.vmap` over a function that uses facades.

    Variables are shared by all examples. An array that is written must be the same for all of them (a sum or mean over
    the axis, for example). Random draws differ from example to example. Added losses are averaged over the
    axis, as the losses of a batch are.

    Raises:
        ValueError: when a variable is written with a value that differs along the axis.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> w = jl.Variable([1.0, 2.0])
        >>> jl.vmap(lambda row: (row * w).sum())(jnp.eye(2)).tolist()
        [1.0, 2.0]
    """

    @ends_in_user_code
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        name = _free_axis_name() if axis_name is None else axis_name
        axes = tuple(in_axes) if isinstance(in_axes, list | tuple) else (in_axes,) * len(args)
        # A mask has fewer axes than its array, so it can come along only where the first axis is mapped.
        leading = all(axis == 0 for axis in jax.tree.leaves((axes, out_axes)))
        carry = masks.carry if leading else lambda tree: tree
        written: list[Variable] = []

        def pure(args: Any, kwargs: Any) -> Any:
            outputs, effects = run(Scope.lifted(axis=name), fun, *args, **kwargs)
            written[:] = [key for key in effects.keys if isinstance(key, Variable)]
            effects.values[:] = map(functools.partial(_same_for_all, axis=name), effects.keys, effects.values)
            return carry(outputs), effects

        def mapped(function: Callable[..., Any], out: Any) -> Any:
            return jax.vmap(function, (axes, 0), out, name, axis_size, spmd_axis_name)

        try:
            outputs, effects = mapped(pure, (out_axes, None))(*carry((args, kwargs)))
        except ValueError as error:
            if "out_axes" not in str(error):
                raise
            names = [
                repr(variable.path)
                for number, variable in enumerate(written)
                if _fails(mapped(lambda *inputs, n=number: pure(*inputs)[1].values[n], None), args, kwargs)
            ]
            if not names:
                raise
            raise ValueError(
                f"Under vmap, {', '.join(names)} was written with a value that differs along the mapped axis. Reduce "
                "it over the axis first (jax.lax.pmean with axis_name=), or return it from the function."
            ) from error
        effects.commit()
        return masks.release(outputs)

    return wrapped


def _same_for_all(key: Any, value: Any, axis: Any) -> Any:
    """The value of an effect after a `vmap`, where the examples may have different ones."""
    if isinstance(key, LossKey):
        return jax.lax.pmean(value, axis)
    if key.role == Role.SEED:  # some examples may have drawn and others not
        return jax.lax.pmax(value, axis)
    if key.role == Role.STREAM:
        return random.state_after_vmap(scope.read(key))
    return value


def _fails(function: Callable[..., Any], *args: Any) -> bool:
    try:
        jax.eval_shape(function, *args)
    except ValueError:
        return True
    return False


def _free_axis_name() -> str:
    """The first name for a mapped axis that no enclosing axis has. It is reproducible: caches of JAX depend on it."""
    inner = scope.current()
    taken = () if inner is None else {axis for outer in inner.outwards() for axis in outer.keys.axes}
    return next(name for name in map("jaxlayers_vmap_{}".format, itertools.count()) if name not in taken)
