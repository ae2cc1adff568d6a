"""`grad` and `value_and_grad` of functions that use facades, also with respect to variables."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import manual_axes, masks, trees
from jaxlayers.common.errors import ends_in_user_code
from jaxlayers.core import building, scope
from jaxlayers.core.effects import run
from jaxlayers.core.layer import Layer
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
        fun: a function that returns a scalar, or with `has_aux` a pair of a scalar and auxiliary data.
        argnums: the numbers of the positional arguments to differentiate with respect to, if `wrt` is not given.
        has_aux: as in `jax.value_and_grad`, like those that follow.
        holomorphic: likewise.
        allow_int: likewise.
        reduce_axes: likewise.
        wrt: a variable, a layer, or a nested structure of them, to differentiate with respect to instead of arguments.
            The gradients have the same structure, with the structure of its `params` in the place of a layer.

    Returns:
        A function with the arguments of `fun` that returns `(value, gradients)`, or `((value, aux), gradients)`.

    Raises:
        TypeError: when something in `wrt` is not a variable, or is not differentiable; when `argnums` holds something
            other than integers, such as variables; without `wrt`, when an argument to differentiate with respect to is
            a layer.
        ValueError: when `argnums` is out of range.

    Example:
        >>> import jaxlayers as jl
        >>> w = jl.Variable(3.0)
        >>> value, gradient = jl.value_and_grad(lambda x: x * w**2, wrt=w)(2.0)
        >>> float(value), float(gradient)
        (18.0, 12.0)
    """
    _check_argnums(argnums)

    @ends_in_user_code
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(leaf, Layer) and not leaf.built for leaf in jax.tree.leaves(wrt, is_leaf=is_facade)):
            building.dry_run(fun, args, kwargs)
        variables, tree = _wrt(wrt)
        inner = scope.current()
        # Each device computes the gradient of its part of the batch.
        axis = None if inner is None or wrt is None else inner.mean_axis
        tracks = axis is not None and manual_axes.is_tracked(axis)

        def pure(values: list[Any], *inputs: Any) -> Any:
            inputs = masks.follow(inputs, args)
            outputs, effects = run(Scope.lifted(dict(zip(variables, values, strict=True))), fun, *inputs, **kwargs)
            value, aux = outputs if has_aux else (outputs, None)
            return _share_of_mean(value, axis, tracks), (aux, effects)

        options = {"holomorphic": holomorphic, "allow_int": allow_int, "reduce_axes": reduce_axes}
        if wrt is None:
            _check_arguments(argnums, args)
            transformed = jax.value_and_grad(functools.partial(pure, []), argnums, has_aux=True, **options)
            (value, (aux, effects)), gradients = transformed(*args)
        else:
            transformed = jax.value_and_grad(pure, has_aux=True, **options)
            (value, (aux, effects)), gradients = transformed([scope.read(variable) for variable in variables], *args)
        effects.commit()
        if axis is not None and tracks:
            gradients = jax.lax.pmean(gradients, axis)
        elif axis is not None:
            value, gradients = jax.lax.psum((value, gradients), axis)
        if wrt is not None:
            gradients = tree(gradients)
        return ((value, aux) if has_aux else value), gradients

    return wrapped


def _share_of_mean(value: Any, axis: Any, tracks: bool) -> Any:
    """Return what a device differentiates, so that its gradients are as small as those of the whole batch.

    Otherwise gradients in float16 would overflow where those of one device do not. If JAX tracks what varies, the
    derivative of the mean over the axis is right on each device; else the shares of the devices are added up later.
    """
    if axis is None:
        return value
    return jax.lax.pmean(value, axis) if tracks else value / jax.lax.axis_size(axis)


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
        lambda leaf: trainable_of(leaf) if isinstance(leaf, Layer) else leaf, wrt, is_leaf=is_facade
    )
    variables, tree = jax.tree.flatten(with_params, is_leaf=is_facade)
    rebuild: Callable[[list[Any]], Any] = functools.partial(jax.tree.unflatten, tree)
    for variable in variables:
        if not isinstance(variable, Variable):
            raise TypeError(f"wrt= takes variables, layers and structures of variables; received {variable!r}.")
        if not jnp.issubdtype(variable.dtype, jnp.inexact):
            raise TypeError(
                f"{variable.path!r} has dtype {variable.dtype}, which has no gradient. Leave it out of wrt."
            )
    # A variable that occurs twice is one input of the pure function. Its gradient is returned in both places.
    unique = list(dict.fromkeys(variables))
    if len(unique) == len(variables):
        return variables, rebuild
    return unique, lambda values: rebuild([dict(zip(unique, values, strict=True))[v] for v in variables])


def _check_argnums(argnums: Any) -> None:
    """Raise a TypeError if `argnums` is anything but integers, for example the variables that belong to `wrt=`."""
    for number in argnums if isinstance(argnums, tuple | list) else (argnums,):
        if is_facade(number) or not hasattr(number, "__index__"):
            raise TypeError(
                f"argnums must be an integer or a tuple of integers; received {number!r}. Pass variables and layers by "
                "keyword: jl.value_and_grad(f, wrt=variables)."
            )


def _check_arguments(argnums: int | tuple[int, ...], args: tuple[Any, ...]) -> None:
    """Raise an error if `argnums` is out of range or selects an argument that holds a layer."""
    hint = "For gradients of weights, pass the layer or the variables as wrt=: jl.grad(f, wrt=layer)(x)."
    for number in argnums if isinstance(argnums, tuple | list) else (argnums,):
        if not -len(args) <= number < len(args):
            raise ValueError(
                f"argnums={argnums} is out of range: received {len(args)} positional arguments to differentiate with "
                f"respect to. {hint}"
            )
        for leaf in jax.tree.leaves(args[number], is_leaf=is_facade):
            if isinstance(leaf, Layer):
                raise TypeError(f"Argument {number} holds the layer {leaf.name!r}, which is not an array. {hint}")


def is_facade(leaf: Any) -> bool:
    """True for variables and layers."""
    return isinstance(leaf, Variable | Layer)


def trainable_of(layer: Layer) -> dict[str, Any]:
    """The variables of a layer in the places of their arrays in `params`."""
    return trees.nest((path, variable) for path, variable in layer._tracked_walk.entries if variable.trainable)
