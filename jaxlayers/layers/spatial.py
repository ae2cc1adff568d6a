"""Layers that crop, pad or upsample their inputs along the spatial axes."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxlayers import ops
from jaxlayers.layers._config import positive
from jaxlayers.layers._ranked import Ranked
from jaxlayers.numerics.spatial import everywhere, one_of, pair_per_axis, per_axis, spatial_axes


class _Spatial(Ranked):
    """The base of the layers: arguments with a value, or a pair of values, for each spatial axis."""

    built = True  # it has no weights

    def pairs(self, name: str, value: Any) -> Any:
        """Return an argument as a pair (start, end) for each spatial axis; as a single pair if there is one axis."""
        if self.rank == 1:
            return per_axis(type(self).__name__, name, value, 2, least=0)
        return pair_per_axis(type(self).__name__, name, value, self.rank)

    def each_axis(self, value: Any, fill: Any) -> tuple[Any, ...]:
        """Return the values of an argument for all axes, with `fill` for the batch and the channels."""
        return everywhere((value,) if self.rank == 1 else value, self.data_format, fill)


class _Cropping(_Spatial):
    def __init__(self, cropping: Any, data_format: str | None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.cropping = self.pairs("cropping", cropping)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Crop both ends of each spatial axis."""
        cropping = self.each_axis(self.cropping, (0, 0))
        ends = [(start, size - end) for size, (start, end) in zip(inputs.shape, cropping, strict=True)]
        if not all(isinstance(end, int) for _, end in ends[1:]):  # unknown sizes
            return inputs[tuple(slice(start, -end or None) for start, end in cropping)]
        if any(start >= end for start, end in ends[1:]):
            raise ValueError(
                f"{self.path!r} with cropping={self.cropping} expects larger inputs; received shape {inputs.shape}, of "
                "which nothing would be left."
            )
        return jax.lax.slice(inputs, *zip(*ends, strict=True))


class Cropping1D(_Cropping, rank=1):
    """A layer that crops sequences at the start and at the end.

    Args:
        cropping: the number of time steps to remove at both ends, or a pair (start, end); `(1, 1)` by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, steps, channels]`; outputs: `[batch, steps - start - end, channels]`.

    Raises:
        ValueError: when `cropping` is invalid, or nothing of the inputs would be left.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Cropping1D((1, 0))(jnp.array([[[1.0], [2.0], [3.0]]])).tolist()
        [[[2.0], [3.0]]]
    """

    _config_attributes: ClassVar[dict[str, str | None]] = {"data_format": None}

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any):
        super().__init__(cropping, "channels_last", **kwargs)


class Cropping2D(_Cropping, rank=2):
    """A layer that crops images at the edges.

    Args:
        cropping: the number of rows and columns to remove at each edge: one integer; a pair (rows, columns); or
            `((top, bottom), (left, right))`. Nothing is removed by default.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`.

    Raises:
        ValueError: when an argument is invalid, or nothing of the inputs would be left.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Cropping2D(((1, 0), (1, 1)))(jnp.ones((1, 5, 5, 2))).shape
        (1, 4, 3, 2)
    """

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any):
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(_Cropping, rank=3):
    """A layer that crops volumes at the sides; by default one element at each side.

    Arguments, shapes and errors are those of `Cropping2D`, with three spatial axes.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Cropping3D((0, 1, 2))(jnp.ones((1, 5, 6, 7, 2))).shape
        (1, 5, 4, 3, 2)
    """

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any):
        super().__init__(cropping, data_format, **kwargs)


