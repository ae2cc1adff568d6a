"""Layers that change the shape of their inputs, and the identity."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import InputSpec, Layer
from jaxlayers.layers._config import positive
from jaxlayers.numerics.spatial import format_of


class Identity(Layer):
    """The identity: the outputs are the inputs.

    Shapes:
        inputs and outputs: any, also several arrays.

    Example:
        >>> import jaxlayers as jl
        >>> jl.layers.Identity()([1, 2])
        [1, 2]
    """

    built = True  # it has no weights

    def call(self, inputs: Any) -> Any:
        """Return the inputs."""
        return inputs


class Flatten(Layer):
    """A layer that flattens each sample to one axis.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default. With
            `"channels_first"`, the channels are moved to the last axis before.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, a, b, ...]`; outputs: `[batch, a * b * ...]`. Inputs `[batch]` give `[batch, 1]`.

    Raises:
        ValueError: when `data_format` is unknown.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Flatten()(jnp.ones((2, 3, 4))).shape
        (2, 12)
    """

    built = True  # it has no weights

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = format_of("Flatten", data_format)
        self.input_spec = InputSpec(min_ndim=1)
        self.supports_masking = False  # the outputs have no axis of time steps

    def call(self, inputs: jax.Array) -> jax.Array:
        """Flatten each sample."""
        if self.data_format == "channels_first" and inputs.ndim > 1:
            inputs = jnp.moveaxis(inputs, 1, -1)
        return inputs.reshape(inputs.shape[0], math.prod(inputs.shape[1:]))


class Reshape(Layer):
    """A layer that gives each sample another shape.

    Args:
        target_shape: the shape of a sample of the outputs. One size may be -1: it follows from the number of elements.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, ...]`; outputs: `[batch, *target_shape]`.

    Raises:
        ValueError: when `target_shape` is invalid, or does not have the number of elements of a sample.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Reshape((-1, 2))(jnp.ones((3, 8))).shape
        (3, 4, 2)
    """

    built = True  # it has no weights

    def __init__(self, target_shape: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)
        self.supports_masking = False  # the outputs have other axes than the mask
        if any(not hasattr(size, "__index__") or size < -1 for size in self.target_shape):
            raise ValueError(
                f"Reshape: target_shape must consist of sizes of at least 0, or -1; received {self.target_shape}."
            )
        if self.target_shape.count(-1) > 1:
            raise ValueError(f"Reshape: at most one size of target_shape may be -1; received {self.target_shape}.")

    def call(self, inputs: jax.Array) -> jax.Array:
        """Reshape each sample."""
        sample = inputs.shape[1:]
        known = math.prod(size for size in self.target_shape if size != -1)
        total = math.prod(sample)
        fits = total == known
        if -1 in self.target_shape and known:
            fits = total % known == 0
        if not fits:
            raise ValueError(
                f"{self.path!r} expects samples that can be reshaped to {self.target_shape}; received samples of shape "
                f"{sample}."
            )
        sizes = [size if size != -1 else (total // known if known else 0) for size in self.target_shape]
        return inputs.reshape(inputs.shape[0], *sizes)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs: the batch and the target shape."""
        # The example sizes that a trace would use for unknown axes may not fit the target shape.
        if None not in input_shape[1:]:
            return super().compute_output_shape(input_shape)
        return (input_shape[0], *(None if size == -1 else size for size in self.target_shape))


class Permute(Layer):
    """A layer that permutes the axes of each sample.

    Args:
        dims: the axes of the inputs in their order in the outputs, without the batch: a permutation of 1 to n.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, ...]`; outputs: axis i is axis `dims[i - 1]` of the inputs.

    Raises:
        ValueError: when `dims` is not a permutation of 1 to n, or the inputs do not have n + 1 axes.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Permute((2, 1))(jnp.ones((5, 3, 4))).shape
        (5, 4, 3)
    """

    built = True  # it has no weights

    def __init__(self, dims: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if set(self.dims) != set(range(1, len(self.dims) + 1)):
            raise ValueError(f"Permute: dims must be a permutation of the axes 1 to n; received {dims!r}.")
        self.supports_masking = False  # the time steps may be on another axis
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Permute the axes."""
        return jnp.transpose(inputs, (0, *self.dims))


class RepeatVector(Layer):
    """A layer that repeats a vector along a new axis of time steps.

    Args:
        n: the number of time steps.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, features]`; outputs: `[batch, n, features]`.

    Raises:
        ValueError: when `n` is not a positive integer, or the inputs do not have two axes.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RepeatVector(2)(jnp.array([[1.0, 2.0]])).tolist()
        [[[1.0, 2.0], [1.0, 2.0]]]
    """

    built = True  # it has no weights

    def __init__(self, n: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.n = positive(self, "n", n)
        self.supports_masking = False  # the inputs have no axis of time steps
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Repeat the vectors."""
        return jnp.broadcast_to(inputs[:, None], (inputs.shape[0], self.n, inputs.shape[1]))
