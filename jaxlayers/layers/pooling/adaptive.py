"""Adaptive pooling layers: outputs of a fixed size, for inputs of any size."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.layers._ranked import Ranked
from jaxlayers.ops.nn import adaptive_average_pool, adaptive_max_pool


class _AdaptivePooling(Ranked):
    built = True  # it has no weights
    pooled: Any  # the function of inputs, output size and data format

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.output_size = self.per_axis("output_size", output_size)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Pool each window."""
        return self.pooled(inputs, self.output_size, self.data_format)


class _AdaptiveMaxPooling(_AdaptivePooling):
    pooled = staticmethod(jax.jit(adaptive_max_pool, static_argnums=(1, 2)))


class _AdaptiveAveragePooling(_AdaptivePooling):
    pooled = staticmethod(jax.jit(adaptive_average_pool, static_argnums=(1, 2)))


class AdaptiveMaxPooling1D(_AdaptiveMaxPooling, rank=1):
    """Adaptive max pooling of sequences: the maximum of each of `output_size` windows.

    Arguments, windows and errors are those of `AdaptiveMaxPooling2D`, with one spatial axis.

    Shapes:
        inputs: `[batch, steps, channels]`; outputs: `[batch, output_size, channels]`; channels on axis 1 with
        `"channels_first"`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AdaptiveMaxPooling1D(2)(jnp.array([[[1.0], [5.0], [3.0]]])).tolist()
        [[[5.0], [5.0]]]
    """


class AdaptiveMaxPooling2D(_AdaptiveMaxPooling, rank=2):
    """Adaptive max pooling of images: the maximum of each of `output_size` windows.

    Along an axis of size `n` that is divided into `m` windows, window `i` contains the elements from `floor(i * n / m)`
    to `ceil((i + 1) * n / m) - 1`.

    Args:
        output_size: the number of windows: one integer, or one for each spatial axis.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, height, width, channels]`; outputs: `[batch, *output_size, channels]`; channels on axis 1 with
        `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AdaptiveMaxPooling2D((1, 2))(jnp.arange(6.0).reshape(1, 2, 3, 1)).tolist()
        [[[[4.0], [5.0]]]]
    """


class AdaptiveMaxPooling3D(_AdaptiveMaxPooling, rank=3):
    """Adaptive max pooling of volumes: the maximum of each of `output_size` windows.

    Arguments, windows and errors are those of `AdaptiveMaxPooling2D`, with three spatial axes.

    Shapes:
        inputs: `[batch, depth, height, width, channels]`; outputs: `[batch, *output_size, channels]`; channels on axis
        1 with `"channels_first"`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AdaptiveMaxPooling3D(2)(jnp.ones((1, 3, 4, 6, 5))).shape
        (1, 2, 2, 2, 5)
    """


class AdaptiveAveragePooling1D(_AdaptiveAveragePooling, rank=1):
    """Adaptive average pooling of sequences: the mean of each of `output_size` windows.

    Arguments, windows and errors are those of `AdaptiveAveragePooling2D`, with one spatial axis.

    Shapes:
        inputs: `[batch, steps, channels]`; outputs: `[batch, output_size, channels]`; channels on axis 1 with
        `"channels_first"`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AdaptiveAveragePooling1D(2)(jnp.array([[[1.0], [5.0], [3.0]]])).tolist()
        [[[3.0], [4.0]]]
    """


class AdaptiveAveragePooling2D(_AdaptiveAveragePooling, rank=2):
    """Adaptive average pooling of images: the mean of each of `output_size` windows.

    Along an axis of size `n` that is divided into `m` windows, window `i` contains the elements from `floor(i * n / m)`
    to `ceil((i + 1) * n / m) - 1`.

    Args:
        output_size: the number of windows: one integer, or one for each spatial axis.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, height, width, channels]`; outputs: `[batch, *output_size, channels]`; channels on axis 1 with
        `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AdaptiveAveragePooling2D((1, 2))(jnp.arange(6.0).reshape(1, 2, 3, 1)).tolist()
        [[[[2.0], [3.0]]]]
    """


class AdaptiveAveragePooling3D(_AdaptiveAveragePooling, rank=3):
    """Adaptive average pooling of volumes: the mean of each of `output_size` windows.

    Arguments, windows and errors are those of `AdaptiveAveragePooling2D`, with three spatial axes.

    Shapes:
        inputs: `[batch, depth, height, width, channels]`; outputs: `[batch, *output_size, channels]`; channels on axis
        1 with `"channels_first"`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AdaptiveAveragePooling3D(2)(jnp.ones((1, 3, 4, 6, 5))).shape
        (1, 2, 2, 2, 5)
    """
