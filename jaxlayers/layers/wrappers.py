"""Layers that contain another layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxlayers.common import registry
from jaxlayers.common.explanations import describe
from jaxlayers.core import Layer
from jaxlayers.transforms import scan, vmap


class InnerLayers(Layer):
    """A layer made from other layers: their configs are a part of its config."""

    _inner_layers: ClassVar[tuple[str, ...]]  # the arguments of the constructor that are layers, or lists of layers

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A new layer from a config that `get_config` returned; without weights."""

        def make(value: Any) -> Any:
            return [*map(make, value)] if isinstance(value, list) else registry.lookup("layer", value, custom_objects)

        inner = {name: make(config[name]) for name in cls._inner_layers if name in config}
        return super().from_config({**config, **inner})


class Wrapper(InnerLayers):
    """The base of layers that contain another layer, as `self.layer`.

    Args:
        layer: the inner layer.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Raises:
        ValueError: when `layer` is not a layer.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> class Twice(jl.layers.Wrapper):
        ...     def call(self, inputs):
        ...         return self.layer(self.layer(inputs))
        >>> Twice(jl.layers.Dense(2, kernel_initializer="ones"))(jnp.ones((1, 2))).tolist()
        [[4.0, 4.0]]
    """

    _inner_layers = ("layer",)

    def __init__(self, layer: Layer, **kwargs: Any):
        if not isinstance(layer, Layer):
            raise ValueError(f"{type(self).__name__}: layer must be a layer; received {describe(layer)}.")
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape: Any) -> None:
        """Build the inner layer for inputs of this shape; a subclass that calls it with other shapes overrides this."""
        if not self.layer.built:
            self.layer.build(input_shape)


class TimeDistributed(Wrapper):
    """A layer applied to each time step of a sequence: `outputs[:, t] = layer(inputs[:, t])`.

    All time steps are computed at once, with different random draws. A layer with non-trainable weights, such as batch
    normalisation, runs over the time steps one after the other during training, as in Keras. Unlike in Keras, the
    losses that the layer adds, its activity regularizer's included, are averaged over the time steps.

    Args:
        layer: the layer.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, time, ...]`; outputs: `[batch, time, ...]`; mask: `[batch, time, ...]`. If the call of the
        layer has an argument `mask`, it receives the mask of its time step.

    Raises:
        ValueError: when the inputs have fewer than three axes, or the first two axes of the mask are not theirs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.TimeDistributed(jl.layers.Dense(2, kernel_initializer="ones"))
        >>> layer(jnp.ones((1, 2, 3))).tolist()
        [[[3.0, 3.0], [3.0, 3.0]]]
    """

    def build(self, input_shape: Any) -> None:
        """Mark this layer as built; the first call builds the inner layer, on the inputs of one time step."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Apply the layer to all time steps."""
        first = jax.tree.leaves(inputs)[0]
        if first.ndim < 3:
            raise ValueError(f"{self.path!r} expects inputs [batch, time, ...]; received shape {first.shape}.")
        passed = {}
        if mask is not None:
            mask = jax.tree.leaves(mask)[0]
            if mask.shape[:2] != first.shape[:2]:
                raise ValueError(
                    f"{self.path!r} expects a mask [batch, time, ...] for inputs of shape {first.shape}; received a "
                    f"mask of shape {mask.shape}."
                )
            if "mask" in self.layer._call_spec.all_names:
                passed["mask"] = mask

        def call_layer(arguments: Any) -> Any:
            arrays, passed = arguments
            return self.layer(arrays, **passed)

        # In training, a call may update the weights that were made with `trainable=False`.
        if training and (not self.layer.built or not all(weight.was_trainable for weight in self.layer.weights)):
            steps = jax.tree.map(lambda x: jnp.moveaxis(x, 1, 0), (inputs, passed))
            outputs = scan(lambda _, arguments: (None, call_layer(arguments)), None, steps)[1]
            return jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1), outputs)
        return vmap(call_layer, in_axes=1, out_axes=1)((inputs, passed))
