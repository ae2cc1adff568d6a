"""Values of any shape scaled: by given numbers, or by statistics of data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import epsilon, image_data_format
from jaxlayers.core import Layer


class Rescaling(Layer):
    """`inputs scale + offset`, in the compute dtype.

    Args:
        scale: a number, or one for each channel.
        offset: likewise.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> jl.layers.Rescaling(1 / 127.5, offset=-1)(np.array([0, 255])).tolist()
        [-1.0, 1.0]
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.scale, self.offset = (value if np.ndim(value) == 0 else np.asarray(value) for value in (scale, offset))

    def call(self, inputs: jax.Array) -> jax.Array:
        """Scale and shift."""
        inputs = jnp.asarray(inputs, self.compute_dtype)
        return inputs * self._along_channels(self.scale, inputs) + self._along_channels(self.offset, inputs)

    def _along_channels(self, value: Any, inputs: jax.Array) -> jax.Array:
        value = jnp.asarray(value, inputs.dtype)
        if value.ndim and image_data_format() == "channels_first":
            value = value.reshape(value.shape + (1,) * (3 - value.ndim))
        return value.reshape((1,) * (inputs.ndim - value.ndim) + value.shape) if value.ndim else value


class Normalization(Layer):
    """Values with mean 0 and variance 1: `(inputs - mean) / max(sqrt(variance), epsilon)`.

    Mean and variance are given, or found by `adapt`. They are read when the layer is called, so that weights which
    are loaded count at once; Keras reads them only when it is built or adapted.

    Args:
        axis: which axes have a mean and variance for each index: the last one by default, None for none.
        mean: for values that are known; needs `variance`.
        variance: likewise.
        invert: whether to go back from normalised values.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[...]`; outputs: the same, in the compute dtype. Inputs may have another number of axes than those
        that the layer was built for: then the last ones correspond, as in broadcasting.

    Raises:
        ValueError: for one of `mean` and `variance` alone, or shapes that do not fit.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> layer = jl.layers.Normalization()
        >>> layer.adapt(np.array([[1.0], [3.0]]))
        >>> layer(np.array([[1.0], [5.0]])).tolist()
        [[-1.0], [3.0]]
    """

    def __init__(self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.input_mean, self.input_variance, self.invert = mean, variance, invert
        if (mean is None) != (variance is None):
            raise ValueError(
                f"Normalization takes mean and variance together; received mean={mean}, variance={variance}."
            )
        if np.shape(mean) != np.shape(variance) or np.ndim(mean) > len(self.axis):
            raise ValueError(
                f"Normalization: mean and variance must have one shape, of at most as many axes as axis={self.axis}; "
                f"received shapes {np.shape(mean)} and {np.shape(variance)}."
            )

    def build(self, input_shape: Any) -> None:
        """Make the weights, unless mean and variance are given."""
        self._kept = tuple(sorted(axis % len(input_shape) for axis in self.axis if -len(input_shape) <= axis))
        if len(self._kept) != len(self.axis) or max(self.axis, default=-1) >= len(input_shape):
            raise ValueError(f"{self.path!r} has axis={self.axis}, which inputs of shape {input_shape} do not have.")
        shape = tuple(input_shape[axis] for axis in self._kept)
        if None in shape:
            raise ValueError(f"{self.path!r} needs known sizes along axis={self.axis}; received {input_shape}.")
        self._sizes, self._ndim = shape, len(input_shape)
        if self.input_mean is None:
            options: dict[str, Any] = {"trainable": False}
            self.adapt_mean = self.add_weight(shape, "zeros", name="mean", **options)
            self.adapt_variance = self.add_weight(shape, "ones", name="variance", **options)
            self.count = self.add_weight((), "zeros", dtype="int32", name="count", **options)
        super().build(input_shape)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Normalise, or go back."""
        inputs = inputs.astype(self.compute_dtype)
        mean, variance = self.mean, self.variance
        deviation = jnp.maximum(jnp.sqrt(variance), jnp.asarray(epsilon(), inputs.dtype))
        return mean + inputs * deviation if self.invert else (inputs - mean) / deviation

    @property
    def mean(self) -> jax.Array:
        """The mean that is subtracted, with the axes of the inputs that the layer was built for."""
        return self._along_axes("mean")

    @property
    def variance(self) -> jax.Array:
        """The variance, likewise."""
        return self._along_axes("variance")

    def _along_axes(self, name: str) -> jax.Array:
        if not self.built:
            raise AttributeError(f"{self.path!r} has no {name} yet: call it, build() or adapt() it first.")
        value = getattr(self, f"adapt_{name}").value if self.input_mean is None else getattr(self, f"input_{name}")
        shape = [1] * self._ndim
        for axis, size in zip(self._kept, self._sizes, strict=True):
            shape[axis] = size
        return jnp.broadcast_to(jnp.asarray(value, self.compute_dtype), self._sizes).reshape(shape)

    def adapt(self, data: Any) -> None:
        """Find mean and variance of data, in float64 on the host.

        Args:
            data: an array, nested lists of numbers, or batches in any iterable (of tuples, whose first element
                counts). What an earlier call found is forgotten.

        Raises:
            ValueError: without data, when mean and variance were given, or for another shape than before.
        """
        if self.input_mean is not None:
            raise ValueError(f"{self.path!r} was made with a mean and variance, so there is nothing to adapt.")
        if isinstance(data, list) and data and isinstance(data[0], list | int | float):
            data = np.asarray(data)
        batches: Iterable[Any] = [data] if hasattr(data, "shape") else data
        count, mean, spread = 0, np.float64(0), np.float64(0)
        for batch in batches:
            values = np.asarray(batch[0] if isinstance(batch, tuple) else batch).astype("float64")
            if not self.built:
                self.build(values.shape)
            if values.ndim <= max(self._kept, default=-1) or tuple(values.shape[a] for a in self._kept) != self._sizes:
                raise ValueError(
                    f"{self.path!r} has statistics of shape {self._sizes} along axes {self._kept}; received a batch "
                    f"of shape {values.shape}."
                )
            others = tuple(axis for axis in range(values.ndim) if axis not in self._kept)
            new = math.prod(values.shape[axis] for axis in others)
            if not new:
                continue
            own_mean, own_spread = values.mean(others), values.var(others) * new
            step = own_mean - mean  # both parts joined as one, without a sum of squares that would cancel
            spread = spread + own_spread + step**2 * (count * new / (count + new))
            mean = mean + step * (new / (count + new))
            count += new
        if not count:
            raise ValueError(f"{self.path!r} cannot adapt to no data.")
        self.adapt_mean.assign(np.broadcast_to(mean, self._sizes).astype("float32"))
        self.adapt_variance.assign(np.broadcast_to(spread / count, self._sizes).astype("float32"))

    def finalize_state(self) -> None:
        """Nothing: mean and variance are read whenever the layer is called, also after they were put in by hand."""

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        mean, variance = (np.array(value).tolist() for value in (self.input_mean, self.input_variance))
        return {**super().get_config(), "mean": mean, "variance": variance}
