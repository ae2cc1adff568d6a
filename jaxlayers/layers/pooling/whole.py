"""Global pooling layers: one value for each channel."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.layers._ranked import Ranked
from jaxlayers.numerics.spatial import spatial_axes
from jaxlayers.numerics.types import wide


class _GlobalPooling(Ranked):
    built = True  # it has no weights
    pooled: Any  # the function that pools inputs: `(inputs, axes, keepdims=...)`

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.keepdims = keepdims
        self.axes = spatial_axes(self.rank, self.data_format)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Pool over the spatial axes."""
        return self.pooled(inputs, self.axes, keepdims=self.keepdims)


class _GlobalMaxPooling(_GlobalPooling):
    pooled = staticmethod(jnp.max)


class _GlobalAveragePooling(_GlobalPooling):
    pooled = staticmethod(jnp.mean)


class GlobalMaxPooling1D(_GlobalMaxPooling, rank=1):
    """Global max pooling of sequences: the maximum over all time steps, for each channel.

    Arguments are those of `GlobalMaxPooling2D`, with one spatial axis.

    Shapes:
        inputs: `[batch, steps, channels]`, or `[batch, channels, steps]` with `"channels_first"`; outputs:
        `[batch, channels]`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GlobalMaxPooling1D()(jnp.array([[[1.0, 5.0], [3.0, 2.0]]])).tolist()
        [[3.0, 5.0]]
    """


class GlobalMaxPooling2D(_GlobalMaxPooling, rank=2):
    """Global max pooling of images: the maximum over all positions, for each channel.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        keepdims: if True, the outputs keep the spatial axes, with size 1. False by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]` with `"channels_first"`;
        outputs: `[batch, channels]`.

    Raises:
        ValueError: when `data_format` is unknown, or the inputs have another number of axes.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GlobalMaxPooling2D()(jnp.arange(6.0).reshape(1, 2, 3, 1)).tolist()
        [[5.0]]
    """


class GlobalMaxPooling3D(_GlobalMaxPooling, rank=3):
    """Global max pooling of volumes: the maximum over all positions, for each channel.

    Arguments, shapes and errors are those of `GlobalMaxPooling2D`, with three spatial axes.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GlobalMaxPooling3D(keepdims=True)(jnp.ones((2, 3, 4, 5, 6))).shape
        (2, 1, 1, 1, 6)
    """


class GlobalAveragePooling1D(_GlobalAveragePooling, rank=1):
    """Global average pooling of sequences: the mean over all time steps that are not masked, for each channel.

    Sequences whose time steps are all masked give 0. (Keras gives NaN.)

    Args:
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        keepdims: if True, the outputs keep the axis of time steps, with size 1. False by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, steps, channels]`, or `[batch, channels, steps]` with `"channels_first"`; mask:
        `[batch, steps]`; outputs: `[batch, channels]`.

    Raises:
        ValueError: when `data_format` is unknown, or the shape of the mask does not fit the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.GlobalAveragePooling1D()
        >>> layer(jnp.array([[[1.0], [3.0], [9.0]]]), mask=jnp.array([[True, True, False]])).tolist()
        [[2.0]]
    """

    supports_masking = True

    def call(self, inputs: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """The mean over the time steps that are not masked."""
        if mask is None:
            return super().call(inputs)
        (axis,) = self.axes
        if mask.shape != (inputs.shape[0], inputs.shape[axis]):
            raise ValueError(
                f"{self.path!r} expects a mask [batch, steps] for its inputs of shape {inputs.shape}; received a mask "
                f"of shape {mask.shape}."
            )
        valid = jnp.expand_dims(jnp.asarray(mask, bool), -1 if axis == 1 else 1)
        dtype = inputs.dtype if jnp.issubdtype(inputs.dtype, jnp.inexact) else jnp.result_type(float)
        values = wide(jnp.where(valid, inputs, 0))
        count = jnp.maximum(jnp.sum(valid, axis, keepdims=self.keepdims), 1).astype(values.dtype)
        return (jnp.sum(values, axis, keepdims=self.keepdims) / count).astype(dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """None: the outputs have no axis of time steps."""
        return None


class GlobalAveragePooling2D(_GlobalAveragePooling, rank=2):
    """Global average pooling of images: the mean over all positions, for each channel.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        keepdims: if True, the outputs keep the spatial axes, with size 1. False by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]` with `"channels_first"`;
        outputs: `[batch, channels]`.

    Raises:
        ValueError: when `data_format` is unknown, or the inputs have another number of axes.

    Source: Lin et al., "Network In Network", arXiv:1312.4400.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GlobalAveragePooling2D()(jnp.arange(6.0).reshape(1, 2, 3, 1)).tolist()
        [[2.5]]
    """


class GlobalAveragePooling3D(_GlobalAveragePooling, rank=3):
    """Global average pooling of volumes: the mean over all positions, for each channel.

    Arguments, shapes and errors are those of `GlobalAveragePooling2D`, with three spatial axes.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GlobalAveragePooling3D()(jnp.ones((2, 3, 4, 5, 6))).shape
        (2, 6)
    """


GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
