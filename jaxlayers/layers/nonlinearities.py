"""Activations as layers of their own, with their arguments."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import activations, constraints, initializers, regularizers
from jaxlayers.core import InputSpec, Layer
from jaxlayers.core.scope import unwrap
from jaxlayers.layers._config import describe
from jaxlayers.numerics.types import as_float


class ReLU(Layer):
    """Rectified linear unit, from a threshold and up to a maximum, with a slope on the left.

    `min(x, max_value)` where `x > threshold`, and `negative_slope * (x - threshold)` elsewhere.

    Args:
        max_value: the largest output, or None.
        negative_slope: the slope below the threshold.
        threshold: where the straight part begins.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Raises:
        ValueError: when one of them is negative, or no number.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ReLU(max_value=6.0)(jnp.array([-1.0, 2.0, 8.0])).tolist()
        [0.0, 2.0, 6.0]
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.max_value = max_value if max_value is None else _not_negative(self, "max_value", max_value)
        self.negative_slope = _not_negative(self, "negative_slope", negative_slope)
        self.threshold = _not_negative(self, "threshold", threshold)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Rectify."""
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), **describe(self, "max_value", "negative_slope", "threshold")}


class LeakyReLU(Layer):
    """Rectified linear unit with a slope on the left: x where x >= 0, `negative_slope * x` elsewhere.

    Args:
        negative_slope: that slope.
        **kwargs: `alpha`, the former name of `negative_slope`; `name`, `dtype`, ... of `Layer`.

    Raises:
        ValueError: when it is negative, or no number.

    Source: Maas et al., "Rectifier Nonlinearities Improve Neural Network Acoustic Models", ICML 2013.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.LeakyReLU(0.5)(jnp.array([-1.0, 2.0])).tolist()
        [-0.5, 2.0]
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any):
        if "alpha" in kwargs:
            warnings.warn("LeakyReLU(alpha=...) is now LeakyReLU(negative_slope=...).", stacklevel=2)
        negative_slope = kwargs.pop("alpha", negative_slope)
        super().__init__(**kwargs)
        self.negative_slope = _not_negative(self, "negative_slope", negative_slope)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Rectify."""
        return activations.leaky_relu(inputs, self.negative_slope)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), "negative_slope": self.negative_slope}


class ELU(Layer):
    """Exponential linear unit: x where x > 0, `alpha * (exp(x) - 1)` elsewhere.

    Args:
        alpha: how far below 0 it goes.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Source: Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear Units", arXiv:1511.07289.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ELU(2.0)(jnp.array([-100.0, 2.0])).tolist()
        [-2.0, 2.0]
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        if not hasattr(alpha, "__float__"):
            raise TypeError(f"ELU: alpha must be a number; received {alpha!r}.")
        self.alpha = alpha

    def call(self, inputs: jax.Array) -> jax.Array:
        """Apply the function."""
        return activations.elu(inputs, self.alpha)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), "alpha": self.alpha}


class PReLU(Layer):
    """Rectified linear unit with slopes on the left that are learnt: x where x >= 0, `alpha * x` elsewhere.

    Args:
        alpha_initializer, alpha_regularizer, alpha_constraint: see `Layer.add_weight`.
        shared_axes: axes of the inputs, from 1, along which one slope serves all: `[1, 2]` for one a channel of
            images.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: `[batch, ...]`; alpha: the inputs' without the batch, with 1 along the shared axes.

    Raises:
        ValueError: when the inputs do not have such axes.

    Source: He et al., "Delving Deep into Rectifiers", arXiv:1502.01852.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.PReLU("ones")(jnp.array([[-1.0, 2.0]])).tolist()
        [[-1.0, 2.0]]
    """

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        self.shared_axes = None
        if shared_axes is not None:
            self.shared_axes = list(shared_axes) if isinstance(shared_axes, list | tuple) else [shared_axes]
            if not all(hasattr(axis, "__index__") and axis != 0 for axis in self.shared_axes):
                raise ValueError(f"PReLU: shared_axes must be axes other than 0, the batch; received {shared_axes!r}.")

    def build(self, input_shape: Any) -> None:
        """Make the slopes for the sizes of a sample."""
        ndim = len(input_shape)
        shared = self.shared_axes or []
        if any(not -ndim < axis < ndim for axis in shared):
            raise ValueError(f"{self.path!r} has shared_axes={shared}, which inputs of shape {input_shape} lack.")
        shared = [axis % ndim for axis in shared]
        own = {axis: size for axis, size in enumerate(input_shape) if axis and axis not in shared}
        self.alpha = self.add_weight(
            name="alpha",
            shape=[own.get(axis, 1) for axis in range(1, ndim)],
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        self.input_spec = InputSpec(ndim=ndim, axes=own)
        super().build(input_shape)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Rectify."""
        return _sloped(inputs, unwrap(self.alpha))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        config = describe(self, "alpha_initializer", "alpha_regularizer", "alpha_constraint", "shared_axes")
        return {**super().get_config(), **config}


@jax.jit  # one dispatch when it is called eagerly
def _sloped(inputs: jax.Array, alpha: jax.Array) -> jax.Array:
    return jax.nn.relu(inputs) - alpha[None] * jax.nn.relu(-inputs)  # with the gradient 0 at 0, as Keras's


class Softmax(Layer):
    """Makes positive numbers that sum to 1: `exp(x) / sum(exp(x))` over an axis, or over several at once.

    Args:
        axis: the axis, or a list of them.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: any; mask: one that broadcasts to the inputs. Where it is False (or at most 0.5) the
        output is 0, and the rest sums to 1; where it is False all along the axis, all outputs are 0.

    Raises:
        ValueError: when the mask does not broadcast.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Softmax()(jnp.zeros((1, 3)), mask=jnp.array([[True, True, False]])).tolist()
        [[0.5, 0.5, 0.0]]
    """

    def __init__(self, axis: Any = -1, **kwargs: Any):
        super().__init__(**kwargs)
        if not all(hasattr(one, "__index__") for one in (axis if isinstance(axis, list | tuple) else [axis])):
            raise TypeError(f"Softmax: axis must be an integer or several; received {axis!r}.")
        self.axis = axis

    def call(self, inputs: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Normalise what the mask leaves."""
        axis = tuple(self.axis) if isinstance(self.axis, list) else self.axis
        if mask is None:
            return activations.softmax(inputs, axis)
        sizes = zip(reversed(mask.shape), reversed(inputs.shape), strict=False)
        if mask.ndim > inputs.ndim or any(m not in (1, n) for m, n in sizes):
            raise ValueError(
                f"{self.path!r} needs a mask that broadcasts to its inputs of shape {inputs.shape}; received shape "
                f"{mask.shape}."
            )
        inputs = as_float(inputs)
        mask = mask if mask.dtype == bool else mask > 0.5
        mask = mask.reshape((1,) * (inputs.ndim - mask.ndim) + mask.shape)
        left = jnp.where(mask, inputs, jnp.finfo(inputs.dtype).min)
        return jnp.where(mask, activations.softmax(left, axis), 0)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), "axis": self.axis}


def _not_negative(layer: Layer, name: str, value: Any) -> Any:
    if not hasattr(value, "__float__") or not value >= 0:
        raise ValueError(f"{type(layer).__name__}: {name} must be a number of at least 0; received {value!r}.")
    return value
