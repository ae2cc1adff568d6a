"""Layers that change the shape of what they are given, or nothing at all."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.settings import image_data_format
from jaxlayers.core import InputSpec, Layer
from jaxlayers.layers._config import positive


class Identity(Layer):
    """Returns its inputs.

    Example:
        >>> import jaxlayers as jl
        >>> jl.layers.Identity()([1, 2])
        [1, 2]
    """

    def call(self, inputs: Any) -> Any:
        """The inputs."""
        return inputs


class Flatten(Layer):
    """Joins all axes but the first: `[batch, a, b, ...]` to `[batch, a * b * ...]`; `[batch]` to `[batch, 1]`.

    Args:
        data_format: with `"channels_first"`, the channels are moved behind the other axes before.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Flatten()(jnp.ones((2, 3, 4))).shape
        (2, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if data_format not in (None, "channels_last", "channels_first"):
            raise ValueError(
                f"Flatten: data_format must be 'channels_last' or 'channels_first'; received {data_format!r}."
            )
        self.data_format = data_format or image_data_format()
        self.input_spec = InputSpec(min_ndim=1)
        self.supports_masking = False  # a mask of steps means nothing once they are joined

    def call(self, inputs: jax.Array) -> jax.Array:
        """Join the axes."""
        if self.data_format == "channels_first" and inputs.ndim > 1:
            inputs = jnp.moveaxis(inputs, 1, -1)
        return inputs.reshape(inputs.shape[0], math.prod(inputs.shape[1:]))


class Reshape(Layer):
    """Gives each sample another shape: `[batch, ...]` to `[batch, *target_shape]`.

    Args:
        target_shape: the sizes without the batch; one may be -1, which is worked out.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Raises:
        ValueError: when a sample does not have that many elements.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Reshape((-1, 2))(jnp.ones((3, 8))).shape
        (3, 4, 2)
    """

    def __init__(self, target_shape: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)
        self.supports_masking = False  # a mask of steps means nothing once they are laid out anew
        if any(not hasattr(size, "__index__") or size < -1 for size in self.target_shape):
            raise ValueError(f"Reshape: target_shape must be of sizes, or -1; received {self.target_shape}.")
        if self.target_shape.count(-1) > 1:
            raise ValueError(f"Reshape: at most one size of target_shape may be -1; received {self.target_shape}.")

    def call(self, inputs: jax.Array) -> jax.Array:
        """Lay the elements out anew."""
        sample = inputs.shape[1:]
        known = math.prod(size for size in self.target_shape if size != -1)
        total = math.prod(sample)
        fits = total == known
        if -1 in self.target_shape and known:
            fits = total % known == 0
        if not fits:
            raise ValueError(f"{self.path!r} cannot give samples of shape {sample} the shape {self.target_shape}.")
        sizes = [size if size != -1 else (total // known if known else 0) for size in self.target_shape]
        return inputs.reshape(inputs.shape[0], *sizes)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The target's sizes are known also where none that stands for an unknown one would fit them."""
        if None not in input_shape[1:]:
            return super().compute_output_shape(input_shape)
        return (input_shape[0], *(None if size == -1 else size for size in self.target_shape))


class Permute(Layer):
    """Puts the axes of each sample into another order.

    Args:
        dims: which axis comes first, second, ...; they count from 1, behind the batch.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, ...]`; outputs: axis i is axis `dims[i - 1]` of the inputs.

    Raises:
        ValueError: when `dims` are not 1 to as many as there are, each once.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Permute((2, 1))(jnp.ones((5, 3, 4))).shape
        (5, 4, 3)
    """

    def __init__(self, dims: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if set(self.dims) != set(range(1, len(self.dims) + 1)):
            raise ValueError(f"Permute: dims must be 1 to n in any order; received {dims!r}.")
        self.supports_masking = False  # a mask of steps means nothing once they are elsewhere
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Transpose."""
        return jnp.transpose(inputs, (0, *self.dims))


class RepeatVector(Layer):
    """Makes a sequence of one vector: `[batch, features]` to `[batch, n, features]`.

    Args:
        n: the number of steps.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Raises:
        ValueError: when `n` is no positive integer.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RepeatVector(2)(jnp.array([[1.0, 2.0]])).tolist()
        [[[1.0, 2.0], [1.0, 2.0]]]
    """

    def __init__(self, n: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.n = positive(self, "n", n)
        self.supports_masking = False  # steps are new
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Repeat."""
        return jnp.broadcast_to(inputs[:, None], (inputs.shape[0], self.n, inputs.shape[1]))
