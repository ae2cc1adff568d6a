"""The base of all convolutional layers: arguments, kernels and bias, and one compiled computation.

A family of layers (`_Conv`, `_ConvTranspose`, ...) names its kernels and the function that it computes with them. A
public class is a family with a number of spatial axes: `class Conv2D(_Conv, rank=2)`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import jax

from jaxlayers import activations
from jaxlayers.common.array_like import unwrap
from jaxlayers.core import InputSpec, Variable
from jaxlayers.layers._config import activated
from jaxlayers.layers._ranked import Convolving
from jaxlayers.layers._weight_arguments import WeightArguments
from jaxlayers.numerics.spatial import channel_axis, refuse_empty_outputs


class Convolution(Convolving, WeightArguments):
    """The base of convolutional layers."""

    _config_attributes: ClassVar[dict[str, str | None]] = {"activity_regularizer": "activity_regularizer"}
    kernels: tuple[tuple[str, str], ...] = (("kernel", "kernel"),)  # names of weights, and prefixes of their arguments

    def __init_subclass__(cls, rank: int | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(rank=rank, weights=[*(prefix for _, prefix in cls.kernels), "bias"], **kwargs)

    def __init__(self, activation: Any, use_bias: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.bias: Variable | Any = None

    def build(self, input_shape: Any) -> None:
        """Make the kernels for the channels of the inputs, and the bias."""
        channels = input_shape[channel_axis(self.data_format)]
        for (name, prefix), shape in zip(self.kernels, self.kernel_shapes(channels), strict=True):
            setattr(self, name, self.add_weight(shape, name=name, **self.weight_options(prefix)))
        if self.use_bias:
            self.bias = self.add_weight((self.channels_out(channels),), name="bias", **self.weight_options("bias"))
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={channel_axis(self.data_format): channels})
        super().build(input_shape)

    def kernel_shapes(self, channels: int) -> list[tuple[int, ...]]:
        """The shapes of the kernels for inputs with this number of channels."""
        raise NotImplementedError

    def channels_out(self, channels: int) -> int:
        """The number of channels of the outputs, for inputs with this number of channels."""
        return self.filters  # type: ignore[attr-defined]

    def convolved(self, inputs: Any, function: Any, *more: Any) -> jax.Array:
        """Call `function` with the inputs, the kernels and the arguments; add the bias; apply the activation."""
        settings = (self.strides, self.padding, self.data_format, self.dilation_rate, *more)
        kernels = tuple([unwrap(getattr(self, name)) for name, _ in self.kernels])
        convolve = _convolve_and_shift if isinstance(inputs, jax.core.Tracer) else _compiled
        return activated(self, convolve(function, settings, inputs, kernels, unwrap(self.bias)))


def _convolve_and_shift(
    function: Any, settings: Any, inputs: jax.Array, kernels: Any, bias: jax.Array | None
) -> jax.Array:
    outputs = function(inputs, *kernels, *settings)
    refuse_empty_outputs("A convolution", inputs, outputs, "kernel", kernels[0].shape[:-2])
    return with_bias(outputs, bias, settings[2])


_compiled = jax.jit(_convolve_and_shift, static_argnums=(0, 1))  # one dispatch in an eager call


def with_bias(outputs: jax.Array, bias: Any, data_format: str) -> jax.Array:
    """Add the bias of each channel to the outputs; return them unchanged when it is None."""
    if bias is None:
        return outputs
    axis = channel_axis(data_format) % outputs.ndim
    return outputs + jax.lax.broadcast_in_dim(unwrap(bias), outputs.shape, (axis,))
