"""Global pooling layers: one number for each channel."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.layers._ranked import Ranked
from jaxlayers.numerics.spatial import format_of, spatial_axes


class _GlobalPooling(Ranked):
    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = format_of(type(self).__name__, data_format)
        self.keepdims = keepdims

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that are pooled."""
        return spatial_axes(self.rank, self.data_format)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), "data_format": self.data_format, "keepdims": self.keepdims}


class _GlobalMaxPooling(_GlobalPooling):
    def call(self, inputs: jax.Array) -> jax.Array:
        """The maximum over space."""
        return jnp.max(inputs, self.axes, keepdims=self.keepdims)


class _GlobalAveragePooling(_GlobalPooling):
    def call(self, inputs: jax.Array) -> jax.Array:
        """The mean over space."""
        return jnp.mean(inputs, self.axes, keepdims=self.keepdims)


class GlobalMaxPooling1D(_GlobalMaxPooling, rank=1):
    """The maximum over all steps. Arguments and shapes are those of `GlobalMaxPooling2D`, with one axis of space.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GlobalMaxPooling1D()(jnp.array([[[1.0, 5.0], [3.0, 2.0]]])).tolist()
        [[3.0, 5.0]]
    """


class GlobalMaxPooling2D(_GlobalMaxPooling, rank=2):
    """The maximum over images, for each channel.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        keepdims: whether the axes of space stay, with the size 1.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`; outputs: `[batch, channels]`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GlobalMaxPooling2D()(jnp.arange(6.0).reshape(1, 2, 3, 1)).tolist()
        [[5.0]]
    """


class GlobalMaxPooling3D(_GlobalMaxPooling, rank=3):
    """The maximum over volumes. Arguments and shapes are those of `GlobalMaxPooling2D`, with three axes of space.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GlobalMaxPooling3D(keepdims=True)(jnp.ones((2, 3, 4, 5, 6))).shape
        (2, 1, 1, 1, 6)
    """


class GlobalAveragePooling1D(_GlobalAveragePooling, rank=1):
    """The mean over all steps, or over those that a mask leaves.

    Rows that are masked whole give 0, where Keras's give NaN.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        keepdims: whether the axis of steps stays, with the size 1.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, steps, channels]`, or `[batch, channels, steps]`; mask: `[batch, steps]`; outputs:
        `[batch, channels]`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.GlobalAveragePooling1D()
        >>> layer(jnp.array([[[1.0], [3.0], [9.0]]]), mask=jnp.array([[True, True, False]])).tolist()
        [[2.0]]
    """

    supports_masking = True

    def call(self, inputs: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """The mean over the steps that count."""
        if mask is None:
            return super().call(inputs)
        (axis,) = self.axes
        if mask.shape != (inputs.shape[0], inputs.shape[axis]):
            raise ValueError(
                f"{self.path!r} needs a mask [batch, steps] for its inputs of shape {inputs.shape}; received shape "
                f"{mask.shape}."
            )
        counted = jnp.expand_dims(jnp.asarray(mask, bool), -1 if axis == 1 else 1)
        dtype = inputs.dtype if jnp.issubdtype(inputs.dtype, jnp.inexact) else jnp.result_type(float)
        wide = jnp.where(counted, inputs, 0).astype(jnp.promote_types(inputs.dtype, jnp.float32))
        count = jnp.maximum(jnp.sum(counted, axis, keepdims=self.keepdims), 1).astype(wide.dtype)
        return (jnp.sum(wide, axis, keepdims=self.keepdims) / count).astype(dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """None: no steps are left."""
        return None


class GlobalAveragePooling2D(_GlobalAveragePooling, rank=2):
    """The mean over images, for each channel.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        keepdims: whether the axes of space stay, with the size 1.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`; outputs: `[batch, channels]`.

    Source: Lin et al., "Network In Network", arXiv:1312.4400.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GlobalAveragePooling2D()(jnp.arange(6.0).reshape(1, 2, 3, 1)).tolist()
        [[2.5]]
    """


class GlobalAveragePooling3D(_GlobalAveragePooling, rank=3):
    """The mean over volumes. Arguments and shapes are those of `GlobalAveragePooling2D`, with three axes of space.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GlobalAveragePooling3D()(jnp.ones((2, 3, 4, 5, 6))).shape
        (2, 6)
    """


GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D = (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
)
