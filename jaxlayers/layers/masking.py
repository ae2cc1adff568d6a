"""The layer that computes the mask of padded sequences."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers import ops
from jaxlayers.common.masks import set_mask
from jaxlayers.core import InputSpec, Layer


class Masking(Layer):
    """A mask for sequences that are padded with a value: `mask = any(inputs != mask_value, axis=-1)`.

    A time step is padding if all of its features equal `mask_value`. Later layers skip padding, and the outputs of this
    layer are zero there.

    Args:
        mask_value: the value of padding: a number, or one number for each feature; 0 by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: `[batch, time, features]`; mask: `[batch, time]`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Masking(mask_value=-1.0)
        >>> layer.compute_mask(jnp.array([[[1.0, 2.0], [-1.0, -1.0]]])).tolist()
        [[True, False]]
    """

    built = True  # it has no weights

    def __init__(self, mask_value: Any = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.input_spec = InputSpec()

    def call(self, inputs: jax.Array) -> jax.Array:
        """Set the mask, and set padding to zero."""
        value = np.asarray(self.mask_value) if isinstance(self.mask_value, list | tuple) else self.mask_value
        outputs, mask = _clear_padding(inputs, value)
        set_mask(outputs, mask)
        return outputs

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of the outputs, `[batch, time]`: False at padding."""
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)


@jax.jit  # one dispatch in an eager call
def _clear_padding(inputs: jax.Array, value: Any) -> tuple[jax.Array, jax.Array]:
    mask = jnp.any(inputs != value, axis=-1)
    return jnp.where(mask[..., None], inputs, jnp.zeros_like(inputs)), mask