class _ZeroPadding(_Spatial):
    def __init__(self, padding: Any, data_format: str | None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.padding = self.pairs("padding", padding)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Pad both ends of each spatial axis with zeros."""
        return jnp.pad(inputs, self.each_axis(self.padding, (0, 0)))


class ZeroPadding1D(_ZeroPadding, rank=1):
    """A layer that pads sequences with zeros at the start and at the end.

    Args:
        padding: the number of time steps to add at both ends, or a pair (start, end); 1 by default.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: `[batch, steps, channels]`, or `[batch, channels, steps]`.

    Raises:
        ValueError: when an argument is invalid.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ZeroPadding1D((1, 0))(jnp.array([[[1.0], [2.0]]])).tolist()
        [[[0.0], [1.0], [2.0]]]
    """

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any):
        super().__init__(padding, data_format, **kwargs)


class ZeroPadding2D(_ZeroPadding, rank=2):
    """A layer that pads images with zeros at the edges.

    Args:
        padding: the number of rows and columns to add at each edge: one integer; a pair (rows, columns); or
            `((top, bottom), (left, right))`. One by default.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`.

    Raises:
        ValueError: when an argument is invalid.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ZeroPadding2D(((1, 0), (1, 1)))(jnp.ones((1, 5, 5, 2))).shape
        (1, 6, 7, 2)
    """

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any):
        super().__init__(padding, data_format, **kwargs)


class ZeroPadding3D(_ZeroPadding, rank=3):
    """A layer that pads volumes with zeros at the sides.

    Arguments, shapes and errors are those of `ZeroPadding2D`, with three spatial axes.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ZeroPadding3D((0, 1, 2))(jnp.ones((1, 5, 6, 7, 2))).shape
        (1, 5, 8, 11, 2)
    """

    def __init__(self, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any):
        super().__init__(padding, data_format, **kwargs)


class _UpSampling(_Spatial):
    def __init__(self, size: Any = 2, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.size: Any = positive(self, "size", size) if self.rank == 1 else self.per_axis("size", size)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Repeat each element along the spatial axes."""
        return _repeat_elements(inputs, self.each_axis(self.size, 1))


class UpSampling1D(_UpSampling, rank=1):
    """A layer that repeats each time step.

    Args:
        size: the number of repetitions; 2 by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, steps, channels]`; outputs: `[batch, steps * size, channels]`.

    Raises:
        ValueError: when `size` is not a positive integer.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.UpSampling1D(2)(jnp.array([[[1.0], [2.0]]])).tolist()
        [[[1.0], [1.0], [2.0], [2.0]]]
    """

    _config_attributes: ClassVar[dict[str, str | None]] = {"data_format": None}

    def __init__(self, size: int = 2, **kwargs: Any):
        super().__init__(size, "channels_last", **kwargs)


class UpSampling2D(_UpSampling, rank=2):
    """A layer that upsamples images.

    Args:
        size: the factors of rows and columns: a pair, or one integer for both; `(2, 2)` by default.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        interpolation: `"nearest"` (the default) repeats the elements; `"bilinear"`, `"bicubic"`, `"lanczos3"` and
            `"lanczos5"` interpolate between them.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, height, width, channels]`; outputs: `[batch, height * size[0], width * size[1], channels]`;
        channels on axis 1 with `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.UpSampling2D((1, 2))(jnp.array([[[[1.0], [2.0]]]])).tolist()
        [[[[1.0], [1.0], [2.0], [2.0]]]]
    """

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ):
        super().__init__(size, data_format, **kwargs)
        self.interpolation = one_of("UpSampling2D", "interpolation", interpolation, _INTERPOLATIONS)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Repeat the elements, or interpolate between them."""
        if self.interpolation == "nearest":
            return super().call(inputs)
        axes = spatial_axes(2, self.data_format)
        size = [inputs.shape[axis] * factor for axis, factor in zip(axes, self.size, strict=True)]
        return ops.image.resize(inputs, size, self.interpolation, data_format=self.data_format)


class UpSampling3D(_UpSampling, rank=3):
    """A layer that upsamples volumes by repeating each element.

    Args:
        size: the number of repetitions along each of the three spatial axes, or one integer for all; `(2, 2, 2)` by
            default.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, depth, height, width, channels]`; outputs: the same axes, the spatial ones `size` times as
        large; channels on axis 1 with `"channels_first"`.

    Raises:
        ValueError: when an argument is invalid.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.UpSampling3D((1, 2, 3))(jnp.ones((1, 2, 2, 2, 5))).shape
        (1, 2, 4, 6, 5)
    """


_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


@functools.partial(jax.jit, static_argnums=(1,))  # one dispatch in an eager call
def _repeat_elements(inputs: jax.Array, repetitions: tuple[int, ...]) -> jax.Array:
    for axis, count in enumerate(repetitions):
        if count > 1:
            inputs = jnp.repeat(inputs, count, axis)
    return inputs
