"""Long short-term memories with convolutions in the place of products: recurrent layers for images over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import activations
from jaxlayers.core import InputSpec
from jaxlayers.layers._config import positive
from jaxlayers.layers.recurrent import _recurrences
from jaxlayers.layers.recurrent._cell import PIECES, Cell
from jaxlayers.layers.recurrent.layers import CellRNN
from jaxlayers.numerics.convolution import convolve
from jaxlayers.numerics.spatial import channel_axis, format_of, one_of, per_axis


class ConvLSTMCell(Cell):
    """One step of a convolutional long short-term memory: `LSTMCell` with convolutions; see `ConvLSTM2D`.

    Args:
        rank: the number of spatial axes.
        filters: the number of channels of the output and the states.
        kernel_size, strides, padding, data_format, dilation_rate: of the inputs' convolution; the state's keeps its
            size.
        unit_forget_bias: whether the forget gate's bias starts at 1.
        **kwargs: the other arguments of `ConvLSTM2D`.
    """

    arguments = (
        *("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation"),
        *("recurrent_activation", "use_bias", "unit_forget_bias", *PIECES, "dropout", "recurrent_dropout", "seed"),
    )

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        recurrent_activation: Any,
        unit_forget_bias: bool,
        **kwargs: Any,
    ):
        super().__init__(implementation=1, **kwargs)
        where = f"ConvLSTM{rank}D"
        self.rank = rank
        self.filters = positive(self, "filters", filters)
        self.kernel_size = per_axis(where, "kernel_size", kernel_size, rank)
        self.strides = per_axis(where, "strides", strides, rank)
        self.padding = one_of(where, "padding", padding, ("valid", "same"))
        self.data_format = format_of(where, data_format)
        self.dilation_rate = per_axis(where, "dilation_rate", dilation_rate, rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{where}: only one of strides and dilation_rate may be more than 1; received strides={strides!r} and "
                f"dilation_rate={dilation_rate!r}."
            )
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self._sample: tuple[int, ...] = ()

    def build(self, input_shape: Any) -> None:
        """Make the weights for the channels of the inputs."""
        channels, wide = input_shape[channel_axis(self.data_format)], 4 * self.filters
        self._sample = tuple(input_shape[1:])
        self.add_weights((*self.kernel_size, channels, wide), (*self.kernel_size, self.filters, wide), (wide,))
        super().build(input_shape)

    def feature_axes(self, ndim: int) -> Sequence[int]:
        """Those of space, too: the states are made for them."""
        return range(1, ndim)

    @property
    def recurrence(self) -> _recurrences.Recurrence:
        """The mathematics."""
        how = (self.strides, self.padding, self.data_format, self.dilation_rate)
        return _recurrences.Convolutional(self.activation, self.recurrent_activation, *how)

    @property
    def state_size(self) -> list[int]:
        """As in Keras: what it is depends on the inputs. See `get_initial_state`."""
        return [-1, -1]

    @property
    def output_size(self) -> int:
        """The number of channels."""
        return self.filters

    def get_initial_state(self, batch_size: int | None = None) -> list[jax.Array]:
        """The states before the first step: zeros, in the shape of the convolved inputs."""
        how = (self.strides, self.padding, self.data_format, self.dilation_rate)
        image = jax.ShapeDtypeStruct((batch_size, *self._sample), self.compute_dtype)
        channels = self._sample[channel_axis(self.data_format) - 1 if self.data_format == "channels_first" else -1]
        kernel = jax.ShapeDtypeStruct((*self.kernel_size, channels, self.filters), self.compute_dtype)
        one = jax.eval_shape(lambda x, k: convolve(x, k, *how), image, kernel)
        return [jnp.zeros(one.shape, one.dtype) for _ in range(2)]


class _ConvLSTM(CellRNN):
    """What the three have in common; a subclass says how many spatial axes there are."""

    rank: int
    arguments = ConvLSTMCell.arguments

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ):
        cell = ConvLSTMCell(
            self.rank,
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            recurrent_activation,
            unit_forget_bias,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            name="conv_lstm_cell",
            **{name: kwargs[name] for name in ("dtype", "trainable") if name in kwargs},
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=self.rank + 3)


class ConvLSTM1D(_ConvLSTM):
    """`ConvLSTM2D` over one spatial axis: sequences `[batch, time, length, channels]`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ConvLSTM1D(4, 3, padding="same")(jnp.ones((2, 5, 8, 3))).shape
        (2, 8, 4)
    """

    rank = 1


class ConvLSTM2D(_ConvLSTM):
    """A long short-term memory over images, with convolutions `*` in the place of products.

    With `i, f, g, o` the four quarters of `x * W + h * R + b`, and `s` the recurrent activation, for each step:
    `c' = s(f) c + s(i) activation(g)` and `h' = s(o) activation(c')`.

    Args:
        filters: the number of channels of `h` and `c`.
        kernel_size: the size of the windows, an integer or one for each axis.
        strides: how far apart windows are, likewise; those of the state's convolution are next to each other.
        padding: `"valid"` or `"same"`; the state's convolution keeps its size.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        dilation_rate: how far apart the elements of a window are.
        activation: a function or its name.
        recurrent_activation: likewise, for the gates.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start.
        unit_forget_bias: whether the forget gate's bias starts at 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: what they add to the losses.
        activity_regularizer: what the outputs add to the losses.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after each update.
        dropout: the part of the inputs set to zero while training, the same for all steps.
        recurrent_dropout: likewise of `h`; each gate has masks of its own.
        seed: an integer, for dropout that repeats.
        return_sequences, return_state, go_backwards, stateful: see `RNN`.
        **kwargs: `unroll` and `zero_output_for_mask` of `RNN`; `name`, `dtype`, ... of `Layer`.

    Shapes:
        sequences: `[batch, time, height, width, channels]`, or `[batch, time, channels, height, width]`; mask:
        `[batch, time]`; outputs and states: the same with the convolved size and `filters` channels, without time for
        the last output. kernel: `[*window, channels, 4 filters]`; recurrent_kernel: `[*window, filters, 4 filters]`;
        bias: `[4 filters]`.

    Raises:
        ValueError: when an argument is out of its range, or both strides and dilation are more than 1.

    Source: Shi et al., "Convolutional LSTM Network", arXiv:1506.04214, without its peepholes.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ConvLSTM2D(4, 3, return_sequences=True)(jnp.ones((2, 5, 6, 7, 3))).shape
        (2, 5, 4, 5, 4)
    """

    rank = 2


class ConvLSTM3D(_ConvLSTM):
    """`ConvLSTM2D` over three spatial axes: sequences `[batch, time, depth, height, width, channels]`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ConvLSTM3D(4, 2)(jnp.ones((2, 2, 4, 3, 3, 1))).shape
        (2, 3, 2, 2, 4)
    """

    rank = 3
