"""`Rescaling` and `Normalization`: linear maps of values, by given numbers or by statistics of data."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import epsilon, image_data_format
from jaxlayers.core import Layer
from jaxlayers.layers.preprocessing.host import batches
from jaxlayers.numerics.types import wide_dtype


class Rescaling(Layer):
    """A linear map, `inputs scale + offset`, computed in float32 at least and returned in the compute dtype.

    Args:
        scale: a number, or an array with one number for each channel. Channels are the last axis, or the third axis
            from the end if `config.image_data_format()` is `"channels_first"`.
        offset: a number or an array, likewise; 0 by default.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: `[..., channels]`.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> jl.layers.Rescaling(1 / 127.5, offset=-1)(np.array([0, 255])).tolist()
        [-1.0, 1.0]
    """

    built = True  # it has no weights

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.scale, self.offset = (value if np.ndim(value) == 0 else np.asarray(value) for value in (scale, offset))
        self.autocast = False  # a cast before the sum would lose the precision that the outputs can have

    def call(self, inputs: jax.Array) -> jax.Array:
        """Return `inputs scale + offset`."""
        inputs = _as_wide_float(inputs, self.compute_dtype)
        outputs = inputs * self._along_channels(self.scale, inputs) + self._along_channels(self.offset, inputs)
        return outputs.astype(self.compute_dtype)

    def _along_channels(self, value: Any, inputs: jax.Array) -> jax.Array:
        """Reshape a value for each channel so that it broadcasts with the inputs."""
        value = jnp.asarray(value, inputs.dtype)
        if value.ndim and image_data_format() == "channels_first":
            value = value.reshape(value.shape + (1,) * (3 - value.ndim))
        return value.reshape((1,) * (inputs.ndim - value.ndim) + value.shape) if value.ndim else value


class Normalization(Layer):
    """Normalisation to mean 0 and variance 1: `(inputs - mean) / max(sqrt(variance), epsilon)`.

    `epsilon` is `config.epsilon()`. Mean and variance are arguments, or are set by `adapt`. They are read in each call,
    so that loaded weights take effect at once; Keras reads them only when the layer is built or adapted.

    Args:
        axis: the axis or axes with a mean and a variance for each index, -1 by default; None for one mean and one
            variance of all values.
        mean: the mean, a number or an array with the sizes of `axis`; None (default) to use `adapt`.
        variance: the variance, likewise; needed if and only if there is a mean.
        invert: if True, the layer computes `mean + inputs max(sqrt(variance), epsilon)`. False by default.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[...]`.
        outputs: the same shape, in the compute dtype. If the number of axes differs from that for which the layer was
        built, the last axes are matched, as in broadcasting.

    Raises:
        ValueError: if only one of `mean` and `variance` is given, or the shapes of `mean`, `variance`, `axis` and
            inputs do not fit.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> layer = jl.layers.Normalization()
        >>> layer.adapt(np.array([[1.0], [3.0]]))
        >>> layer(np.array([[1.0], [5.0]])).tolist()
        [[-1.0], [3.0]]
    """

    _config_attributes: ClassVar[dict[str, str | None]] = {"mean": "input_mean", "variance": "input_variance"}

    def __init__(self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.autocast = False  # a cast before the difference would lose the precision that the outputs can have
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.input_mean, self.input_variance = (None if x is None else np.array(x) for x in (mean, variance))
        self.invert = invert
        if (mean is None) != (variance is None):
            raise ValueError(
                f"Normalization expects both mean and variance, or neither; received mean={mean}, variance={variance}."
            )
        if np.shape(mean) != np.shape(variance) or np.ndim(mean) > len(self.axis):
            raise ValueError(
                f"Normalization: mean and variance must have the same shape, with at most as many axes as axis="
                f"{self.axis} names; received shapes {np.shape(mean)} and {np.shape(variance)}."
            )

    def build(self, input_shape: Any) -> None:
        """Make the weights, unless mean and variance are arguments."""
        self._kept = tuple(sorted(axis % len(input_shape) for axis in self.axis if -len(input_shape) <= axis))
        if len(self._kept) != len(self.axis) or max(self.axis, default=-1) >= len(input_shape):
            raise ValueError(
                f"{self.path!r} expects inputs with the axes axis={self.axis}; received shape {input_shape}."
            )
        shape = tuple(input_shape[axis] for axis in self._kept)
        if None in shape:
            raise ValueError(f"{self.path!r} expects known sizes along axis={self.axis}; received shape {input_shape}.")
        self._sizes = shape
        self._others = tuple(axis for axis in range(len(input_shape)) if axis not in self._kept)
        if self.input_mean is None:
            self.adapt_mean = self.add_weight(shape, "zeros", trainable=False, name="mean")
            self.adapt_variance = self.add_weight(shape, "ones", trainable=False, name="variance")
            self.count = self.add_weight((), "zeros", dtype="int32", trainable=False, name="count")
        super().build(input_shape)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Normalise the inputs, or undo the normalisation if `invert` is True."""
        inputs = _as_wide_float(inputs, self.compute_dtype)
        mean, variance = (array.astype(inputs.dtype) for array in (self.mean, self.variance))
        deviation = jnp.maximum(jnp.sqrt(variance), jnp.asarray(epsilon(), inputs.dtype))
        outputs = mean + inputs * deviation if self.invert else (inputs - mean) / deviation
        return outputs.astype(self.compute_dtype)

    @property
    def mean(self) -> jax.Array:
        """The mean that is subtracted, reshaped to broadcast with the inputs for which the layer was built."""
        return self._along_axes("mean")

    @property
    def variance(self) -> jax.Array:
        """The variance, reshaped like the mean."""
        return self._along_axes("variance")

    def _along_axes(self, name: str) -> jax.Array:
        if not self.built:
            raise AttributeError(f"{self.path!r} has no {name} yet: call the layer, build() or adapt() first.")
        value = getattr(self, f"adapt_{name}").value if self.input_mean is None else getattr(self, f"input_{name}")
        value = jnp.broadcast_to(jnp.asarray(value, wide_dtype(self.compute_dtype)), self._sizes)
        return jnp.expand_dims(value, self._others)

    @property
    def adaptable(self) -> bool:
        """True if mean and variance come from `adapt`, False if they were arguments."""
        return self.input_mean is None

    def adapt(self, data: Any) -> None:
        """Set mean and variance to those of data, computed in float64 on the host.

        The data of earlier calls is not used.

        Args:
            data: an array, nested lists of numbers, or an iterable of batches; of a batch that is a tuple, the first
                element is used.

        Raises:
            ValueError: if there is no data, mean and variance were arguments, or the shape does not fit that for which
                the layer was built.
        """
        if not self.adaptable:
            raise ValueError(f"{self.path!r} was created with a mean and variance, so it cannot adapt to data.")
        if isinstance(data, list) and data and isinstance(data[0], list | int | float):
            data = np.asarray(data)
        count, mean, squares = 0, np.float64(0), np.float64(0)  # `squares`: the sum of squared deviations from the mean
        for batch in batches(data):
            values = np.asarray(batch).astype("float64")
            if not self.built:
                self.build(values.shape)
            if values.ndim <= max(self._kept, default=-1) or tuple(values.shape[a] for a in self._kept) != self._sizes:
                raise ValueError(
                    f"{self.path!r} expects batches with the sizes {self._sizes} along the axes {self._kept}; received "
                    f"a batch of shape {values.shape}."
                )
            others = tuple(axis for axis in range(values.ndim) if axis not in self._kept)
            new = math.prod(values.shape[axis] for axis in others)
            if not new:
                continue
            batch_mean, batch_squares = values.mean(others), values.var(others) * new
            # Merge the deviations of both parts; a difference of sums of squares would cancel digits.
            step = batch_mean - mean
            squares = squares + batch_squares + step**2 * (count * new / (count + new))
            mean = mean + step * (new / (count + new))
            count += new
        if not count:
            raise ValueError(f"{self.path!r} expects data with at least one value to adapt to; received none.")
        self.adapt_mean.assign(np.broadcast_to(mean, self._sizes).astype("float32"))
        self.adapt_variance.assign(np.broadcast_to(squares / count, self._sizes).astype("float32"))

    def finalize_state(self) -> None:
        """Do nothing: mean and variance are read in each call, also after they were assigned by hand."""


def _as_wide_float(inputs: Any, compute_dtype: str) -> jax.Array:
    """Return inputs as floats of at least 32 bits, and at least of the compute dtype."""
    inputs = jnp.asarray(inputs)
    return inputs.astype(max(map(wide_dtype, (inputs.dtype, compute_dtype)), key=lambda dtype: dtype.itemsize))
