"""The layer that says which steps of a sequence are padding."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import ops
from jaxlayers.core import InputSpec, Layer
from jaxlayers.core.masks import set_mask


class Masking(Layer):
    """Marks the steps of which every feature equals a value as padding: later layers leave them out.

    `mask = any(inputs != mask_value, features)`; padding itself becomes zero.

    Args:
        mask_value: the value.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: `[batch, time, features]`; mask: `[batch, time]`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Masking(mask_value=-1.0)
        >>> layer.compute_mask(jnp.array([[[1.0, 2.0], [-1.0, -1.0]]])).tolist()
        [[True, False]]
    """

    def __init__(self, mask_value: Any = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.input_spec = InputSpec()

    def call(self, inputs: jax.Array) -> jax.Array:
        """Mark the padding, and set it to zero."""
        outputs, mask = _masked(inputs, self.mask_value)
        set_mask(outputs, mask)
        return outputs

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Which steps hold anything but the value."""
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)


@jax.jit  # one dispatch when it is called eagerly
def _masked(inputs: jax.Array, value: Any) -> tuple[jax.Array, jax.Array]:
    mask = jnp.any(inputs != value, axis=-1)
    return jnp.where(mask[..., None], inputs, jnp.zeros_like(inputs)), mask
