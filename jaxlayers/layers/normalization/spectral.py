"""Normalisation of a layer's kernel by its largest singular value."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import initializers, ops
from jaxlayers.core import InputSpec, scope
from jaxlayers.core.effects import run_with
from jaxlayers.layers._config import positive
from jaxlayers.layers.wrappers import Wrapper
from jaxlayers.numerics.types import wide


class SpectralNormalization(Wrapper):
    """Calls a layer with its kernel divided by the kernel's largest singular value.

    The kernel as a matrix W `[..., units]`; `v = u W^T / |u W^T|`, `u = v W / |v W|`, `sigma = v W u^T`, and the layer
    computes with `W / sigma`, through which gradients flow, u and v being constants. While training, u is kept for the
    next call. A kernel of zeros stays.

    The kernel itself is never written, and inference divides it too, as in the paper. Keras writes the quotient into
    the kernel when it trains eagerly, and where it cannot (in `fit` on JAX), inference computes with W alone.

    Args:
        layer: one with a `kernel`, or with `embeddings`.
        power_iterations: how often u and v are improved in a call.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: the layer's; vector_u: `[1, units]`.

    Raises:
        ValueError: when `power_iterations` is no positive integer, or the layer has neither of those weights.

    Source: Miyato et al., "Spectral Normalization for Generative Adversarial Networks", arXiv:1802.05957.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.SpectralNormalization(jl.layers.Dense(2, kernel_initializer="ones"))
        >>> layer(jnp.ones((1, 8))).round(2).tolist()  # the singular value is 4
        [[2.0, 2.0]]
    """

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any):
        super().__init__(layer, **kwargs)
        self.power_iterations = positive(self, "power_iterations", power_iterations)

    def build(self, input_shape: Any) -> None:
        """Build the layer inside, and make the vector."""
        super().build(input_shape)
        self.kernel = self._kernel()
        shape, initializer = (1, self.kernel.shape[-1]), initializers.TruncatedNormal(stddev=0.02)
        self.vector_u = self.add_weight(shape, initializer, trainable=False, name="vector_u")
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})

    def _kernel(self) -> Any:
        for name in ("kernel", "embeddings"):
            if getattr(self.layer, name, None) is not None:
                return getattr(self.layer, name)
        raise ValueError(
            f"{self.path!r} needs a layer with a kernel or embeddings; received {type(self.layer).__name__}."
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Call the layer with the normalised kernel."""
        new, vector = _normalized(scope.read(self.kernel), self.vector_u.value, self.power_iterations)
        if training:
            self.vector_u.assign(vector)
        return run_with({self.kernel: new}, self.layer, inputs)


@functools.partial(jax.jit, static_argnums=(2,))  # one dispatch when it is called eagerly
def _normalized(kernel: jax.Array, vector: jax.Array, iterations: int) -> tuple[jax.Array, jax.Array]:
    """The kernel divided by its largest singular value, and the improved vector."""
    matrix = wide(kernel.reshape(-1, kernel.shape[-1]))
    fixed, u = jax.lax.stop_gradient(matrix), vector.astype(matrix.dtype)
    for _ in range(iterations):
        v = ops.normalize(u @ fixed.T, epsilon=1e-7)
        u = ops.normalize(v @ fixed, epsilon=1e-7)
    sigma = jnp.sum(v @ matrix * u)
    empty = jnp.all(fixed == 0)
    quotient = kernel / jnp.where(empty, 1, sigma).astype(kernel.dtype)
    return quotient, jnp.where(empty, vector, u.astype(vector.dtype))
