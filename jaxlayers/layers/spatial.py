"""Layers that cut, surround or enlarge what lies along the spatial axes."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import ops
from jaxlayers.layers._config import describe, positive
from jaxlayers.layers._ranked import Ranked
from jaxlayers.numerics.spatial import everywhere, format_of, one_of, pair_per_axis, per_axis, spatial_axes


class _Spatial(Ranked):
    """What all have: something for each axis of space."""

    arguments: tuple[str, ...]
    data_format = "channels_last"

    def pairs(self, name: str, value: Any) -> Any:
        """How much at the start and the end of each axis; of the one axis of steps there is no list."""
        where = type(self).__name__
        if self.rank == 1:
            return per_axis(where, name, value, 2, least=0)
        return pair_per_axis(where, name, value, self.rank)

    def each_axis(self, value: Any, fill: Any) -> tuple[Any, ...]:
        """A value for each axis, batch and channels included."""
        return everywhere((value,) if self.rank == 1 else value, self.data_format, fill)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), **describe(self, *self.arguments)}


class _Cropping(_Spatial):
    arguments: tuple[str, ...] = ("cropping", "data_format")

    def __init__(self, cropping: Any, data_format: str | None, **kwargs: Any):
        super().__init__(**kwargs)
        self.cropping = self.pairs("cropping", cropping)
        self.data_format = format_of(type(self).__name__, data_format)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Cut off both ends."""
        cropping = self.each_axis(self.cropping, (0, 0))
        ends = [(start, size - end) for size, (start, end) in zip(inputs.shape, cropping, strict=True)]
        if any(start >= end for start, end in ends[1:]):
            raise ValueError(
                f"{self.path!r} has cropping={self.cropping}, which leaves nothing of inputs of shape {inputs.shape}."
            )
        return jax.lax.slice(inputs, *zip(*ends, strict=True))


class Cropping1D(_Cropping, rank=1):
    """Cuts steps off at the start and at the end.

    Args:
        cropping: how many at both, or a pair.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, steps, channels]`; outputs: `[batch, steps - start - end, channels]`.

    Raises:
        ValueError: when `cropping` is wrong, or leaves nothing.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Cropping1D((1, 0))(jnp.array([[[1.0], [2.0], [3.0]]])).tolist()
        [[[2.0], [3.0]]]
    """

    arguments: tuple[str, ...] = ("cropping",)

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any):
        super().__init__(cropping, "channels_last", **kwargs)


class Cropping2D(_Cropping, rank=2):
    """Cuts off the edges of images.

    Args:
        cropping: how many rows and columns at each edge: one integer; one for the rows and one for the columns; or
            `((top, bottom), (left, right))`.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`.

    Raises:
        ValueError: when an argument is wrong, or nothing is left.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Cropping2D(((1, 0), (1, 1)))(jnp.ones((1, 5, 5, 2))).shape
        (1, 4, 3, 2)
    """

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any):
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(_Cropping, rank=3):
    """Cuts off the sides of volumes. Arguments and shapes are those of `Cropping2D`, with three axes of space.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Cropping3D((0, 1, 2))(jnp.ones((1, 5, 6, 7, 2))).shape
        (1, 5, 4, 3, 2)
    """

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any):
        super().__init__(cropping, data_format, **kwargs)


