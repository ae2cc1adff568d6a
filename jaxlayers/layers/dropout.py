"""Layers that leave out a part of their inputs while training."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxlayers import random
from jaxlayers.common.constructors import constructor_config
from jaxlayers.common.settings import image_data_format
from jaxlayers.core import InputSpec, Layer

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def checked_rate(layer: Any, rate: Any, below_one: bool = False) -> Any:
    """A part, from 0 to 1.

    Raises:
        ValueError: for anything else.
    """
    if not hasattr(rate, "__float__") or not 0 <= rate <= 1 or (below_one and rate == 1):
        bounds = "from 0 to below 1" if below_one else "between 0 and 1"
        raise ValueError(f"{type(layer).__name__}: rate must be a number {bounds}; received {rate!r}.")
    return rate


class _Dropping(Layer):
    """What is dropped: a part of the inputs, decided element by element or for whole axes at once."""

    def __init__(self, rate: float, noise_shape: Any = None, seed: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        if noise_shape is not None:
            sizes = tuple(noise_shape)
            if any(size is not None and (not hasattr(size, "__index__") or size <= 0) for size in sizes):
                raise ValueError(
                    f"{type(self).__name__}: noise_shape must be of positive integers and None; received "
                    f"{noise_shape!r}."
                )
            noise_shape = sizes
        self.rate, self.noise_shape, self.seed = checked_rate(self, rate), noise_shape, seed
        self.seed_generator = random.SeedGenerator(seed) if rate else None  # no state where nothing is drawn

    def _sizes(self, inputs: jax.Array) -> tuple[int, ...]:
        """The shape of the mask for these inputs."""
        if self.noise_shape is None:
            return inputs.shape
        if len(self.noise_shape) != inputs.ndim:
            raise ValueError(
                f"{self.path!r} has noise_shape={self.noise_shape}, which needs inputs of as many axes; received "
                f"shape {inputs.shape}."
            )
        return tuple(own if size is None else size for own, size in zip(inputs.shape, self.noise_shape, strict=True))


class Dropout(_Dropping):
    """Sets a part of its inputs to zero while training, and scales the rest up by `1 / (1 - rate)`.

    Args:
        rate: the part, from 0 to 1.
        noise_shape: the shape of the mask, with 1 or None-for-the-input's-size per axis, for masks that are shared
            along axes.
        seed: an integer, for draws that repeat; without one they come from `rng` or the global generator.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Raises:
        ValueError: when `rate` is outside of [0, 1], or `noise_shape` does not fit.

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15 (2014).

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Dropout(0.5, seed=1)
        >>> sorted(set(layer(jnp.ones(100), training=True).tolist()))
        [0.0, 2.0]
    """

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Drop while training, pass on otherwise."""
        if not training or self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, self._sizes(inputs), self.seed_generator)


class AlphaDropout(_Dropping):
    """Sets a part of its inputs to the value that `selu` saturates at, and keeps their mean and variance.

    While training, `a * where(kept, x, -alpha') + b`, with `alpha' = 1.7581`, and `a` and `b` such that inputs of mean
    0 and variance 1 stay so.

    Args:
        rate: the part, from 0 to below 1 (Keras takes 1, and fails when it is called).
        noise_shape: the shape of the mask, with 1 or None-for-the-input's-size per axis, for masks that are shared
            along axes.
        seed: an integer, for draws that repeat; without one they come from `rng` or the global generator.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Raises:
        ValueError: when `rate` is outside of [0, 1), or `noise_shape` does not fit.

    Source: Klambauer et al., "Self-Normalizing Neural Networks", arXiv:1706.02515.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.AlphaDropout(0.5, seed=1)
        >>> round(float(layer(jnp.zeros(100), training=True).min()), 2)
        -0.78
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: Any = None, **kwargs: Any):
        super().__init__(rate, noise_shape, seed, **kwargs)
        checked_rate(self, rate, below_one=True)

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Drop while training, pass on otherwise."""
        if not training or self.rate == 0:
            return inputs
        floor = -_SELU_ALPHA * _SELU_SCALE
        a = ((1 - self.rate) * (1 + self.rate * floor**2)) ** -0.5
        kept = random.uniform(self._sizes(inputs), seed=self.seed_generator) >= self.rate
        return a * jnp.where(kept, inputs, floor) - a * floor * self.rate


class _SpatialDropout(Dropout):
    """Drops whole channels: one decision for all positions of a channel."""

    positions: ClassVar[int]
    data_format = "channels_last"

    def __init__(self, rate: float, seed: Any = None, name: str | None = None, dtype: Any = None):
        super().__init__(rate, None, seed, name=name, dtype=dtype)
        self.input_spec = InputSpec(ndim=self.positions + 2)

    def _sizes(self, inputs: jax.Array) -> tuple[int, ...]:
        axis = 1 if self.data_format == "channels_first" else inputs.ndim - 1
        return tuple(size if one in (0, axis) else 1 for one, size in enumerate(inputs.shape))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**constructor_config(self), "name": self.name, "dtype": self.dtype_policy.name}


class SpatialDropout1D(_SpatialDropout):
    """Sets whole channels of sequences to zero while training, and scales the rest up by `1 / (1 - rate)`.

    Args:
        rate: the part of the channels, from 0 to 1.
        seed: an integer, for draws that repeat; without one they come from `rng` or the global generator.
        name, dtype: as of `Layer`.

    Shapes:
        inputs and outputs: `[batch, time, channels]`.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", arXiv:1411.4280.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> outputs = jl.layers.SpatialDropout1D(0.5, seed=1)(jnp.ones((1, 9, 50)), training=True)
        >>> bool((outputs == outputs[:, :1]).all())
        True
    """

    positions = 1


class _SpatialDropoutOfImages(_SpatialDropout):
    def __init__(
        self, rate: float, data_format: str | None = None, seed: Any = None, name: str | None = None, dtype: Any = None
    ):
        super().__init__(rate, seed, name, dtype)
        self.data_format = image_data_format() if data_format is None else data_format
        if self.data_format not in ("channels_first", "channels_last"):
            raise ValueError(
                f"{type(self).__name__}: data_format must be 'channels_first' or 'channels_last'; received "
                f"{data_format!r}."
            )


class SpatialDropout2D(_SpatialDropoutOfImages):
    """Sets whole channels of images to zero while training, and scales the rest up by `1 / (1 - rate)`.

    Args:
        rate: the part of the channels, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        seed: an integer, for draws that repeat; without one they come from `rng` or the global generator.
        name, dtype: as of `Layer`.

    Shapes:
        inputs and outputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", arXiv:1411.4280.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> outputs = jl.layers.SpatialDropout2D(0.5, seed=1)(jnp.ones((1, 4, 4, 50)), training=True)
        >>> bool((outputs == outputs[:, :1, :1]).all())
        True
    """

    positions = 2


class SpatialDropout3D(_SpatialDropoutOfImages):
    """Sets whole channels of volumes to zero while training, and scales the rest up by `1 / (1 - rate)`.

    Args:
        rate: the part of the channels, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        seed: an integer, for draws that repeat; without one they come from `rng` or the global generator.
        name, dtype: as of `Layer`.

    Shapes:
        inputs and outputs: `[batch, depth, height, width, channels]`, or `[batch, channels, depth, height, width]`.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", arXiv:1411.4280.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> outputs = jl.layers.SpatialDropout3D(0.5, seed=1)(jnp.ones((1, 2, 3, 4, 50)), training=True)
        >>> bool((outputs == outputs[:, :1, :1, :1]).all())
        True
    """

    positions = 3
