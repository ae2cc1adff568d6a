"""Layers that drop a random fraction of their inputs during training."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import random
from jaxlayers.common.constructors import constructor_config
from jaxlayers.core import Layer
from jaxlayers.layers._ranked import Ranked

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def checked_rate(layer: Any, rate: Any, name: str = "rate", below_one: bool = False) -> Any:
    """Return a dropout rate, which must be between 0 and 1.

    Args:
        layer: the layer, for the error message.
        rate: the rate.
        name: the name of the argument.
        below_one: if True, 1 is refused as well.

    Raises:
        ValueError: when it is not a number in that range.
    """
    if not hasattr(rate, "__float__") or not 0 <= rate <= 1 or (below_one and rate == 1):
        bounds = "in the range [0, 1)" if below_one else "between 0 and 1"
        raise ValueError(f"{type(layer).__name__}: {name} must be a number {bounds}; received {rate!r}.")
    return rate


class _Dropping(Layer):
    """The base of the dropout layers: the arguments, the seed generator, and the shape of the mask."""

    built = True  # it has no weights
    below_one = False  # if True, a rate of 1 is refused

    def __init__(self, rate: float, noise_shape: Any = None, seed: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        if noise_shape is not None:
            sizes = tuple(noise_shape)
            if any(size is not None and (not hasattr(size, "__index__") or size <= 0) for size in sizes):
                raise ValueError(
                    f"{type(self).__name__}: noise_shape must consist of positive integers and None; received "
                    f"{noise_shape!r}."
                )
            noise_shape = sizes
        self.rate, self.noise_shape, self.seed = checked_rate(self, rate, below_one=self.below_one), noise_shape, seed
        self.seed_generator = random.SeedGenerator(seed) if rate else None  # no state where nothing is drawn

    def _sizes(self, inputs: jax.Array) -> tuple[int, ...]:
        """The shape of the dropout mask for these inputs."""
        if self.noise_shape is None:
            return inputs.shape
        if len(self.noise_shape) != inputs.ndim:
            raise ValueError(
                f"{self.path!r} has noise_shape={self.noise_shape}, so it expects inputs with {len(self.noise_shape)} "
                f"axes; received shape {inputs.shape}."
            )
        return tuple(own if size is None else size for own, size in zip(inputs.shape, self.noise_shape, strict=True))


class Dropout(_Dropping):
    """Dropout: during training, sets random elements to zero, and multiplies the others by `1 / (1 - rate)`.

    Outside of training, the outputs are the inputs.

    Args:
        rate: the fraction of elements that are set to zero, from 0 to 1.
        noise_shape: the shape of the dropout mask, with as many axes as the inputs: 1 along an axis that shares one
            mask, None for the size of the inputs. By default (None) every element has its own mask.
        seed: an integer makes the random draws repeatable; None (the default) takes them from the `rng` of `apply`, or
            from the global generator.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: any.

    Raises:
        ValueError: when `rate` is outside of [0, 1], or `noise_shape` does not fit the inputs.

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15 (2014).

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Dropout(0.5, seed=1)
        >>> sorted(set(layer(jnp.ones(100), training=True).tolist()))
        [0.0, 2.0]
    """

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Drop elements during training; return the inputs otherwise."""
        if not training or self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, self._sizes(inputs), self.seed_generator)


