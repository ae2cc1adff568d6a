"""Adaptive pooling layers: outputs of one size, whatever the size of the inputs."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.layers._config import describe
from jaxlayers.layers._ranked import Ranked
from jaxlayers.numerics.spatial import format_of, per_axis
from jaxlayers.ops.nn import adaptive_average_pool, adaptive_max_pool


class _AdaptivePooling(Ranked):
    pooled: Any

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        where = type(self).__name__
        self.output_size = per_axis(where, "output_size", output_size, self.rank)
        self.data_format = format_of(where, data_format)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Pool each window."""
        return self.pooled(inputs, self.output_size, self.data_format)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), **describe(self, "output_size", "data_format")}


class _AdaptiveMaxPooling(_AdaptivePooling):
    pooled = staticmethod(jax.jit(adaptive_max_pool, static_argnums=(1, 2)))


class _AdaptiveAveragePooling(_AdaptivePooling):
    pooled = staticmethod(jax.jit(adaptive_average_pool, static_argnums=(1, 2)))


class AdaptiveMaxPooling1D(_AdaptiveMaxPooling, rank=1):
    """The maximum of so many windows. Arguments are those of `AdaptiveMaxPooling2D`, with one axis of space.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AdaptiveMaxPooling1D(2)(jnp.array([[[1.0], [5.0], [3.0]]])).tolist()
        [[[5.0], [5.0]]]
    """


class AdaptiveMaxPooling2D(_AdaptiveMaxPooling, rank=2):
    """The maximum of so many windows of images, for each channel.

    Along an axis with n elements, window i of m goes from `floor(i * n / m)` to `ceil((i + 1) * n / m)`.

    Args:
        output_size: how many windows; one integer, or one for each axis.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`; outputs: the same axes, of
        `output_size`.

    Raises:
        ValueError: when an argument is wrong.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AdaptiveMaxPooling2D((1, 2))(jnp.arange(6.0).reshape(1, 2, 3, 1)).tolist()
        [[[[4.0], [5.0]]]]
    """


class AdaptiveMaxPooling3D(_AdaptiveMaxPooling, rank=3):
    """The maximum of so many windows. Arguments are those of `AdaptiveMaxPooling2D`, with three axes of space.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AdaptiveMaxPooling3D(2)(jnp.ones((1, 3, 4, 6, 5))).shape
        (1, 2, 2, 2, 5)
    """


class AdaptiveAveragePooling1D(_AdaptiveAveragePooling, rank=1):
    """The mean of so many windows. Arguments are those of `AdaptiveAveragePooling2D`, with one axis of space.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AdaptiveAveragePooling1D(2)(jnp.array([[[1.0], [5.0], [3.0]]])).tolist()
        [[[3.0], [4.0]]]
    """


class AdaptiveAveragePooling2D(_AdaptiveAveragePooling, rank=2):
    """The mean of so many windows of images, for each channel.

    Along an axis with n elements, window i of m goes from `floor(i * n / m)` to `ceil((i + 1) * n / m)`.

    Args:
        output_size: how many windows; one integer, or one for each axis.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`; outputs: the same axes, of
        `output_size`.

    Raises:
        ValueError: when an argument is wrong.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AdaptiveAveragePooling2D((1, 2))(jnp.arange(6.0).reshape(1, 2, 3, 1)).tolist()
        [[[[2.0], [3.0]]]]
    """


class AdaptiveAveragePooling3D(_AdaptiveAveragePooling, rank=3):
    """The mean of so many windows. Arguments are those of `AdaptiveAveragePooling2D`, with three axes of space.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AdaptiveAveragePooling3D(2)(jnp.ones((1, 3, 4, 6, 5))).shape
        (1, 2, 2, 2, 5)
    """
