"""What all convolutional layers share: the arguments for each axis, kernels and a bias, one compiled computation.

A family (`_Conv`, `_ConvTranspose`, ...) says which kernels it has and what it computes with them; a public class is
a family and a number of spatial axes: `class Conv2D(_Conv, rank=2)`.
"""

from __future__ import annotations

import inspect
import types
from typing import Any

import jax

from jaxlayers import activations, constraints, initializers, regularizers
from jaxlayers.core import InputSpec, Variable
from jaxlayers.core.scope import unwrap
from jaxlayers.layers._config import activated, describe
from jaxlayers.layers._ranked import Ranked
from jaxlayers.numerics.spatial import channel_axis, format_of, one_of, per_axis

_SPELLED_OUT = ("strides", "dilation_rate")


class Convolution(Ranked):
    """The base of convolutional layers."""

    paddings: tuple[str, ...] = ("valid", "same")
    kernels: tuple[tuple[str, str], ...] = (("kernel", "kernel"),)  # names, and what their arguments' names start with
    strides_or_dilation = True  # whether only one of the two may be more than 1, as in Keras
    arguments: tuple[str, ...] = ()  # those of a family beside the ones that all have

    def __init_subclass__(cls, rank: int | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(rank=rank, **kwargs)
        if rank is not None and rank > 1 and "__init__" not in cls.__dict__:
            cls.__init__ = _spelled_out(cls.__init__, rank)  # type: ignore[method-assign]

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: Any,
        data_format: Any,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        **kwargs: Any,
    ):
        own = [prefix for _, prefix in self.kernels] + ["bias"]
        made = {
            f"{prefix}_{kind}": module.get(kwargs.pop(f"{prefix}_{kind}"))
            for prefix in own
            for kind, module in _PIECES.items()
        }
        super().__init__(**kwargs)
        where = type(self).__name__
        self.kernel_size = per_axis(where, "kernel_size", kernel_size, self.rank)
        self.strides = per_axis(where, "strides", strides, self.rank)
        self.padding = one_of(where, "padding", padding, self.paddings)
        self.data_format = format_of(where, data_format)
        self.dilation_rate = per_axis(where, "dilation_rate", dilation_rate, self.rank)
        if self.strides_or_dilation and max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{where}: only one of strides and dilation_rate may be more than 1; received strides={strides!r} and "
                f"dilation_rate={dilation_rate!r}."
            )
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        for name, value in made.items():
            setattr(self, name, value)
        self.bias: Variable | Any = None

    def build(self, input_shape: Any) -> None:
        """Make the kernels for the channels of the inputs, and the bias."""
        channels = input_shape[channel_axis(self.data_format)]
        shapes = self.kernel_shapes(channels)
        for (name, prefix), shape in zip(self.kernels, shapes, strict=True):
            self._add(name, prefix, shape)
        if self.use_bias:
            self._add("bias", "bias", (self.channels_out(channels),))
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={channel_axis(self.data_format): channels})
        super().build(input_shape)

    def _add(self, name: str, prefix: str, shape: tuple[int, ...]) -> None:
        pieces = {kind: getattr(self, f"{prefix}_{kind}") for kind in _PIECES}
        setattr(self, name, self.add_weight(name=name, shape=shape, **pieces))

    def kernel_shapes(self, channels: int) -> list[tuple[int, ...]]:
        """The shapes of the kernels for inputs of so many channels."""
        raise NotImplementedError

    def channels_out(self, channels: int) -> int:
        """How many channels come out."""
        return self.filters  # type: ignore[attr-defined]

    def convolved(self, inputs: Any, function: Any, *more: Any) -> jax.Array:
        """The function of the inputs, kernels and arguments; bias; activation."""
        how = (self.strides, self.padding, self.data_format, self.dilation_rate, *more)
        kernels = tuple([unwrap(getattr(self, name)) for name, _ in self.kernels])
        take = _convolved if isinstance(inputs, jax.core.Tracer) else _compiled
        return activated(self, take(function, how, inputs, kernels, unwrap(self.bias)))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        given = ("kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation", "use_bias")
        own = [prefix for _, prefix in self.kernels] + ["bias"]
        pieces = [f"{prefix}_{kind}" for prefix in own for kind in _PIECES]
        return {**super().get_config(), **describe(self, *self.arguments, *given, *pieces, "activity_regularizer")}


_PIECES = {"initializer": initializers, "regularizer": regularizers, "constraint": constraints}


def _convolved(function: Any, how: Any, inputs: jax.Array, kernels: Any, bias: jax.Array | None) -> jax.Array:
    outputs = function(inputs, *kernels, *how)
    if not outputs.size and inputs.size:
        raise ValueError(
            f"Nothing is left of inputs of shape {inputs.shape}: a kernel of {kernels[0].shape[:-2]} does not fit into "
            "them. Use a smaller one, or padding='same'."
        )
    return with_bias(outputs, bias, how[2])


_compiled = jax.jit(_convolved, static_argnums=(0, 1))  # one dispatch when it is called eagerly


def with_bias(outputs: jax.Array, bias: Any, data_format: str) -> jax.Array:
    """Outputs with the bias of each channel, if there is one."""
    if bias is None:
        return outputs
    axis = channel_axis(data_format) % outputs.ndim
    return outputs + jax.lax.broadcast_in_dim(unwrap(bias), outputs.shape, (axis,))


def _spelled_out(initialize: Any, rank: int) -> Any:
    """The same `__init__` with 1 as default written `(1, ...)` for each axis, which is how Keras's signatures are."""
    own = types.FunctionType(
        initialize.__code__, initialize.__globals__, "__init__", initialize.__defaults__, initialize.__closure__
    )
    parameters = [p for p in inspect.signature(initialize).parameters.values() if p.default is not p.empty]
    own.__defaults__ = tuple((p.default,) * rank if p.name in _SPELLED_OUT else p.default for p in parameters)
    own.__annotations__, own.__qualname__ = initialize.__annotations__, initialize.__qualname__
    return own
