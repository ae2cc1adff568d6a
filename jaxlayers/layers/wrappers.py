"""Layers around another layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import registry
from jaxlayers.core import Layer, scan, vmap


class Wrapper(Layer):
    """The base of layers that hold another one, as `self.layer`.

    Args:
        layer: the layer inside.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Raises:
        ValueError: when it is no layer.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> class Twice(jl.layers.Wrapper):
        ...     def call(self, inputs):
        ...         return self.layer(self.layer(inputs))
        >>> Twice(jl.layers.Dense(2, kernel_initializer="ones"))(jnp.ones((1, 2))).tolist()
        [[4.0, 4.0]]
    """

    def __init__(self, layer: Layer, **kwargs: Any):
        if not isinstance(layer, Layer):
            raise ValueError(f"{type(self).__name__} wraps a layer; received {layer!r}.")
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape: Any) -> None:
        """Build the layer inside, for inputs of the same shape; a subclass that gives it others has its own."""
        if not self.layer.built:
            self.layer.build(input_shape)
        super().build(input_shape)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The layer that `get_config()` describes; without weights."""
        inside = registry.lookup("layer", config["layer"], custom_objects)
        return super().from_config({**config, "layer": inside})


class TimeDistributed(Wrapper):
    """Applies a layer to every step of a sequence: `outputs[:, t] = layer(inputs[:, t])`.

    All steps are computed at once. A layer with statistics (batch normalisation) sees them one after the other while
    training, as in Keras; random draws differ from step to step. Unlike in Keras, what the layer adds to the losses is
    averaged over the steps, and its activity regularizer counts.

    Args:
        layer: the layer.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, time, ...]`; outputs: `[batch, time, ...]`; mask: `[batch, time, ...]`, of which each step's is
        passed to a layer that takes one.

    Raises:
        ValueError: when the inputs have fewer than three axes, or the mask is not that of their batch and time.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.TimeDistributed(jl.layers.Dense(2, kernel_initializer="ones"))
        >>> layer(jnp.ones((1, 2, 3))).tolist()
        [[[3.0, 3.0], [3.0, 3.0]]]
    """

    def build(self, input_shape: Any) -> None:
        """Nothing: the call builds the layer inside, on what it sees of a step."""
        Layer.build(self, input_shape)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Apply the layer to all steps."""
        first = jax.tree.leaves(inputs)[0]
        if first.ndim < 3:
            raise ValueError(f"{self.path!r} expects inputs [batch, time, ...]; received shape {first.shape}.")
        passed = {}
        if mask is not None:
            mask = jax.tree.leaves(mask)[0]
            if mask.shape[:2] != first.shape[:2]:
                raise ValueError(
                    f"{self.path!r} expects a mask [batch, time, ...] for inputs of shape {first.shape}; received one "
                    f"of shape {mask.shape}."
                )
            if "mask" in self.layer._call_spec.all_names:
                passed["mask"] = mask

        def at_step(given: Any) -> Any:
            arrays, passed = given
            return self.layer(arrays, **passed)

        if training and (not self.layer.built or _has_statistics(self.layer)):
            steps = jax.tree.map(lambda x: jnp.moveaxis(x, 1, 0), (inputs, passed))
            outputs = scan(lambda _, given: (None, at_step(given)), None, steps)[1]
            return jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1), outputs)
        return vmap(at_step, in_axes=1, out_axes=1)((inputs, passed))


def _has_statistics(layer: Layer) -> bool:
    """Whether there are weights that are not made for training: what a call may write."""
    return any(not variable.was_trainable for variable in layer.weights)
