"""`choose`, the only function that selects code for a platform, and the switch that turns all such code off."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import jax
from jax.interpreters import ad, batching, mlir
from jax.interpreters.partial_eval import dce_jaxpr

from jaxlayers.common import jax_extend
from jaxlayers.numerics.platforms.equal_programs import first_like

_VARIABLE = "JAXLAYERS_PLATFORM_CODE"
_enabled = os.environ.get(_VARIABLE, "1").lower() not in ("0", "false", "off")


def enable_platform_code() -> None:
    """Use code written for the platform that a program is lowered for (the default)."""
    _switch(True)


def disable_platform_code() -> None:
    """Use the same plain code of `jax.lax` on all platforms, without forms written for CPU and without cuDNN's kernels.

    Results stay the same within rounding; some steps become slower. This helps to tell whether a problem comes from
    code written for a platform. The environment variable `JAXLAYERS_PLATFORM_CODE=0` has the same effect from the
    start. Both functions clear JAX's caches, so that compiled functions are traced again.

    Example:
        >>> from jaxlayers import config
        >>> config.disable_platform_code()
        >>> config.is_platform_code_enabled()
        False
        >>> config.enable_platform_code()
    """
    _switch(False)


def is_platform_code_enabled() -> bool:
    """Return True if code written for one platform is used there.

    Example:
        >>> from jaxlayers import config
        >>> config.is_platform_code_enabled()
        True
    """
    return _enabled


def _switch(enabled: bool) -> None:
    global _enabled
    if _enabled != enabled:
        _enabled = enabled
        jax.clear_caches()


def choose(*arguments: Any, default: Callable[..., Any], **by_platform: Callable[..., Any]) -> Any:
    """Return `by_platform[platform](*arguments)` where the program is lowered for that platform, else the default.

    All functions are traced, and must compute the same from their arguments alone: they may not close over arrays that
    are being traced. The derivatives keep the arguments alone, and compute again what else they need.

    Args:
        *arguments: trees of arrays.
        default: the function for all other platforms. It is the only one that is traced if platform code is turned
            off, or if an array is laid out along explicit axes of a mesh: the code in this package slices and reshapes
            in ways for which JAX cannot infer a layout.
        **by_platform: the functions for platforms, by the names in `PLATFORMS`.
    """
    leaves, structure = jax.tree.flatten(arguments)
    if not _enabled or any(part is not None for x in leaves for part in jax.typeof(x).sharding.spec):
        return default(*arguments)

    branches, shapes = [], None
    for name, function in {**by_platform, _ELSE: default}.items():
        flat = lambda *x, function=function: function(*jax.tree.unflatten(structure, x))  # noqa: E731
        jaxpr, shapes = jax.make_jaxpr(flat, return_shape=True)(*leaves)
        branches.append((name, jaxpr))
    return jax.tree.unflatten(jax.tree.structure(shapes), _choose().bind(*leaves, branches=tuple(branches)))


# `jax.lax.platform_dependent` offers the same choice as a conditional. JAX keeps the residuals of all of its branches,
# as zeros for those that are not lowered; under `jax.checkpoint`, which prevents that, tracing a convolution and its
# gradients takes four times as long as without a choice; and a conditional remains in the exported program. A
# primitive with one lowering rule for each platform has none of these.

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
_ELSE = "else"
_Branches: TypeAlias = "tuple[tuple[str, jax_extend.ClosedJaxpr], ...]"


@jax_extend.once
def _choose() -> jax_extend.Primitive:
    """The primitive, with its rules."""
    primitive = jax_extend.Primitive("choose_by_platform")
    primitive.multiple_results = True
    primitive.def_abstract_eval(lambda *_, branches: branches[-1][1].out_avals)
    primitive.def_impl(_run_like)
    ad.primitive_jvps[primitive] = _jvp
    ad.primitive_transposes[primitive] = _transpose
    batching.primitive_batchers[primitive] = _batch
    mlir.register_lowering(primitive, _lowering(_ELSE))
    for platform in PLATFORMS:
        mlir.register_lowering(primitive, _lowering(platform), platform=platform)
    return primitive


def _change_all(branches: _Branches, change: Callable[[Any], Any], arguments: Sequence[Any]) -> _Branches:
    """Return the branches with a transformation applied to each, for arguments like these."""
    return tuple((name, jax.make_jaxpr(change(jax_extend.jaxpr_as_fun(jaxpr)))(*arguments)) for name, jaxpr in branches)


def _only_used(branches: _Branches, arguments: Sequence[Any]) -> tuple[_Branches, list[Any]]:
    """Return the branches without computations that have no effect, and the arguments that any of them uses."""
    jaxprs = [dce_jaxpr(jaxpr.jaxpr, [True] * len(jaxpr.out_avals)) for _, jaxpr in branches]
    used = [any(uses) for uses in zip(*(uses for _, uses in jaxprs), strict=True)]
    pruned = []
    for name, jaxpr in branches:
        smaller, _ = dce_jaxpr(jaxpr.jaxpr, [True] * len(jaxpr.out_avals), instantiate=used)
        pruned.append((name, jax_extend.ClosedJaxpr(smaller, jaxpr.consts)))
    return tuple(pruned), [argument for argument, is_used in zip(arguments, used, strict=True) if is_used]


def _merge(which: Sequence[bool], true: Iterable[Any], false: Iterable[Any]) -> list[Any]:
    """Merge two lists: the next value comes from `true` where `which` is True, and from `false` elsewhere."""
    true, false = iter(true), iter(false)
    return [next(true) if from_true else next(false) for from_true in which]


@functools.partial(jax.jit, static_argnames="branches")
def _run(*arguments: Any, branches: _Branches) -> Any:
    return _choose().bind(*arguments, branches=branches)


def _run_like(*arguments: Any, branches: _Branches) -> Any:
    # An eager gradient traces its branches in each call. They are compiled once.
    return _run(*arguments, branches=first_like(branches))


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, branches: _Branches) -> tuple[Any, Any]:
    """Return the outputs, and their tangents as a choice of their own: it is linear, and keeps the primals it uses."""
    outputs = _choose().bind(*primals, branches=branches)
    moving = [not isinstance(tangent, ad.Zero) for tangent in tangents]

    def tangents_of(function: Any) -> Any:
        def compute(*arguments: Any) -> Any:
            fixed = [x for x, moves in zip(arguments, moving, strict=False) if not moves]
            start = [x for x, moves in zip(arguments, moving, strict=False) if moves]
            return jax.jvp(lambda *x: function(*_merge(moving, x, fixed)), start, list(arguments[len(moving) :]))[1]

        return compute

    arguments = [*primals, *(tangent for tangent in tangents if not isinstance(tangent, ad.Zero))]
    branches, arguments = _only_used(_change_all(branches, tangents_of, arguments), arguments)
    return outputs, _choose().bind(*arguments, branches=branches)


def _transpose(cotangents: Sequence[Any], *arguments: Any, branches: _Branches) -> list[Any]:
    linear = [ad.is_undefined_primal(x) for x in arguments]
    shapes = [x.aval for x, is_linear in zip(arguments, linear, strict=True) if is_linear]
    fixed = [x for x, is_linear in zip(arguments, linear, strict=True) if not is_linear]
    cotangents = [ad.instantiate_zeros(cotangent) for cotangent in cotangents]

    def transpose_of(function: Any) -> Any:
        def compute(*arguments: Any) -> Any:
            fixed, cotangents = arguments[: -len(branches[-1][1].out_avals)], arguments[len(linear) - len(shapes) :]
            return jax.linear_transpose(lambda *x: function(*_merge(linear, x, fixed)), *shapes)(list(cotangents))

        return compute

    changed = _change_all(branches, transpose_of, [*fixed, *cotangents])
    return _merge(linear, _choose().bind(*fixed, *cotangents, branches=changed), [None] * len(fixed))


def _batch(arguments: Sequence[Any], axes: Sequence[Any], *, branches: _Branches) -> tuple[Any, Any]:
    batched = _change_all(branches, lambda function: jax.vmap(function, in_axes=tuple(axes)), arguments)
    outputs = _choose().bind(*arguments, branches=batched)
    return outputs, [0] * len(outputs)


def _lowering(platform: str) -> Any:
    def run(*arguments: Any, branches: _Branches) -> Any:
        functions = dict(branches)
        return jax_extend.jaxpr_as_fun(functions.get(platform, functions[_ELSE]))(*arguments)

    return mlir.lower_fun(run, multiple_results=True)
