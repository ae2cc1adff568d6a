"""cuDNN's attention on CUDA devices: one kernel, which never stores the matrix of scores."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.numerics.attention import attend
from jaxlayers.numerics.platforms import cudnn
from jaxlayers.numerics.types import Array

_DTYPES = ("float16", "bfloat16")
REFUSALS = cudnn.REFUSALS


def suits(query: Array, value: Array) -> bool:
    """Return True if cuDNN has kernels for both the outputs and the gradients of such arrays."""
    even = not (query.shape[1] % 2 or value.shape[1] % 2)
    same = query.shape[3] == value.shape[3] and query.shape[3] % 8 == 0
    return query.dtype in _DTYPES and even and same


def reason_against(soft_cap: float | None) -> str | None:
    """Return the reason why the kernel cannot be used; None if JAX is to decide, from dtypes and shapes."""
    return cudnn.reason_against() if soft_cap is None else "cuDNN's kernel has no soft cap"


def attend_on_cuda(
    query: Array, key: Array, value: Array, bias: Any, mask: Any, scale: float, is_causal: bool
) -> Array:
    """Return the result of `attend`: computed by cuDNN where the program is lowered for CUDA, by `attend` elsewhere.

    JAX allocates the residuals of both branches. Those of `attend` are larger, so it stores its arguments alone, and
    computes everything else again for the gradient.

    Raises:
        NotImplementedError, RuntimeError, ValueError: if JAX refuses the arguments, or the version of cuDNN.
    """
    fused = functools.partial(_fused, scale=scale, is_causal=is_causal)
    plain = jax.checkpoint(functools.partial(attend, scale=scale, is_causal=is_causal), prevent_cse=False)
    return jax.lax.platform_dependent(query, key, value, bias, mask, cuda=fused, default=plain)


def _fused(query: Array, key: Array, value: Array, bias: Any, mask: Any, scale: float, is_causal: bool) -> Array:
    sizes = (query.shape[1], key.shape[1])
    full_mask = None if mask is None else jnp.broadcast_to(mask, (*mask.shape[:2], *sizes))
    bias = None if bias is None else jnp.broadcast_to(bias, (*bias.shape[:2], *sizes)).astype(query.dtype)
    outputs = jax.nn.dot_product_attention(
        query, key, value, bias, full_mask, scale=scale, is_causal=is_causal, implementation="cudnn"
    )
    if mask is None:
        return outputs
    allowed = jnp.any(mask & jnp.tri(*sizes, dtype=bool) if is_causal else mask, -1)  # [batch, heads, targets]
    return jnp.where(jnp.swapaxes(allowed, 1, 2)[..., None], outputs, 0)
