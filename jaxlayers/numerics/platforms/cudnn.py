"""cuDNN's kernels on CUDA devices: a check that they can be used, and a way to replace a plain function by a kernel.

JAX can trace cuDNN's kernels only in a process that has a CUDA device. A program that is exported for CUDA from a
process without one contains the plain forms, and so does each program that `jaxlayers.export` writes.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import jax

from jaxlayers.numerics.platforms.choice import is_platform_code_enabled

# The exceptions of JAX where cuDNN is missing, too old, or has no kernel for the arguments.
REFUSALS = (AttributeError, NotImplementedError, RuntimeError, ValueError)


_are_avoided: ContextVar[bool] = ContextVar("jaxlayers_avoid_cudnn", default=False)


@contextlib.contextmanager
def avoided() -> Iterator[None]:
    """Use no kernel of cuDNN in what is traced inside, as for programs in files: later versions may not run them."""
    token = _are_avoided.set(True)
    try:
        yield
    finally:
        _are_avoided.reset(token)


def reason_against() -> str | None:
    """Return the reason why no kernel of cuDNN can be used in this process; None if they can."""
    if not is_platform_code_enabled():
        return "code written for one platform is turned off (config.disable_platform_code)"
    if _are_avoided.get():
        return "the program is exported, and the kernels of cuDNN have no stable format"
    return None if _has_cuda() else "this process has no CUDA device"


@functools.cache
def _has_cuda() -> bool:
    try:
        return bool(jax.devices("cuda"))
    except RuntimeError:
        return False


def stand_in(kernel: Callable[..., Any], plain: Callable[..., Any], platform: str = "cuda") -> Callable[..., Any]:
    """Return a function `(differentiable, others)` that is `kernel` on one platform, and `plain` on all others.

    This is for kernels that JAX can neither vectorize nor differentiate twice: under `jax.vmap`, and in second
    derivatives, `plain` is used on all platforms. The derivative runs the kernel once more. XLA merges the two equal
    calls where they are compiled together.

    Args:
        kernel: a function of two trees of arrays. It has derivatives of first order in the first one.
        plain: a function that computes the same.
        platform: a name that `jax.lax.platform_dependent` takes.
    """

    def pullback(function: Callable[..., Any]) -> Callable[..., Any]:
        def pull(differentiable: Any, others: Any, cotangents: Any) -> Any:
            return jax.vjp(lambda values: function(values, others), differentiable)[1](cotangents)[0]

        return pull

    forward, backward = _guard(kernel, plain, platform), _guard(pullback(kernel), pullback(plain), platform)
    function = jax.custom_vjp(forward)
    function.defvjp(
        lambda differentiable, others: (forward(differentiable, others), (differentiable, others)),
        lambda arguments, cotangents: (backward(*arguments, cotangents), None),
    )
    return function


def _guard(kernel: Callable[..., Any], plain: Callable[..., Any], platform: str) -> Callable[..., Any]:
    """Return `kernel` on one platform, and `plain` on others, under `jax.vmap`, and under differentiation."""

    @jax.custom_batching.custom_vmap
    def placed(*arguments: Any) -> Any:
        return jax.lax.platform_dependent(*arguments, **{platform: kernel}, default=plain)

    @placed.def_vmap
    def _(size: int, batched: Any, *arguments: Any) -> Any:
        axes = jax.tree.map(lambda is_batched: 0 if is_batched else None, tuple(batched))
        outputs = jax.vmap(plain, in_axes=axes, axis_size=size)(*arguments)
        return outputs, jax.tree.map(lambda _: True, outputs)

    differentiable = jax.custom_jvp(placed)
    differentiable.defjvp(lambda primals, tangents: jax.jvp(plain, primals, tangents))
    return differentiable
