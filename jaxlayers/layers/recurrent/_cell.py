"""The base of the recurrent cells: arguments, weights, dropout masks, and the call."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import activations, random
from jaxlayers.common import registry
from jaxlayers.core import InputSpec, Variable, scope
from jaxlayers.layers._weight_arguments import WeightArguments
from jaxlayers.layers.dropout import checked_rate
from jaxlayers.layers.recurrent import _cudnn, _loop
from jaxlayers.layers.recurrent._recurrences import Arrays, Recurrence, Weights

_COMPILED = type(jax.jit(jnp.tanh))


class Cell(WeightArguments, weights=("kernel", "recurrent", "bias")):
    """The base of the cells: the equations of a `Recurrence`, with weights.

    A subclass defines its arguments and its equations.
    """

    equations: type[Recurrence]  # its fields are attributes of the cell
    units: int  # the size of the output; of a convolution, its number of channels
    kernel_size: tuple[int, ...] = ()  # the spatial sizes of both kernels

    def __init__(
        self,
        activation: Any,
        use_bias: bool,
        dropout: float,
        recurrent_dropout: float,
        seed: Any,
        implementation: int = 2,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.dropout = checked_rate(self, dropout, "dropout")
        self.recurrent_dropout = checked_rate(self, recurrent_dropout, "recurrent_dropout")
        self.masks_per_gate = implementation == 1 or self.recurrent_dropout > 0
        self.use_cudnn: bool | str = "auto"  # not in the config, because it depends on the device
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        self.kernel: Variable | Any = None
        self.recurrent_kernel: Variable | Any = None
        self.bias: Variable | Any = None

    @property
    def recurrence(self) -> Recurrence:
        """The equations of a step as functions of arrays, with the arguments of this cell."""
        return self.equations(*(getattr(self, field.name) for field in dataclasses.fields(self.equations)))

    @property
    def state_size(self) -> Any:
        """The size of the state, or a list of sizes if there are several states."""
        return self.units

    @property
    def output_size(self) -> int:
        """The size of the output."""
        return self.units

    def build(self, input_shape: Any) -> None:
        """Make the weights for the features of the inputs."""
        features, wide = input_shape[self.recurrence.channel_axis], self.equations.gates * self.units
        kernel, recurrent = (*self.kernel_size, features, wide), (*self.kernel_size, self.units, wide)
        self.kernel = self.add_weight(kernel, name="kernel", **self.weight_options("kernel"))
        options = self.weight_options("recurrent")
        self.recurrent_kernel = self.add_weight(recurrent, name="recurrent_kernel", **options)
        if self.use_bias:
            options = self.weight_options("bias")
            if getattr(self, "unit_forget_bias", False):
                options["initializer"] = functools.partial(_with_forget_bias, options["initializer"])
            self.bias = self.add_weight(self.bias_shape(wide), name="bias", **options)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={len(input_shape) - 1: input_shape[-1]})

    def bias_shape(self, wide: int) -> tuple[int, ...]:
        """The shape of the bias; `wide` is the number of channels of all gates together."""
        return (wide,)

    def call(self, inputs: jax.Array, states: Any, training: bool = False) -> Any:
        """Compute one step: the output, and the new states.

        Args:
            inputs: the inputs of the step, `[batch, ...]`.
            states: the states before the step: a list, or one array if there is one state.
            training: if True, dropout is applied. False by default.
        """
        old = tuple(states) if isinstance(states, list | tuple) else (states,)
        step = _loop.compiled_step if self.is_pure else _loop.step
        masks = self.draw_masks(inputs.shape, old[0].shape, training)
        new = step(self.recurrence, self.arrays(), inputs, old, masks)
        return new[0], (list(new) if isinstance(states, list | tuple) else new[0])

    def run(
        self, sequences: jax.Array, states: Any, valid: Any, training: bool, options: tuple[bool, bool, bool]
    ) -> tuple[jax.Array, Any]:
        """Compute all time steps of sequences, with the same dropout masks for all of them.

        Args:
            sequences: `[batch, time, ...]`.
            states: the states before the first time step.
            valid: `[batch, time]`, False at masked time steps; None if there are none.
            training: if True, dropout is applied.
            options: the arguments `unroll`, `return_sequences` and `zero_output_for_mask` of `RNN`.

        Returns:
            The outputs of all time steps or of the last one, and the last states.
        """
        sequences = sequences.astype(self.compute_dtype)
        masks = self.draw_masks((sequences.shape[0], *sequences.shape[2:]), states[0].shape, training)
        arguments = (self.recurrence, self.arrays(), sequences, tuple(states), valid, masks)
        result = self._run_by_cudnn(arguments, *options)
        if result is None:
            run = _loop.compiled_run if self.is_pure else _loop.run_with_facades
            result = run(*arguments, *options)
        outputs, new = result
        return outputs, list(new)

    def _run_by_cudnn(self, arguments: tuple[Any, ...], unroll: bool, *options: bool) -> tuple[jax.Array, Any] | None:
        """Run the kernel of cuDNN; return None if `use_cudnn` is False, or "auto" and the kernel cannot be used."""
        # XLA cannot partition the kernel: each device would compute the whole batch.
        if self.use_cudnn is False or (self.use_cudnn == "auto" and jax.device_count() > 1):
            return None
        recurrence, _, sequences, states, _, masks = arguments
        reason = _cudnn.why_not(recurrence, sequences, states, masks, unroll)
        if reason is None:
            try:
                return _cudnn.run(*arguments, *options)
            except _cudnn.REFUSALS as error:
                reason = str(error)
        if self.use_cudnn is True:
            raise ValueError(
                f"{self.path!r} cannot have use_cudnn=True: {reason}. Use 'auto', which uses the kernel of cuDNN where "
                "it can."
            )
        return None

    @property
    def is_pure(self) -> bool:
        """True if all activations are functions of JAX, of this library, or compiled by `jax.jit`.

        The step can then be compiled. Another activation function of the user may read variables, so a step with it
        must not be compiled by a bare `jax.jit`: eager calls of the layer compile their loop anew.
        """
        registered = registry.names("activation").values()
        functions = [getattr(self, name, None) for name in ("activation", "recurrent_activation")]
        return all(
            function is None
            or isinstance(function, _COMPILED)
            or any(function is other for other in registered)
            or getattr(function, "__module__", "").startswith("jax.")
            for function in functions
        )

    def arrays(self) -> Weights:
        """The arrays of kernel, recurrent kernel and bias, in the compute dtype of this cell."""
        arrays = [None if v is None else scope.read(v) for v in (self.kernel, self.recurrent_kernel, self.bias)]
        return tuple(a if a is None or not self.autocast else a.astype(self.compute_dtype) for a in arrays)  # type: ignore[return-value]

    def draw_masks(self, inputs: tuple[int, ...], state: tuple[int, ...], training: bool) -> tuple[Arrays, Arrays]:
        """Draw the dropout masks of inputs and states of these shapes: arrays of 0 and `1 / (1 - rate)`.

        Each of the two is a tuple: empty without dropout, one mask, or one mask for each gate.
        """
        count = self.equations.gates if self.masks_per_gate else 1

        def draw(rate: float, shape: tuple[int, ...]) -> Arrays:
            if not training or rate == 0:
                return ()
            return tuple(random.dropout(jnp.ones((count, *shape), self.compute_dtype), rate, seed=self.seed_generator))

        return draw(self.dropout, inputs), draw(self.recurrent_dropout, state)

    def get_initial_state(self, batch_size: int | None = None) -> list[jax.Array]:
        """The states before the first step: zeros."""
        sizes = self.state_size if isinstance(self.state_size, list) else [self.state_size]
        return [jnp.zeros((batch_size, size), self.compute_dtype) for size in sizes]


def has_own_loop(cell: Any) -> bool:
    """True if `Cell.run` computes the same as a loop over calls of the cell.

    That is not so if a subclass overrides `call`, or if each call adds an activity penalty.
    """
    return isinstance(cell, Cell) and type(cell).call is Cell.call and cell.activity_regularizer is None


def _with_forget_bias(initializer: Any, shape: Any, dtype: Any = None) -> jax.Array:
    """The initial bias of an LSTM with ones for the forget gate, the second of the four gates."""
    units = shape[0] // 4
    return jnp.concatenate([initializer((units,), dtype), jnp.ones(units, dtype), initializer((2 * units,), dtype)])
