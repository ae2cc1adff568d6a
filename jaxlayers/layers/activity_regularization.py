"""The layer that adds a penalty on its inputs to the losses."""

from __future__ import annotations

from typing import Any

from jaxlayers import regularizers
from jaxlayers.core import Layer


class ActivityRegularization(Layer):
    """A layer that returns its inputs, and adds `(l1 * sum(|x|) + l2 * sum(x^2)) / batch` to the losses.

    Args:
        l1: the factor of the sum of absolute values; 0 by default.
        l2: the factor of the sum of squares; 0 by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: `[batch, ...]`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.ActivityRegularization(l1=0.5)
        >>> layer(jnp.array([[1.0, -3.0]])).tolist(), layer.losses[0].item()
        ([[1.0, -3.0]], 2.0)
    """

    built = True  # it has no weights

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any):
        super().__init__(activity_regularizer=regularizers.L1L2(l1, l2), **kwargs)
        self.l1, self.l2 = l1, l2

    def call(self, inputs: Any) -> Any:
        """Return the inputs."""
        return inputs

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data."""
        return {name: value for name, value in super().get_config().items() if name != "activity_regularizer"}
