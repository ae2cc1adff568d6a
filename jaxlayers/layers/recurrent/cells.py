"""The recurrent cells: simple, LSTM, GRU. Their equations, as functions of arrays, are in `_recurrences`."""

from __future__ import annotations

from typing import Any

from jaxlayers import activations
from jaxlayers.common.constructors import passes_on
from jaxlayers.layers._config import positive
from jaxlayers.layers.recurrent import _recurrences
from jaxlayers.layers.recurrent._cell import Cell


class SimpleRNNCell(Cell):
    """A simple recurrent cell: `h' = activation(x W + h R + b)`.

    Args:
        units: the size of the state and the output.
        activation: an activation function or its name; `"tanh"` by default.
        use_bias: if True (the default), there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: initializers of the weights; `"glorot_uniform"`,
            `"orthogonal"` and `"zeros"` by default.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: regularizers of the weights; their penalties are
            added to the losses.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints of the weights, applied after each update.
        dropout: the fraction of the inputs that are set to zero during training, from 0 to 1; 0 by default.
        recurrent_dropout: the fraction of the state that is set to zero in the product with `R` during training; 0 by
            default.
        seed: an integer makes the dropout repeatable; None (the default) draws a seed.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[batch, features]`; states: `[batch, units]`, or a list of this one array; outputs: `[batch, units]`
        and the new states. kernel `W`: `[features, units]`; recurrent_kernel `R`: `[units, units]`; bias: `[units]`.

    Raises:
        ValueError: when `units` is not a positive integer, or a dropout rate is outside of [0, 1].

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> cell = jl.layers.SimpleRNNCell(2, kernel_initializer="ones", activation=None)
        >>> output, states = cell(jnp.ones((1, 3)), [jnp.zeros((1, 2))])
        >>> output.tolist()
        [[3.0, 3.0]]
    """

    equations = _recurrences.Simple

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


class LSTMCell(Cell):
    """A long short-term memory (LSTM) cell: `c' = s(f) c + s(i) activation(g)`, `h' = s(o) activation(c')`.

    `i`, `f`, `g` and `o` are the four quarters of `x W + h R + b`, and `s` is the recurrent activation.

    Args:
        units: the size of the output `h` and of the cell state `c`.
        activation: an activation function or its name; `"tanh"` by default.
        recurrent_activation: the activation of the gates; `"sigmoid"` by default.
        use_bias: if True (the default), there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: initializers of the weights; `"glorot_uniform"`,
            `"orthogonal"` and `"zeros"` by default.
        unit_forget_bias: if True (the default), the bias of the forget gate is initialized with ones.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: regularizers of the weights; their penalties are
            added to the losses.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints of the weights, applied after each update.
        dropout: the fraction of the inputs that are set to zero during training, from 0 to 1; 0 by default.
        recurrent_dropout: the fraction of `h` that is set to zero in the product with `R` during training; 0 by
            default. If it is not 0, each gate has its own dropout masks.
        seed: an integer makes the dropout repeatable; None (the default) draws a seed.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`; `implementation`: with 1, each gate has its own
            dropout masks, with 2 (the default), the gates share them.

    Shapes:
        inputs: `[batch, features]`; states: `[h, c]`, both `[batch, units]`; outputs: `h'` and `[h', c']`. kernel `W`:
        `[features, 4 units]`; recurrent_kernel `R`: `[units, 4 units]`; bias: `[4 units]`.

    Raises:
        ValueError: when `units` is not a positive integer, or a dropout rate is outside of [0, 1].

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8) (1997).

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> cell = jl.layers.LSTMCell(2)
        >>> output, (h, c) = cell(jnp.ones((1, 3)), cell.get_initial_state(1))
        >>> output.shape, c.shape
        ((1, 2), (1, 2))
    """

    equations = _recurrences.LongShortTerm

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
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    @property
    def state_size(self) -> list[int]:
        """The sizes of `h` and `c`."""
        return [self.units, self.units]


class GRUCell(Cell):
    """A gated recurrent unit (GRU) cell: `h' = z h + (1 - z) activation(n)`.

    `z = s(x Wz + h Rz + bz)` is the update gate, `r = s(x Wr + h Rr + br)` is the reset gate, and `s` is the recurrent
    activation. The candidate is `n = x Wn + bn + r (h Rn + b'n)` with `reset_after=True`, and
    `n = x Wn + bn + (r h) Rn` otherwise. The weights of `z`, `r` and `n` are the thirds of kernel, recurrent kernel and
    bias, in this order.

    Args:
        units: the size of the state and the output.
        activation: an activation function or its name; `"tanh"` by default.
        recurrent_activation: the activation of the gates; `"sigmoid"` by default.
        use_bias: if True (the default), there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: initializers of the weights; `"glorot_uniform"`,
            `"orthogonal"` and `"zeros"` by default.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: regularizers of the weights; their penalties are
            added to the losses.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints of the weights, applied after each update.
        dropout: the fraction of the inputs that are set to zero during training, from 0 to 1; 0 by default.
        recurrent_dropout: the fraction of the state that is set to zero in products during training; 0 by default. If
            it is not 0, each gate has its own dropout masks.
        reset_after: if True (the default), the reset gate is applied after the product with the state, otherwise
            before.
        seed: an integer makes the dropout repeatable; None (the default) draws a seed.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`; `implementation`: with 1, each gate has its own
            dropout masks, with 2 (the default), the gates share them.

    Shapes:
        inputs: `[batch, features]`; states: `[batch, units]`, or a list of this one array; outputs: `[batch, units]`
        and the new states. kernel `W`: `[features, 3 units]`; recurrent_kernel `R`: `[units, 3 units]`; bias:
        `[3 units]`, or `[2, 3 units]` with `reset_after=True`: the bias of the product with the inputs, and that of the
        product with the state.

    Raises:
        ValueError: when `units` is not a positive integer, or a dropout rate is outside of [0, 1].

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
    arXiv:1406.1078.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> cell = jl.layers.GRUCell(2)
        >>> output, (h,) = cell(jnp.ones((1, 3)), cell.get_initial_state(1))
        >>> output.shape
        (1, 2)
    """

    equations = _recurrences.Gated

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
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = reset_after

    def bias_shape(self, wide: int) -> tuple[int, ...]:
        """The shape of the bias, with a second row for the recurrent kernel if `reset_after` is True."""
        return (2, wide) if self.reset_after else (wide,)
