"""Activation functions with arguments or weights, as layers."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import activations
from jaxlayers.common.array_like import unwrap
from jaxlayers.common.constructors import passes_on
from jaxlayers.core import InputSpec, Layer
from jaxlayers.layers._config import checked_axes, not_negative
from jaxlayers.layers._weight_arguments import WeightArguments
from jaxlayers.numerics.types import as_float


class ReLU(Layer):
    """A rectified linear unit with a threshold, a maximum and a slope below the threshold.

    The outputs are `min(x, max_value)` where `x > threshold`, and `negative_slope * (x - threshold)` elsewhere.

    Args:
        max_value: the largest output; None (the default) for no bound.
        negative_slope: the slope below the threshold; 0 by default.
        threshold: the input above which the outputs are the inputs; 0 by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: any.

    Raises:
        ValueError: when one of the three is negative, or not a number.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ReLU(max_value=6.0)(jnp.array([-1.0, 2.0, 8.0])).tolist()
        [0.0, 2.0, 6.0]
    """

    built = True  # it has no weights

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.max_value = max_value if max_value is None else not_negative(self, "max_value", max_value)
        self.negative_slope = not_negative(self, "negative_slope", negative_slope)
        self.threshold = not_negative(self, "threshold", threshold)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Apply the function."""
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(Layer):
    """A leaky rectified linear unit: `x` where `x >= 0`, `negative_slope * x` elsewhere.

    Args:
        negative_slope: the slope for negative inputs; 0.3 by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`; `alpha`, the former name of `negative_slope`.

    Shapes:
        inputs and outputs: any.

    Raises:
        ValueError: when `negative_slope` is negative, or not a number.

    Source: Maas et al., "Rectifier Nonlinearities Improve Neural Network Acoustic Models", ICML 2013.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.LeakyReLU(0.5)(jnp.array([-1.0, 2.0])).tolist()
        [-0.5, 2.0]
    """

    built = True  # it has no weights

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any):
        if "alpha" in kwargs:
            warnings.warn("LeakyReLU(alpha=...) is now LeakyReLU(negative_slope=...).", stacklevel=2)
        negative_slope = kwargs.pop("alpha", negative_slope)
        super().__init__(**kwargs)
        self.negative_slope = not_negative(self, "negative_slope", negative_slope)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Apply the function."""
        return activations.leaky_relu(inputs, self.negative_slope)


class ELU(Layer):
    """An exponential linear unit: `x` where `x > 0`, `alpha * (exp(x) - 1)` elsewhere.

    Args:
        alpha: the outputs approach `-alpha` for large negative inputs; 1 by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: any.

    Raises:
        TypeError: when `alpha` is not a number.

    Source: Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear Units", arXiv:1511.07289.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ELU(2.0)(jnp.array([-100.0, 2.0])).tolist()
        [-2.0, 2.0]
    """

    built = True  # it has no weights

    def __init__(self, alpha: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        if not hasattr(alpha, "__float__"):
            raise TypeError(f"ELU: alpha must be a number; received {alpha!r}.")
        self.alpha = alpha

    def call(self, inputs: jax.Array) -> jax.Array:
        """Apply the function."""
        return activations.elu(inputs, self.alpha)


class PReLU(WeightArguments, weights=("alpha",)):
    """A rectified linear unit with trainable slopes: `x` where `x >= 0`, `alpha * x` elsewhere.

    Args:
        alpha_initializer: the initializer of the slopes; `"Zeros"` by default.
        alpha_regularizer, alpha_constraint: see `Layer.add_weight`; None by default.
        shared_axes: the axes of the inputs along which the slope is the same, not the batch: `[1, 2]` for one slope for
            each channel of images. By default (None), each element of a sample has its own slope.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: `[batch, ...]`; alpha: the shape of a sample, with size 1 along the shared axes.

    Raises:
        ValueError: when `shared_axes` are not integers other than 0, or the inputs do not have such axes.

    Source: He et al., "Delving Deep into Rectifiers", arXiv:1502.01852.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.PReLU("ones")(jnp.array([[-1.0, 2.0]])).tolist()
        [[-1.0, 2.0]]
    """

    @passes_on
    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ):
        self.shared_axes = None
        if shared_axes is not None:
            self.shared_axes = list(shared_axes) if isinstance(shared_axes, list | tuple) else [shared_axes]
            if not all(hasattr(axis, "__index__") and axis != 0 for axis in self.shared_axes):
                raise ValueError(f"PReLU: shared_axes must be axes other than the batch; received {shared_axes!r}.")

    def build(self, input_shape: Any) -> None:
        """Make the slopes for samples of the inputs' shape."""
        ndim = len(input_shape)
        shared = self.shared_axes or []
        if any(not -ndim < axis < ndim for axis in shared):
            raise ValueError(
                f"{self.path!r} expects inputs with the axes shared_axes={shared}; received shape {input_shape}."
            )
        shared = [axis % ndim for axis in shared]
        sizes = {axis: size for axis, size in enumerate(input_shape) if axis and axis not in shared}
        shape = [sizes.get(axis, 1) for axis in range(1, ndim)]
        self.alpha = self.add_weight(shape, name="alpha", **self.weight_options("alpha"))
        self.input_spec = InputSpec(ndim=ndim, axes=sizes)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Apply the function."""
        return _prelu(inputs, unwrap(self.alpha))


@jax.jit  # one dispatch in an eager call
def _prelu(inputs: jax.Array, alpha: jax.Array) -> jax.Array:
    return jax.nn.relu(inputs) - alpha[None] * jax.nn.relu(-inputs)  # the gradient at 0 is 0, as in Keras


class Softmax(Layer):
    """The softmax function: `exp(x) / sum(exp(x))`, with the sum over one or more axes.

    With a mask, masked elements are 0 and the others sum to 1. Where all elements along the axis are masked, all
    outputs are 0.

    Args:
        axis: the axis, or a list of axes; -1, the last, by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: any; mask: a shape that broadcasts to that of the inputs. Elements are masked where it is
        False, or at most 0.5.

    Raises:
        TypeError: when `axis` is not an integer or a list of integers.
        ValueError: when the mask does not broadcast to the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Softmax()(jnp.zeros((1, 3)), mask=jnp.array([[True, True, False]])).tolist()
        [[0.5, 0.5, 0.0]]
    """

    built = True  # it has no weights

    def __init__(self, axis: Any = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = checked_axes(self, axis)

    def call(self, inputs: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Apply the function to the elements that are not masked."""
        axis = tuple(self.axis) if isinstance(self.axis, list) else self.axis
        if mask is None:
            return activations.softmax(inputs, axis)
        sizes = zip(reversed(mask.shape), reversed(inputs.shape), strict=False)
        if mask.ndim > inputs.ndim or any(m not in (1, n) for m, n in sizes):
            raise ValueError(
                f"{self.path!r} expects a mask that broadcasts to its inputs of shape {inputs.shape}; received a mask "
                f"of shape {mask.shape}."
            )
        inputs = as_float(inputs)
        mask = mask if mask.dtype == bool else mask > 0.5
        mask = mask.reshape((1,) * (inputs.ndim - mask.ndim) + mask.shape)
        logits = jnp.where(mask, inputs, jnp.finfo(inputs.dtype).min)
        return jnp.where(mask, activations.softmax(logits, axis), 0)
