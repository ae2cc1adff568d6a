"""Pooling layers: the maximum or the mean of each window."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.common.constructors import passes_on
from jaxlayers.layers._ranked import Ranked
from jaxlayers.numerics.pooling import pooled_maximum, pooled_mean
from jaxlayers.numerics.spatial import one_of, refuse_empty_outputs


class _Pooling(Ranked):
    built = True  # it has no weights
    pooled: Any  # the function that pools inputs: `(inputs, pool_size, strides, padding, data_format)`

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, name=name, **kwargs)
        self.pool_size = self.per_axis("pool_size", pool_size)
        self.strides = self.pool_size if strides is None else self.per_axis("strides", strides)
        self.padding = one_of(type(self).__name__, "padding", padding, ("valid", "same"))

    def call(self, inputs: jax.Array) -> jax.Array:
        """Pool each window."""
        outputs = self.pooled(inputs, self.pool_size, self.strides, self.padding, self.data_format)
        refuse_empty_outputs(repr(self.path), inputs, outputs, "window", self.pool_size)
        return outputs


class _MaxPooling(_Pooling):
    pooled = staticmethod(pooled_maximum)

    @passes_on
    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        pass


class _AveragePooling(_Pooling):
    pooled = staticmethod(pooled_mean)


class MaxPooling1D(_MaxPooling, rank=1):
    """Max pooling of sequences: the maximum of each window of time steps, for each channel.

    Arguments and errors are those of `MaxPooling2D`, with one spatial axis.

    Shapes:
        inputs: `[batch, steps, channels]`; outputs: `[batch, new_steps, channels]`; channels on axis 1 with
        `"channels_first"`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.MaxPooling1D()(jnp.array([[[1.0], [5.0], [3.0], [2.0]]])).tolist()
        [[[5.0], [3.0]]]
    """


class MaxPooling2D(_MaxPooling, rank=2):
    """Max pooling of images: the maximum of each window, for each channel.

    Args:
        pool_size: the size of a window: one integer, or one for each spatial axis; 2 by default.
        strides: the distance between neighbouring windows: one integer, or one for each spatial axis; `pool_size` by
            default.
        padding: `"valid"` (the default) for windows inside the inputs alone; `"same"` for `ceil(size / strides)`
            windows, of which those at the edges contain fewer elements.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        name: the name of the layer; derived from the class by default.
        **kwargs: arguments of `Layer`, such as `dtype`.

    Shapes:
        inputs: `[batch, height, width, channels]`; outputs: `[batch, new_height, new_width, channels]`; channels on
        axis 1 with `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid, or no window fits into the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.MaxPooling2D()(jnp.arange(8.0).reshape(1, 2, 4, 1)).tolist()
        [[[[5.0], [7.0]]]]
    """


class MaxPooling3D(_MaxPooling, rank=3):
    """Max pooling of volumes: the maximum of each window, for each channel.

    Arguments and errors are those of `MaxPooling2D`, with three spatial axes.

    Shapes:
        inputs: `[batch, depth, height, width, channels]`; outputs:
        `[batch, new_depth, new_height, new_width, channels]`; channels on axis 1 with `"channels_first"`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.MaxPooling3D((1, 2, 2))(jnp.ones((1, 3, 4, 6, 2))).shape
        (1, 3, 2, 3, 2)
    """


class AveragePooling1D(_AveragePooling, rank=1):
    """Average pooling of sequences: the mean of each window of time steps, for each channel.

    Arguments and errors are those of `AveragePooling2D`, with one spatial axis.

    Shapes:
        inputs: `[batch, steps, channels]`; outputs: `[batch, new_steps, channels]`; channels on axis 1 with
        `"channels_first"`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AveragePooling1D(2)(jnp.array([[[1.0], [5.0], [3.0], [2.0]]])).tolist()
        [[[3.0], [2.5]]]
    """


class AveragePooling2D(_AveragePooling, rank=2):
    """Average pooling of images: the mean of each window without padding, for each channel.

    Args:
        pool_size: the size of a window: one integer, or one for each spatial axis.
        strides: the distance between neighbouring windows: one integer, or one for each spatial axis; `pool_size` by
            default.
        padding: `"valid"` (the default) for windows inside the inputs alone; `"same"` for `ceil(size / strides)`
            windows, of which those at the edges contain fewer elements.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        name: the name of the layer; derived from the class by default.
        **kwargs: arguments of `Layer`, such as `dtype`.

    Shapes:
        inputs: `[batch, height, width, channels]`; outputs: `[batch, new_height, new_width, channels]`; channels on
        axis 1 with `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid, or no window fits into the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AveragePooling2D(2)(jnp.arange(8.0).reshape(1, 2, 4, 1)).tolist()
        [[[[2.5], [4.5]]]]
    """


class AveragePooling3D(_AveragePooling, rank=3):
    """Average pooling of volumes: the mean of each window without padding, for each channel.

    Arguments and errors are those of `AveragePooling2D`, with three spatial axes.

    Shapes:
        inputs: `[batch, depth, height, width, channels]`; outputs:
        `[batch, new_depth, new_height, new_width, channels]`; channels on axis 1 with `"channels_first"`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AveragePooling3D(2, strides=1)(jnp.ones((1, 3, 4, 6, 2))).shape
        (1, 2, 3, 5, 2)
    """


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
