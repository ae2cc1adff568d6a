"""The one way in which code for a platform is chosen, and the switch that turns all such code off."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jax

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

    All functions are traced, and must compute the same. The derivatives keep the arguments alone, and compute again
    what else they need: `jax.lax.platform_dependent` by itself keeps the residuals of every function, on all platforms.

    Args:
        *arguments: trees of arrays.
        default: the function for all other platforms. It is the only one that is traced if platform code is turned
            off, or if an array is laid out along explicit axes of a mesh: the code in this package slices and reshapes
            in ways for which JAX cannot infer a layout.
        **by_platform: the functions for platforms, by the names that `jax.lax.platform_dependent` takes.
    """
    if not _enabled or _is_laid_out(arguments):
        return default(*arguments)

    def chosen(*arguments: Any) -> Any:
        return jax.lax.platform_dependent(*arguments, default=default, **by_platform)

    return jax.checkpoint(chosen, prevent_cse=False)(*arguments)


def keep_apart(x: Any) -> Any:
    """Return the same array, which XLA on CPU computes once, however many computations it goes into.

    XLA on CPU would otherwise compute `x`, with all that leads up to it, again for each computation that it goes into.
    """
    if not _enabled:
        return x
    return jax.lax.platform_dependent(x, cpu=jax.lax.optimization_barrier, default=lambda x: x)


def _is_laid_out(arguments: Any) -> bool:
    """Return True if the type of an array says how it is divided along axes of a mesh."""
    return any(part is not None for x in jax.tree.leaves(arguments) for part in jax.typeof(x).sharding.spec)
