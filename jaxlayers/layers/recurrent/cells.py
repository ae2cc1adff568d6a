"""The recurrent cells: simple, long short-term memory, gated recurrent unit. The mathematics is in `_recurrences`."""

from __future__ import annotations

from typing import Any

from jaxlayers import activations
from jaxlayers.common.constructors import passes_on
from jaxlayers.layers._config import positive
from jaxlayers.layers.recurrent import _recurrences
from jaxlayers.layers.recurrent._cell import Cell


class SimpleRNNCell(Cell):
    """One step of a simple recurrent network: `h' = activation(x W + h R + b)`.

    Args:
        units: the size of the state and the output.
        activation: a function or its name.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: what they add to the losses.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after each update.
        dropout: the part of the inputs set to zero while training, from 0 to 1.
        recurrent_dropout: likewise of the state, on its way into the product with `R`.
        seed: an integer, for dropout that repeats.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, features]`; states: a list of one, or one, `[batch, units]`; outputs: `[batch, units]` and the
        new states. kernel `W`: `[features, units]`; recurrent_kernel `R`: `[units, units]`; bias: `[units]`.

    Raises:
        ValueError: when `units` is no positive integer, or a rate is outside of [0, 1].

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> cell = jl.layers.SimpleRNNCell(2, kernel_initializer="ones", activation=None)
        >>> output, states = cell(jnp.ones((1, 3)), [jnp.zeros((1, 2))])
        >>> output.tolist()
        [[3.0, 3.0]]
    """

    @passes_on
    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        **kwargs: Any,
    ):
        self.units = positive(self, "units", units)
        self.activation = activations.get(activation)

    def build(self, input_shape: Any) -> None:
        """Make the weights for the features of the inputs."""
        self.add_weights((input_shape[-1], self.units), (self.units, self.units), (self.units,))
        super().build(input_shape)

    @property
    def recurrence(self) -> _recurrences.Recurrence:
        """The mathematics."""
        return _recurrences.Simple(self.activation)


class LSTMCell(Cell):
    """One step of a long short-term memory.

    With `i, f, g, o` the four quarters of `x W + h R + b`, and `s` the recurrent activation:
    `c' = s(f) c + s(i) activation(g)` and `h' = s(o) activation(c')`.

    Args:
        units: the size of the output `h` and of the carry `c`.
        activation: a function or its name.
        recurrent_activation: likewise, for the gates.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start.
        unit_forget_bias: whether the forget gate's bias starts at 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: what they add to the losses.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after each update.
        dropout: the part of the inputs set to zero while training, from 0 to 1.
        recurrent_dropout: likewise of `h`, on its way into the product with `R`; then each gate has masks of its own.
        seed: an integer, for dropout that repeats.
        **kwargs: `name`, `dtype`, ... of `Layer`; `implementation=1` gives each gate masks of its own.

    Shapes:
        inputs: `[batch, features]`; states: `[h, c]`, both `[batch, units]`; outputs: `h'` and `[h', c']`. kernel `W`:
        `[features, 4 units]`; recurrent_kernel `R`: `[units, 4 units]`; bias: `[4 units]`.

    Raises:
        ValueError: when `units` is no positive integer, or a rate is outside of [0, 1].

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997).

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> cell = jl.layers.LSTMCell(2)
        >>> output, (h, c) = cell(jnp.ones((1, 3)), cell.get_initial_state(1))
        >>> output.shape, c.shape
        ((1, 2), (1, 2))
    """

    @passes_on
    def __init__(
        self,
        units: int,
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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        **kwargs: Any,
    ):
        self.units = positive(self, "units", units)
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    def build(self, input_shape: Any) -> None:
        """Make the weights for the features of the inputs."""
        wide = 4 * self.units
        self.add_weights((input_shape[-1], wide), (self.units, wide), (wide,))
        super().build(input_shape)

    @property
    def recurrence(self) -> _recurrences.Recurrence:
        """The mathematics."""
        return _recurrences.LongShortTerm(self.activation, self.recurrent_activation)

    @property
    def state_size(self) -> list[int]:
        """The sizes of `h` and `c`."""
        return [self.units, self.units]


class GRUCell(Cell):
    """One step of a gated recurrent unit.

    With `z, r, n` the three thirds, and `s` the recurrent activation: `z = s(x Wz + h Rz + bz)`,
    `r = s(x Wr + h Rr + br)`, `h' = z h + (1 - z) activation(n)`, where `n = x Wn + bn + r (h Rn + b'n)` with
    `reset_after`, and `n = x Wn + bn + (r h) Rn` without.

    Args:
        units: the size of the state and the output.
        activation: a function or its name.
        recurrent_activation: likewise, for the gates.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: what they add to the losses.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after each update.
        dropout: the part of the inputs set to zero while training, from 0 to 1.
        recurrent_dropout: likewise of the state, on its way into products; then each gate has masks of its own.
        reset_after: whether the reset gate comes after the product with the state, or before.
        seed: an integer, for dropout that repeats.
        **kwargs: `name`, `dtype`, ... of `Layer`; `implementation=1` gives each gate masks of its own.

    Shapes:
        inputs: `[batch, features]`; states: a list of one, or one, `[batch, units]`; outputs: `[batch, units]` and the
        new states. kernel: `[features, 3 units]`; recurrent_kernel: `[units, 3 units]`; bias: `[2, 3 units]` with
        `reset_after` (that of the inputs' product, that of the state's), else `[3 units]`.

    Raises:
        ValueError: when `units` is no positive integer, or a rate is outside of [0, 1].

    Source: Cho et al., arXiv:1406.1078.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> cell = jl.layers.GRUCell(2)
        >>> output, (h,) = cell(jnp.ones((1, 3)), cell.get_initial_state(1))
        >>> output.shape
        (1, 2)
    """

    @passes_on
    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: Any = None,
        **kwargs: Any,
    ):
        self.units = positive(self, "units", units)
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = reset_after

    def build(self, input_shape: Any) -> None:
        """Make the weights for the features of the inputs."""
        wide = 3 * self.units
        bias = (2, wide) if self.reset_after else (wide,)
        self.add_weights((input_shape[-1], wide), (self.units, wide), bias)
        super().build(input_shape)

    @property
    def recurrence(self) -> _recurrences.Recurrence:
        """The mathematics."""
        return _recurrences.Gated(self.activation, self.recurrent_activation, self.reset_after)