class AlphaDropout(_Dropping):
    """Alpha dropout, for networks with `selu` activations: keeps the mean and the variance of the inputs.

    During training, random elements are set to `-alpha'`, the limit of `selu` for large negative inputs, and the result
    is scaled and shifted: `a * where(mask, x, -alpha') + b`, with `alpha' = 1.7581`. `a` and `b` keep a mean of 0 and a
    variance of 1. Outside of training, the outputs are the inputs.

    Args:
        rate: the fraction of elements that are dropped, from 0 to below 1. (Keras accepts 1, and fails in the call.)
        noise_shape: the shape of the dropout mask, with as many axes as the inputs: 1 along an axis that shares one
            mask, None for the size of the inputs. By default (None) every element has its own mask.
        seed: an integer makes the random draws repeatable; None (the default) takes them from the `rng` of `apply`, or
            from the global generator.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: any.

    Raises:
        ValueError: when `rate` is outside of [0, 1), or `noise_shape` does not fit the inputs.

    Source: Klambauer et al., "Self-Normalizing Neural Networks", arXiv:1706.02515.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.AlphaDropout(0.5, seed=1)
        >>> round(float(layer(jnp.zeros(100), training=True).min()), 2)
        -0.78
    """

    below_one = True

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Drop elements during training; return the inputs otherwise."""
        if not training or self.rate == 0:
            return inputs
        floor = -_SELU_ALPHA * _SELU_SCALE
        a = ((1 - self.rate) * (1 + self.rate * floor**2)) ** -0.5
        mask = random.uniform(self._sizes(inputs), seed=self.seed_generator) >= self.rate
        return a * jnp.where(mask, inputs, floor) - a * floor * self.rate


class _SpatialDropout(Ranked, Dropout):
    """Dropout of whole channels: all positions of a channel share one random draw."""

    supports_masking = True

    def _sizes(self, inputs: jax.Array) -> tuple[int, ...]:
        channels = 1 if self.data_format == "channels_first" else inputs.ndim - 1
        return tuple(size if axis in (0, channels) else 1 for axis, size in enumerate(inputs.shape))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data."""
        return {**constructor_config(self), "name": self.name, "dtype": self.dtype_policy.name}


class SpatialDropout1D(_SpatialDropout, rank=1):
    """Dropout of whole channels of sequences: during training, sets random channels to zero.

    The other channels are multiplied by `1 / (1 - rate)`. Outside of training, the outputs are the inputs.

    Args:
        rate: the fraction of channels that are set to zero, from 0 to 1.
        seed: an integer makes the random draws repeatable; None (the default) takes them from the `rng` of `apply`, or
            from the global generator.
        name, dtype: see `Layer`.

    Shapes:
        inputs and outputs: `[batch, time, channels]`.

    Raises:
        ValueError: when `rate` is outside of [0, 1].

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", arXiv:1411.4280.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> outputs = jl.layers.SpatialDropout1D(0.5, seed=1)(jnp.ones((1, 9, 50)), training=True)
        >>> bool((outputs == outputs[:, :1]).all())
        True
    """

    def __init__(self, rate: float, seed: Any = None, name: str | None = None, dtype: Any = None):
        super().__init__("channels_last", rate=rate, seed=seed, name=name, dtype=dtype)


class _SpatialDropoutOfImages(_SpatialDropout):
    def __init__(
        self, rate: float, data_format: str | None = None, seed: Any = None, name: str | None = None, dtype: Any = None
    ):
        super().__init__(data_format, rate=rate, seed=seed, name=name, dtype=dtype)


class SpatialDropout2D(_SpatialDropoutOfImages, rank=2):
    """Dropout of whole channels of images: during training, sets random channels to zero.

    The other channels are multiplied by `1 / (1 - rate)`. Outside of training, the outputs are the inputs.

    Args:
        rate: the fraction of channels that are set to zero, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        seed: an integer makes the random draws repeatable; None (the default) takes them from the `rng` of `apply`, or
            from the global generator.
        name, dtype: see `Layer`.

    Shapes:
        inputs and outputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`.

    Raises:
        ValueError: when `rate` is outside of [0, 1], or `data_format` is unknown.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", arXiv:1411.4280.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> outputs = jl.layers.SpatialDropout2D(0.5, seed=1)(jnp.ones((1, 4, 4, 50)), training=True)
        >>> bool((outputs == outputs[:, :1, :1]).all())
        True
    """


class SpatialDropout3D(_SpatialDropoutOfImages, rank=3):
    """Dropout of whole channels of volumes: during training, sets random channels to zero.

    The other channels are multiplied by `1 / (1 - rate)`. Outside of training, the outputs are the inputs.

    Args:
        rate: the fraction of channels that are set to zero, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        seed: an integer makes the random draws repeatable; None (the default) takes them from the `rng` of `apply`, or
            from the global generator.
        name, dtype: see `Layer`.

    Shapes:
        inputs and outputs: `[batch, depth, height, width, channels]`, or `[batch, channels, depth, height, width]`.

    Raises:
        ValueError: when `rate` is outside of [0, 1], or `data_format` is unknown.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", arXiv:1411.4280.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> outputs = jl.layers.SpatialDropout3D(0.5, seed=1)(jnp.ones((1, 2, 3, 4, 50)), training=True)
        >>> bool((outputs == outputs[:, :1, :1, :1]).all())
        True
    """
