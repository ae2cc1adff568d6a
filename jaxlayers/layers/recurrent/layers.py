"""Recurrent layers: each is `RNN` with a cell of its own, and has the cell's arguments."""

from __future__ import annotations

from typing import Any, ClassVar

from jaxlayers.common.constructors import constructor_parameters, passes_on
from jaxlayers.common.settings import to_snake_case
from jaxlayers.core import InputSpec, Layer
from jaxlayers.layers.recurrent._cell import PIECES, Cell
from jaxlayers.layers.recurrent.cells import GRUCell, LSTMCell, SimpleRNNCell
from jaxlayers.layers.recurrent.rnn import RNN


class CellRNN(RNN):
    """The base of recurrent layers that make their cell: the cell's arguments are theirs."""

    _config_attributes: ClassVar[dict[str, str | None]] = {
        "cell": None,
        "use_cudnn": None,
        "activity_regularizer": "activity_regularizer",
    }
    cell_class: type[Cell]
    _passed_on: list[str]  # the arguments of the cell

    def __init_subclass__(cls, cell: type[Cell] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cell is not None:
            apart = {*constructor_parameters(Layer), "implementation", "rank"}
            names = dict.fromkeys([*constructor_parameters(cell), *PIECES])  # type: ignore[arg-type]
            cls.cell_class, cls._passed_on = cell, [name for name in names if name not in apart]
            for name in cls._passed_on:
                setattr(cls, name, _of_the_cell(name))

    def __init__(self, use_cudnn: bool | str = "auto", **kwargs: Any):
        own = {name: kwargs.pop(name) for name in (*self._passed_on, "implementation") if name in kwargs}
        shared = {name: kwargs[name] for name in ("dtype", "trainable") if name in kwargs}
        super().__init__(self.make_cell(name=to_snake_case(self.cell_class.__name__), **own, **shared), **kwargs)
        self.use_cudnn = use_cudnn
        self.input_spec = InputSpec(ndim=3)

    def make_cell(self, **arguments: Any) -> Cell:
        """The cell with these arguments."""
        return self.cell_class(**arguments)

    @property
    def use_cudnn(self) -> bool | str:
        """Whether cuDNN's kernel runs the steps: True, False or "auto"."""
        return self.cell.use_cudnn

    @use_cudnn.setter
    def use_cudnn(self, value: bool | str) -> None:
        if value not in ("auto", True, False):
            raise ValueError(f"{type(self).__name__}: use_cudnn must be 'auto', True or False; received {value!r}.")
        self.cell.use_cudnn = value


def _of_the_cell(name: str) -> property:
    return property(lambda self: getattr(self.cell, name), doc=f"The cell's `{name}`.")


class SimpleRNN(CellRNN, cell=SimpleRNNCell):
    """A simple recurrent network over a sequence: `h' = activation(x W + h R + b)` for each step.

    Args:
        units: the size of the state and the output.
        activation: a function or its name.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: what they add to the losses.
        activity_regularizer: what the outputs add to the losses.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after each update.
        dropout: the part of the inputs set to zero while training, the same for all steps.
        recurrent_dropout: likewise of the state, on its way into the product with `R`.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        seed: an integer, for dropout that repeats; it is in the config when there is one, unlike in Keras.
        **kwargs: `zero_output_for_mask` of `RNN`; `name`, `dtype`, ... of `Layer`.

    Shapes:
        sequences: `[batch, time, features]`; initial_state: `[batch, units]`, or a list of one; mask: `[batch, time]`;
        outputs: `[batch, time, units]` or `[batch, units]`. For the weights see `SimpleRNNCell`, for masks `RNN`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.SimpleRNN(1, "linear", kernel_initializer="ones", recurrent_initializer="ones")
        >>> layer(jnp.array([[[1.0], [2.0], [4.0]]])).tolist()
        [[7.0]]
    """

    _config_if_changed = ("seed",)

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: Any = None,
        **kwargs: Any,
    ):
        pass


class LSTM(CellRNN, cell=LSTMCell):
    """A long short-term memory over a sequence.

    With `i, f, g, o` the four quarters of `x W + h R + b`, and `s` the recurrent activation, for each step:
    `c' = s(f) c + s(i) activation(g)` and `h' = s(o) activation(c')`.

    Args:
        units: the size of the output `h` and of the carry `c`.
        activation: a function or its name.
        recurrent_activation: likewise, for the gates.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start.
        unit_forget_bias: whether the forget gate's bias starts at 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: what they add to the losses.
        activity_regularizer: what the outputs add to the losses.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after each update.
        dropout: the part of the inputs set to zero while training, the same for all steps.
        recurrent_dropout: likewise of `h`, on its way into the product with `R`; then each gate has masks of its own.
        seed: an integer, for dropout that repeats.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        use_cudnn: whether cuDNN's kernel runs all steps; by default on a single CUDA device, where it gives the same
            results: in float32, with `tanh` and `sigmoid`, without `recurrent_dropout`, `implementation=1` and
            `unroll`. The loop computes where it cannot, under `vmap`, and derivatives of derivatives. False for the
            loop everywhere, as forward-mode derivatives (`jax.jvp`, `jax.jacfwd`) of the layer and `jax.export` to
            CUDA want it on a machine with a GPU.
        **kwargs: `zero_output_for_mask` of `RNN`; `implementation` of `LSTMCell`; `name`, `dtype`, ... of `Layer`.

    Shapes:
        sequences: `[batch, time, features]`; initial_state: `[h, c]`, both `[batch, units]`; mask: `[batch, time]`;
        outputs: `[batch, time, units]` or `[batch, units]`, with `return_state` followed by `h` and `c`. For the
        weights see `LSTMCell`, for masks `RNN`.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997).

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> outputs, h, c = jl.layers.LSTM(4, return_sequences=True, return_state=True)(jnp.ones((2, 5, 3)))
        >>> outputs.shape, bool((outputs[:, -1] == h).all())
        ((2, 5, 4), True)
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
        unroll: bool = False,
        use_cudnn: bool | str = "auto",
        **kwargs: Any,
    ):
        pass


class GRU(CellRNN, cell=GRUCell):
    """Gated recurrent units over a sequence.

    With `z` the update and `r` the reset gate, and `n` the candidate, for each step:
    `h' = z h + (1 - z) activation(n)`; see `GRUCell`.

    Args:
        units: the size of the state and the output.
        activation: a function or its name.
        recurrent_activation: likewise, for the gates.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: what they add to the losses.
        activity_regularizer: what the outputs add to the losses.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after each update.
        dropout: the part of the inputs set to zero while training, the same for all steps.
        recurrent_dropout: likewise of the state, on its way into products; then each gate has masks of its own.
        seed: an integer, for dropout that repeats.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        reset_after: whether the reset gate comes after the product with the state, or before.
        use_cudnn: there is no such kernel in JAX: True is an error, as in Keras on JAX, "auto" and False are the loop.
        **kwargs: `zero_output_for_mask` of `RNN`; `implementation` of `GRUCell`; `name`, `dtype`, ... of `Layer`.

    Shapes:
        sequences: `[batch, time, features]`; initial_state: `[batch, units]`, or a list of one; mask: `[batch, time]`;
        outputs: `[batch, time, units]` or `[batch, units]`, with `return_state` followed by the last state. For the
        weights see `GRUCell`, for masks `RNN`.

    Source: Cho et al., arXiv:1406.1078.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.GRU(4)(jnp.ones((2, 5, 3))).shape
        (2, 4)
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
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: bool | str = "auto",
        **kwargs: Any,
    ):
        pass
