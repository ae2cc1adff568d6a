"""Recurrent layers: each is an `RNN` that makes its cell, and has the arguments of the cell."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, ClassVar

from jaxlayers.common.constructors import constructor_parameters, passes_on
from jaxlayers.common.settings import to_snake_case
from jaxlayers.core import InputSpec, Layer
from jaxlayers.layers.recurrent._cell import Cell
from jaxlayers.layers.recurrent.cells import GRUCell, LSTMCell, SimpleRNNCell
from jaxlayers.layers.recurrent.rnn import RNN


class CellRNN(RNN):
    """The base of recurrent layers that make their cell, and have its arguments as attributes."""

    _config_attributes: ClassVar[dict[str, str | None]] = {
        "cell": None,
        "use_cudnn": None,
        "activity_regularizer": "activity_regularizer",
    }
    cell_class: type[Cell]
    cell_name: str
    _passed_on: list[str]  # the arguments of the cell

    def __init_subclass__(cls, cell: type[Cell] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cell is not None:
            names = dict.fromkeys([*constructor_parameters(cell), *cell._passed_on])  # type: ignore[arg-type]
            cls.cell_class, cls.cell_name = cell, to_snake_case(cell.__name__)
            cls._passed_on = [name for name in names if name not in constructor_parameters(Layer)]
            for name in set(cls._passed_on) - {"implementation"}:  # the cell has no such attribute
                setattr(cls, name, property(attrgetter(f"cell.{name}"), doc=f"The attribute `{name}` of the cell."))

    def __init__(self, use_cudnn: bool | str = "auto", **kwargs: Any):
        own = {name: kwargs.pop(name) for name in self._passed_on if name in kwargs}
        shared = {name: kwargs[name] for name in ("dtype", "trainable") if name in kwargs}
        super().__init__(self.cell_class(name=self.cell_name, **own, **shared), **kwargs)
        self.use_cudnn = use_cudnn
        self.input_spec = InputSpec(ndim=3 + len(self.cell.kernel_size))

    @property
    def use_cudnn(self) -> bool | str:
        """The use of the kernel of cuDNN: True, False or "auto"."""
        return self.cell.use_cudnn

    @use_cudnn.setter
    def use_cudnn(self, value: bool | str) -> None:
        if value not in ("auto", True, False):
            raise ValueError(f"{type(self).__name__}: use_cudnn must be 'auto', True or False; received {value!r}.")
        self.cell.use_cudnn = value


class SimpleRNN(CellRNN, cell=SimpleRNNCell):
    """A simple recurrent layer: `h' = activation(x W + h R + b)` for each time step.

    Args:
        units: the size of the state and the output.
        activation: an activation function or its name; `"tanh"` by default. For a function of your own, eager calls
            compile the loop each time, unless it is wrapped in `jax.jit`.
        use_bias: if True (the default), there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: initializers of the weights; `"glorot_uniform"`,
            `"orthogonal"` and `"zeros"` by default.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: regularizers of the weights; their penalties are
            added to the losses.
        activity_regularizer: a regularizer of the outputs; its penalty is added to the losses.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints of the weights, applied after each update.
        dropout: the fraction of the inputs that are set to zero during training, the same for all time steps; 0 by
            default.
        recurrent_dropout: the fraction of the state that is set to zero in the product with `R` during training; 0 by
            default.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        seed: an integer makes the dropout repeatable; None (the default) draws a seed. (The config contains the seed if
            it is not None; that of Keras never does.)
        **kwargs: `zero_output_for_mask` of `RNN`; arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        sequences: `[batch, time, features]`; initial_state: `[batch, units]`, or a list of this one array; mask:
        `[batch, time]`; outputs: `[batch, units]`, or `[batch, time, units]` with `return_sequences`; with
        `return_state`, followed by the last state. The shapes of the weights are those of `SimpleRNNCell`; masks are
        treated as in `RNN`.

    Raises:
        ValueError: when `units` is not a positive integer, a dropout rate is outside of [0, 1], or shapes do not fit.

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
    """A long short-term memory (LSTM): `c' = s(f) c + s(i) activation(g)`, `h' = s(o) activation(c')` for each step.

    `i`, `f`, `g` and `o` are the four quarters of `x W + h R + b`, and `s` is the recurrent activation.

    Args:
        units: the size of the output `h` and of the cell state `c`.
        activation: an activation function or its name; `"tanh"` by default. For a function of your own, eager calls
            compile the loop each time, unless it is wrapped in `jax.jit`.
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
        recurrent_dropout: the fraction of `h` that is set to zero in the product with `R` during training; 0 by
            default. If it is not 0, each gate has its own dropout masks.
        seed: an integer makes the dropout repeatable; None (the default) draws a seed.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        use_cudnn: `"auto"` (the default), True or False. With `"auto"`, the kernel of cuDNN computes all time steps if
            there is a single CUDA device and the kernel gives the same results: in float32, with `tanh` and `sigmoid`,
            without `recurrent_dropout`, `implementation=1` and `unroll`. Otherwise, under `vmap`, and for second
            derivatives, a loop computes them. True is an error where the kernel cannot be used. False always uses the
            loop; on a machine with a GPU, forward-mode derivatives (`jax.jvp`, `jax.jacfwd`) of the layer and
            `jax.export` to CUDA require it.
        **kwargs: `zero_output_for_mask` of `RNN`; `implementation` of `LSTMCell`; arguments of `Layer`, such as `name`
            and `dtype`.

    Shapes:
        sequences: `[batch, time, features]`; initial_state: `[h, c]`, both `[batch, units]`; mask: `[batch, time]`;
        outputs: `[batch, units]`, or `[batch, time, units]` with `return_sequences`; with `return_state`, followed by
        the last `h` and `c`. The shapes of the weights are those of `LSTMCell`; masks are treated as in `RNN`.

    Raises:
        ValueError: when `units` is not a positive integer, a dropout rate is outside of [0, 1], or shapes do not fit;
            when `use_cudnn` is True and the kernel cannot be used.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8) (1997).

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
    """A layer of gated recurrent units (GRU): `h' = z h + (1 - z) activation(n)` for each time step.

    `z` is the update gate and `n` the candidate, which depends on the reset gate; their equations are those of
    `GRUCell`.

    Args:
        units: the size of the state and the output.
        activation: an activation function or its name; `"tanh"` by default. For a function of your own, eager calls
            compile the loop each time, unless it is wrapped in `jax.jit`.
        recurrent_activation: the activation of the gates; `"sigmoid"` by default.
        use_bias: if True (the default), there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: initializers of the weights; `"glorot_uniform"`,
            `"orthogonal"` and `"zeros"` by default.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: regularizers of the weights; their penalties are
            added to the losses.
        activity_regularizer: a regularizer of the outputs; its penalty is added to the losses.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints of the weights, applied after each update.
        dropout: the fraction of the inputs that are set to zero during training, the same for all time steps; 0 by
            default.
        recurrent_dropout: the fraction of the state that is set to zero in products during training; 0 by default. If
            it is not 0, each gate has its own dropout masks.
        seed: an integer makes the dropout repeatable; None (the default) draws a seed.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        reset_after: if True (the default), the reset gate is applied after the product with the state, otherwise
            before.
        use_cudnn: `"auto"` (the default) and False use the loop. True is an error, as in Keras on JAX: JAX has no such
            kernel.
        **kwargs: `zero_output_for_mask` of `RNN`; `implementation` of `GRUCell`; arguments of `Layer`, such as `name`
            and `dtype`.

    Shapes:
        sequences: `[batch, time, features]`; initial_state: `[batch, units]`, or a list of this one array; mask:
        `[batch, time]`; outputs: `[batch, units]`, or `[batch, time, units]` with `return_sequences`; with
        `return_state`, followed by the last state. The shapes of the weights are those of `GRUCell`; masks are treated
        as in `RNN`.

    Raises:
        ValueError: when `units` is not a positive integer, a dropout rate is outside of [0, 1], or shapes do not fit;
            when `use_cudnn` is True.

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
    arXiv:1406.1078.

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
