"""`remat` of functions that use facades: their intermediate values are computed again for the gradient."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax

from jaxlayers.common import masks
from jaxlayers.common.errors import ends_in_user_code
from jaxlayers.core.effects import run
from jaxlayers.core.scope import Scope


def remat(
    fun: Callable[..., Any],
    *,
    prevent_cse: bool = True,
    policy: Any = None,
    static_argnums: int | tuple[int, ...] = (),
) -> Callable[..., Any]:
    """`jax.checkpoint` of a function or layer that uses facades: the gradient computes intermediate values again.

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
