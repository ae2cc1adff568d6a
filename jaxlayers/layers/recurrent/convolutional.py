"""Recurrent layers for images over time: long short-term memories (LSTM) with convolutions instead of products."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import activations
from jaxlayers.common.constructors import passes_on
from jaxlayers.core import InputSpec
from jaxlayers.layers._config import positive
from jaxlayers.layers._ranked import Convolving
from jaxlayers.layers.recurrent import _recurrences
from jaxlayers.layers.recurrent._cell import Cell
from jaxlayers.layers.recurrent.layers import CellRNN


class ConvLSTMCell(Convolving, Cell):
    """A convolutional LSTM cell: `LSTMCell` with convolutions instead of products; see `ConvLSTM2D`.

    Args:
        filters: the number of channels of outputs and states.
        kernel_size, strides, padding, data_format, dilation_rate: the arguments of the convolution of the inputs. The
            convolution of the state keeps its size.
        unit_forget_bias: if True (the default), the bias of the forget gate is initialized with ones.
        **kwargs: the other arguments of `ConvLSTM2D`.
    """

    equations = _recurrences.Convolutional

    def __init__(self, filters: int, recurrent_activation: Any, unit_forget_bias: bool, **kwargs: Any):
        super().__init__(implementation=1, **kwargs)
        self.filters = self.units = positive(self, "filters", filters)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    def build(self, input_shape: Any) -> None:
        """Make the weights for the channels of the inputs, whose spatial axes decide the shapes of the states."""
        super().build(input_shape)
        self.input_spec = InputSpec(ndim=len(input_shape), axes=dict(enumerate(input_shape[1:], 1)))

    @property
    def state_size(self) -> list[int]:
        """`[-1, -1]`, as in Keras: the sizes depend on the inputs. See `get_initial_state`."""
        return [-1, -1]

    def get_initial_state(self, batch_size: int | None = None) -> list[jax.Array]:
        """The states before the first step: zeros with the shape of the convolved inputs."""
        image = jax.ShapeDtypeStruct((batch_size, *self.input_spec.axes.values()), self.compute_dtype)
        channels = image.shape[self.recurrence.channel_axis]
        kernel = jax.ShapeDtypeStruct((*self.kernel_size, channels, self.filters), self.compute_dtype)
        state = jax.eval_shape(self.recurrence.input_product, image, kernel)
        return [jnp.zeros(state.shape, state.dtype) for _ in range(2)]


class ConvLSTM1DCell(ConvLSTMCell, rank=1):
    """The cell of `ConvLSTM1D`."""


class ConvLSTM2DCell(ConvLSTMCell, rank=2):
    """The cell of `ConvLSTM2D`."""


class ConvLSTM3DCell(ConvLSTMCell, rank=3):
    """The cell of `ConvLSTM3D`."""


class _ConvLSTM(CellRNN, cell=ConvLSTMCell):
    """The base of the three layers; a subclass sets the class of its cell."""

    @passes_on
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
        pass


class ConvLSTM1D(_ConvLSTM):
    """A convolutional LSTM with one spatial axis; arguments, equations and errors are those of `ConvLSTM2D`.

    Shapes:
        sequences: `[batch, time, length, channels]`; outputs: `[batch, new_length, filters]`, or
        `[batch, time, new_length, filters]` with `return_sequences`; channels before the spatial axis with
        `"channels_first"`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ConvLSTM1D(4, 3, padding="same")(jnp.ones((2, 5, 8, 3))).shape
        (2, 8, 4)
    """

    cell_class = ConvLSTM1DCell


class ConvLSTM2D(_ConvLSTM):
    """A convolutional LSTM over sequences of images: `c' = s(f) c + s(i) activation(g)`, `h' = s(o) activation(c')`.

    `i`, `f`, `g` and `o` are the four quarters of the channels of `x * W + h * R + b`, where `*` is a convolution, and
    `s` is the recurrent activation.

    Args:
        filters: the number of channels of `h` and `c`.
        kernel_size: the size of the windows of both convolutions: one integer, or one for each spatial axis.
        strides: the distance between neighbouring windows of the inputs: one integer, or one for each spatial axis; 1
            by default. The convolution of the state always has stride 1.
        padding: `"valid"` (the default) or `"same"`, for the inputs. The convolution of the state keeps its size.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        dilation_rate: the distance between neighbouring elements of a window of the inputs: one integer, or one for
            each spatial axis; 1 by default. If it is more than 1, `strides` must be 1.
        activation: an activation function or its name; `"tanh"` by default.
        recurrent_activation: the activation of the gates; `"sigmoid"` by default.
        use_bias: if True (the default), there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: initializers of the weights; `"glorot_uniform"`,
            `"orthogonal"` and `"zeros"` by default.
        unit_forget_bias: if True (the default), the bias of the forget gate is initialized with ones.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: regularizers of the weights; their penalties are
            added to the losses.
        activity_regularizer: a regularizer of the outputs; its penalty is added to the losses.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints of the weights, applied after each update.
        dropout: the fraction of the inputs that are set to zero during training, the same for all time steps; 0 by
            default.
        recurrent_dropout: the fraction of `h` that is set to zero in the convolution during training; 0 by default.
            Each gate has its own dropout masks.
        seed: an integer makes the dropout repeatable; None (the default) draws a seed.
        return_sequences, return_state, go_backwards, stateful: see `RNN`.
        **kwargs: `unroll` and `zero_output_for_mask` of `RNN`; arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        sequences: `[batch, time, height, width, channels]`, or `[batch, time, channels, height, width]` with
        `"channels_first"`; mask: `[batch, time]`; outputs and states: `[batch, new_height, new_width, filters]`, with
        the axis of time after the batch for outputs with `return_sequences`. kernel `W`:
        `[*kernel_size, channels, 4 filters]`; recurrent_kernel `R`: `[*kernel_size, filters, 4 filters]`; bias:
        `[4 filters]`.

    Raises:
        ValueError: when an argument is invalid, both `strides` and `dilation_rate` are more than 1, or the shape of the
            inputs does not fit.

    Source: Shi et al., "Convolutional LSTM Network: A Machine Learning Approach for Precipitation Nowcasting",
    arXiv:1506.04214; the peephole connections are left out.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ConvLSTM2D(4, 3, return_sequences=True)(jnp.ones((2, 5, 6, 7, 3))).shape
        (2, 5, 4, 5, 4)
    """

    cell_class = ConvLSTM2DCell


class ConvLSTM3D(_ConvLSTM):
    """A convolutional LSTM with three spatial axes; arguments, equations and errors are those of `ConvLSTM2D`.

    Shapes:
        sequences: `[batch, time, depth, height, width, channels]`; outputs:
        `[batch, new_depth, new_height, new_width, filters]`, with the axis of time after the batch with
        `return_sequences`; channels before the spatial axes with `"channels_first"`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.ConvLSTM3D(4, 2)(jnp.ones((2, 2, 4, 3, 3, 1))).shape
        (2, 3, 2, 2, 4)
    """

    cell_class = ConvLSTM3DCell