class _ZeroPadding(_Spatial):
    arguments: tuple[str, ...] = ("padding", "data_format")

    def __init__(self, padding: Any, data_format: str | None, **kwargs: Any):
        super().__init__(**kwargs)
        self.padding = self.pairs("padding", padding)
        self.data_format = format_of(type(self).__name__, data_format)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Put zeros around."""
        return jnp.pad(inputs, self.each_axis(self.padding, (0, 0)))


class ZeroPadding1D(_ZeroPadding, rank=1):
    """Puts zeros before and after the steps.

    Args:
        padding: how many at both ends, or a pair.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: `[batch, steps, channels]`, or `[batch, channels, steps]`.

    Raises:
        ValueError: when an argument is wrong.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ZeroPadding1D((1, 0))(jnp.array([[[1.0], [2.0]]])).tolist()
        [[[0.0], [1.0], [2.0]]]
    """

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any):
        super().__init__(padding, data_format, **kwargs)


class ZeroPadding2D(_ZeroPadding, rank=2):
    """Puts zeros around images.

    Args:
        padding: how many rows and columns at each edge: one integer; one for the rows and one for the columns; or
            `((top, bottom), (left, right))`.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`.

    Raises:
        ValueError: when an argument is wrong.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ZeroPadding2D(((1, 0), (1, 1)))(jnp.ones((1, 5, 5, 2))).shape
        (1, 6, 7, 2)
    """

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any):
        super().__init__(padding, data_format, **kwargs)


class ZeroPadding3D(_ZeroPadding, rank=3):
    """Puts zeros around volumes. Arguments and shapes are those of `ZeroPadding2D`, with three axes of space.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ZeroPadding3D((0, 1, 2))(jnp.ones((1, 5, 6, 7, 2))).shape
        (1, 5, 8, 11, 2)
    """

    def __init__(self, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any):
        super().__init__(padding, data_format, **kwargs)


class _UpSampling(_Spatial):
    def __init__(self, size: Any, **kwargs: Any):
        super().__init__(**kwargs)
        one = self.rank == 1
        self.size = positive(self, "size", size) if one else per_axis(type(self).__name__, "size", size, self.rank)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Repeat each element."""
        return _repeated(inputs, self.each_axis(self.size, 1))


class UpSampling1D(_UpSampling, rank=1):
    """Repeats each step.

    Args:
        size: how often.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, steps, channels]`; outputs: `[batch, steps * size, channels]`.

    Raises:
        ValueError: when `size` is no positive integer.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.UpSampling1D(2)(jnp.array([[[1.0], [2.0]]])).tolist()
        [[[1.0], [1.0], [2.0], [2.0]]]
    """

    arguments: tuple[str, ...] = ("size",)

    def __init__(self, size: int = 2, **kwargs: Any):
        super().__init__(size, **kwargs)


class UpSampling2D(_UpSampling, rank=2):
    """Makes images larger.

    Args:
        size: how many times; one integer, or one for the rows and one for the columns.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        interpolation: `"nearest"` to repeat elements; `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"` to
            compute those between.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: `[batch, height, width, channels]`, or `[batch, channels, height, width]`.

    Raises:
        ValueError: when an argument is wrong.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.UpSampling2D((1, 2))(jnp.array([[[[1.0], [2.0]]]])).tolist()
        [[[[1.0], [1.0], [2.0], [2.0]]]]
    """

    arguments: tuple[str, ...] = ("size", "data_format", "interpolation")

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ):
        super().__init__(size, **kwargs)
        self.data_format = format_of("UpSampling2D", data_format)
        self.interpolation = one_of("UpSampling2D", "interpolation", interpolation, _INTERPOLATIONS)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Repeat each element, or compute those between."""
        if self.interpolation == "nearest":
            return super().call(inputs)
        larger = [n * factor for n, factor in zip(inputs.shape, self.each_axis(self.size, 1), strict=True)]
        size = [larger[axis] for axis in spatial_axes(2, self.data_format)]
        return ops.image.resize(inputs, size, self.interpolation, data_format=self.data_format)


class UpSampling3D(_UpSampling, rank=3):
    """Makes volumes larger by repeating each element.

    Args:
        size: how often; one integer, or one for each of the three axes.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: `[batch, depth, height, width, channels]`, or `[batch, channels, depth, height, width]`.

    Raises:
        ValueError: when an argument is wrong.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.UpSampling3D((1, 2, 3))(jnp.ones((1, 2, 2, 2, 5))).shape
        (1, 2, 4, 6, 5)
    """

    arguments: tuple[str, ...] = ("size", "data_format")

    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any):
        super().__init__(size, **kwargs)
        self.data_format = format_of("UpSampling3D", data_format)


_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


@functools.partial(jax.jit, static_argnums=(1,))  # one dispatch when it is called eagerly
def _repeated(inputs: jax.Array, times: tuple[int, ...]) -> jax.Array:
    for axis, number in enumerate(times):
        if number > 1:
            inputs = jnp.repeat(inputs, number, axis)
    return inputs
