"""Pooling layers: the maximum or the mean of each window."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.layers._config import describe
from jaxlayers.layers._ranked import Ranked
from jaxlayers.numerics.pooling import pooled_maximum, pooled_mean
from jaxlayers.numerics.spatial import format_of, one_of, per_axis


class _Pooling(Ranked):
    pooled: Any  # what is done with the windows

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        where = type(self).__name__
        self.pool_size = per_axis(where, "pool_size", pool_size, self.rank)
        self.strides = self.pool_size if strides is None else per_axis(where, "strides", strides, self.rank)
        self.padding = one_of(where, "padding", padding, ("valid", "same"))
        self.data_format = format_of(where, data_format)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Pool each window."""
        outputs = self.pooled(inputs, self.pool_size, self.strides, self.padding, self.data_format)
        if inputs.size and not outputs.size:
            raise ValueError(
                f"{self.path!r} leaves nothing of inputs of shape {inputs.shape}: a window of {self.pool_size} does "
                "not fit into them. Use a smaller one, or padding='same'."
            )
        return outputs

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), **describe(self, "pool_size", "strides", "padding", "data_format")}


class _MaxPooling(_Pooling):
    pooled = staticmethod(pooled_maximum)


class _AveragePooling(_Pooling):
    pooled = staticmethod(pooled_mean)


class MaxPooling1D(_MaxPooling, rank=1):
    """The maximum of each window of steps. Arguments are those of `MaxPooling2D`, with one axis of space.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.MaxPooling1D()(jnp.array([[[1.0], [5.0], [3.0], [2.0]]])).tolist()
        [[[5.0], [3.0]]]
    """

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


class MaxPooling2D(_MaxPooling, rank=2):
    """The maximum of each window of images, for each channel.

    Args:
        pool_size: the size of a window; one integer, or one for each axis, as in the next.
        strides: how far apart windows are; by default as far as they are wide.
        padding: `"valid"` for whole windows only, `"same"` for `ceil(size / strides)` of them, cut off at the edges.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        name: of the layer.
        **kwargs: `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`; outputs: the same axes.

    Raises:
        ValueError: when an argument is wrong, or no window fits into the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.MaxPooling2D()(jnp.arange(8.0).reshape(1, 2, 4, 1)).tolist()
        [[[[5.0], [7.0]]]]
    """

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


class MaxPooling3D(_MaxPooling, rank=3):
    """The maximum of each window of volumes. Arguments are those of `MaxPooling2D`, with three axes of space.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.MaxPooling3D((1, 2, 2))(jnp.ones((1, 3, 4, 6, 2))).shape
        (1, 3, 2, 3, 2)
    """

    def __init__(
        self,
        pool_size: Any = (2, 2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


class AveragePooling1D(_AveragePooling, rank=1):
    """The mean of each window of steps. Arguments are those of `AveragePooling2D`, with one axis of space.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AveragePooling1D(2)(jnp.array([[[1.0], [5.0], [3.0], [2.0]]])).tolist()
        [[[3.0], [2.5]]]
    """


class AveragePooling2D(_AveragePooling, rank=2):
    """The mean of each window of images, for each channel; padding does not count.

    Args:
        pool_size: the size of a window; one integer, or one for each axis, as in the next.
        strides: how far apart windows are; by default as far as they are wide.
        padding: `"valid"` for whole windows only, `"same"` for `ceil(size / strides)` of them, cut off at the edges.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        name: of the layer.
        **kwargs: `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`; outputs: the same axes.

    Raises:
        ValueError: when an argument is wrong, or no window fits into the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AveragePooling2D(2)(jnp.arange(8.0).reshape(1, 2, 4, 1)).tolist()
        [[[[2.5], [4.5]]]]
    """


class AveragePooling3D(_AveragePooling, rank=3):
    """The mean of each window of volumes. Arguments are those of `AveragePooling2D`, with three axes of space.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AveragePooling3D(2, strides=1)(jnp.ones((1, 3, 4, 6, 2))).shape
        (1, 2, 3, 5, 2)
    """


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
