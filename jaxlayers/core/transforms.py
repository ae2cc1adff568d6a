"""JAX's transformations for functions that read and write facades: `grad`, `vmap`, `remat`; see `loops` for more.

Each takes the arguments of JAX's own. The effects of the function on variables, losses and generators are committed
once, after the transformation has succeeded.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.errors import ends_in_user_code
from jaxlayers.core import building, masks, random, scope, trees
from jaxlayers.core.effects import LossKey, run
from jaxlayers.core.layer import Layer
from jaxlayers.core.protocols import Role
from jaxlayers.core.scope import Scope
from jaxlayers.core.variable import Variable


def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    reduce_axes: Any = (),
    *,
    wrt: Any = None,
) -> Callable[..., Any]:
    """`jax.value_and_grad`, also with respect to variables.

    Args:
        fun: a function that returns a scalar, or with `has_aux` a pair of one and anything else.
        argnums: which positional arguments to differentiate with respect to, when `wrt` is not given.
        has_aux: as in `jax.value_and_grad`, like those that follow.
        holomorphic: likewise.
        allow_int: likewise.
        reduce_axes: likewise.
        wrt: a variable, a layer, or a nested structure of them: then the gradients have that structure, with that of
            its `params` in the place of a layer, and no argument is differentiated.

    Returns:
        A function with the arguments of `fun` that returns `(value, gradients)`, or `((value, aux), gradients)`.

    Raises:
        TypeError: when something in `wrt` is not a variable, or is not differentiable.

    Example:
        >>> import jaxlayers as jl
        >>> w = jl.Variable(3.0)
        >>> value, gradient = jl.value_and_grad(lambda x: x * w**2, wrt=w)(2.0)
        >>> float(value), float(gradient)
        (18.0, 12.0)
    """

    @ends_in_user_code
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(leaf, Layer) and not leaf.built for leaf in jax.tree.leaves(wrt, is_leaf=_is_facade)):
            building.dry_run(fun, args, kwargs)
        variables, tree = _wrt(wrt)
        inner = scope.current()
        axis = None if inner is None or wrt is None else inner.mean_axis  # each device has its part of the batch

        def pure(values: list[Any], *inputs: Any) -> Any:
            inputs = masks.follow(inputs, args)
            outputs, effects = run(Scope.lifted(dict(zip(variables, values, strict=True))), fun, *inputs, **kwargs)
            value, aux = outputs if has_aux else (outputs, None)
            return (value if axis is None else jax.lax.pmean(value, axis)), (aux, effects)

        numbers = 0 if wrt is not None else jax.tree.map(lambda n: n + 1 if n >= 0 else n, argnums)
        transformed = jax.value_and_grad(
            pure, numbers, has_aux=True, holomorphic=holomorphic, allow_int=allow_int, reduce_axes=reduce_axes
        )
        (value, (aux, effects)), gradients = transformed([scope.read(variable) for variable in variables], *args)
        effects.commit()
        if axis is not None:
            gradients = jax.lax.pmean(gradients, axis)
        if wrt is not None:
            gradients = tree(gradients)
        return ((value, aux) if has_aux else value), gradients

    return wrapped


def grad(
    fun: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    reduce_axes: Any = (),
    *,
    wrt: Any = None,
) -> Callable[..., Any]:
    """`jax.grad`, also with respect to variables: see `value_and_grad`.

    Example:
        >>> import jaxlayers as jl
        >>> w = jl.Variable(3.0)
        >>> float(jl.grad(lambda: w**2, wrt=w)())
        6.0
    """
    both = value_and_grad(fun, argnums, has_aux, holomorphic, allow_int, reduce_axes, wrt=wrt)

    @ends_in_user_code
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, gradients = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return wrapped


def _wrt(wrt: Any) -> tuple[list[Variable], Callable[[list[Any]], Any]]:
    """Return the variables in `wrt`, and a function that gives a list of gradients its structure."""
    if wrt is None:
        return [], list
    with_params = jax.tree.map(
        lambda leaf: _trainable(leaf) if isinstance(leaf, Layer) else leaf, wrt, is_leaf=_is_facade
    )
    variables, tree = jax.tree.flatten(with_params, is_leaf=_is_facade)
    rebuild: Callable[[list[Any]], Any] = functools.partial(jax.tree.unflatten, tree)
    for variable in variables:
        if not isinstance(variable, Variable):
            raise TypeError(f"wrt= takes variables, layers and structures of variables; received {variable!r}.")
        if not jnp.issubdtype(variable.dtype, jnp.inexact):
            raise TypeError(
                f"{variable.path!r} has dtype {variable.dtype}, which has no gradient. Leave it out of wrt."
            )
    # The same variable twice is one input, whose gradient is given twice.
    unique = list(dict.fromkeys(variables))
    if len(unique) == len(variables):
        return variables, rebuild
    return unique, lambda values: rebuild([dict(zip(unique, values, strict=True))[v] for v in variables])


def _is_facade(leaf: Any) -> bool:
    return isinstance(leaf, Variable | Layer)


def _trainable(layer: Layer) -> dict[str, Any]:
    """The variables of a layer in the places of their arrays in `params`."""
    return trees.nest((path, variable) for path, variable in layer._walk.entries if variable.trainable)


def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: Any = None,
    axis_size: int | None = None,
    spmd_axis_name: Any = None,
) -> Callable[..., Any]:
    """`jax.vmap` over a function that uses facades.

    Variables are shared by all examples. What is written must be the same for all of them (a sum or mean over the
    axis, say). Random draws differ from example to example. Added losses are averaged over the axis, as those of a
    batch are.

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
    """A name for a mapped axis that no axis around has; always the same one, since compiled code is cached by it."""
    inner = scope.current()
    taken = () if inner is None else {axis for outer in inner.outwards() for axis in outer.keys.axes}
    return next(name for name in map("jaxlayers_vmap_{}".format, itertools.count()) if name not in taken)


def remat(
    fun: Callable[..., Any],
    *,
    prevent_cse: bool = True,
    policy: Any = None,
    static_argnums: int | tuple[int, ...] = (),
) -> Callable[..., Any]:
    """`jax.checkpoint` of a function, or layer, that uses facades: its inside is computed again for the gradient.

    Args:
        fun: the function or layer.
        prevent_cse: as in `jax.checkpoint`, like those that follow.
        policy: likewise; or the name of one in `jax.checkpoint_policies`, such as `"dots_saveable"`.
        static_argnums: likewise.

    Raises:
        ValueError: for an unknown name.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> w = jl.Variable(2.0)
        >>> float(jl.grad(jl.remat(lambda x: jnp.sin(w * x)), argnums=0)(0.0))
        2.0
    """
    policy = checkpoint_policy(policy)

    @ends_in_user_code
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        # Pass flags such as training= around jax.checkpoint, which would trace them.
        flags = {name: value for name, value in kwargs.items() if value is None or isinstance(value, bool | str)}
        data = {name: value for name, value in kwargs.items() if name not in flags}

        def pure(*args: Any, **data: Any) -> Any:
            outputs, effects = run(Scope.lifted(), fun, *args, **data, **flags)
            return masks.carry(outputs), effects

        args, data = masks.carry((args, data))
        outputs, effects = jax.checkpoint(pure, prevent_cse=prevent_cse, policy=policy, static_argnums=static_argnums)(
            *args, **data
        )
        effects.commit()
        return masks.release(outputs)

    return functools.wraps(fun)(wrapped) if hasattr(fun, "__name__") else wrapped


_POLICIES = ("nothing_saveable", "everything_saveable", "dots_saveable", "dots_with_no_batch_dims_saveable")


def checkpoint_policy(policy: Any) -> Any:
    """A policy of `jax.checkpoint` by its name, or as it is."""
    if not isinstance(policy, str):
        return policy
    if policy not in _POLICIES:
        raise ValueError(
            f"remat: policy must be None, a function or one of {', '.join(_POLICIES)}; received {policy!r}."
        )
    return getattr(jax.checkpoint_policies, policy)
