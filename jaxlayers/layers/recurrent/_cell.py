"""What the recurrent cells share: arguments, weights, dropout masks, and the call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import constraints, initializers, random, regularizers
from jaxlayers.common import registry
from jaxlayers.core import InputSpec, Layer, Variable, scope
from jaxlayers.layers.recurrent import _cudnn, _loop
from jaxlayers.layers.recurrent._recurrences import Arrays, Recurrence, Weights

_KINDS = {"initializer": initializers, "regularizer": regularizers, "constraint": constraints}
PIECES = tuple(f"{weight}_{kind}" for weight in ("kernel", "recurrent", "bias") for kind in _KINDS)


class Cell(Layer):
    """The base of the cells: a `Recurrence` over weights.

    A subclass has its own arguments, says what its weights' shapes are, and which recurrence it is.
    """

    _passed_on = PIECES
    builds_from_shape = True
    units: int

    def __init__(
        self,
        use_bias: bool,
        dropout: float,
        recurrent_dropout: float,
        seed: Any,
        implementation: int = 2,
        **kwargs: Any,
    ):
        pieces = {name: _KINDS[name.rpartition("_")[2]].get(kwargs.pop(name)) for name in PIECES}
        super().__init__(**kwargs)
        for name, value in pieces.items():
            setattr(self, name, value)
        self.use_bias = use_bias
        self.dropout = _rate(self, "dropout", dropout)
        self.recurrent_dropout = _rate(self, "recurrent_dropout", recurrent_dropout)
        self.masks_per_gate = implementation == 1 or self.recurrent_dropout > 0
        self.use_cudnn: bool | str = "auto"  # whether sequences go through cuDNN's kernel; not in the config
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        self.kernel: Variable | Any = None
        self.recurrent_kernel: Variable | Any = None
        self.bias: Variable | Any = None

    @property
    def recurrence(self) -> Recurrence:
        """The mathematics."""
        raise NotImplementedError

    @property
    def state_size(self) -> Any:
        """The size of the state, or a list of the sizes of several."""
        return self.units

    @property
    def output_size(self) -> int:
        """The size of the output."""
        return self.units

    def add_weights(self, kernel: tuple[int, ...], recurrent: tuple[int, ...], bias: tuple[int, ...]) -> None:
        """Make the weights in these shapes."""
        shapes = {"kernel": kernel, "recurrent": recurrent, "bias": bias}
        for prefix, shape in shapes.items():
            if prefix != "bias" or self.use_bias:
                name = "recurrent_kernel" if prefix == "recurrent" else prefix
                pieces = {kind: getattr(self, f"{prefix}_{kind}") for kind in _KINDS}
                if prefix == "bias" and getattr(self, "unit_forget_bias", False):
                    pieces["initializer"] = _OnesToForget(self.bias_initializer)  # type: ignore[attr-defined]
                setattr(self, name, self.add_weight(name=name, shape=shape, **pieces))

    def build(self, input_shape: Any) -> None:
        """From now on, inputs have as many features."""
        features = self.feature_axes(len(input_shape))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: input_shape[axis] for axis in features})
        super().build(input_shape)

    def feature_axes(self, ndim: int) -> Sequence[int]:
        """The axes of inputs with so many that are the same in all of them."""
        return [ndim - 1]

    def call(self, inputs: jax.Array, states: Any, training: bool = False) -> Any:
        """One step: the output, and the states after it."""
        given = tuple(states) if isinstance(states, list | tuple) else (states,)
        take = _loop.compiled_step if self.is_pure else _loop.step
        masks = self.draw_masks(inputs.shape, given[0].shape, training)
        new = take(self.recurrence, self.arrays(), inputs, given, masks)
        return new[0], (list(new) if isinstance(states, list | tuple) else new[0])

    def run(
        self, sequences: jax.Array, states: Any, counts: Any, training: bool, how: tuple[bool, bool, bool]
    ) -> tuple[jax.Array, Any]:
        """All steps of sequences `[batch, time, ...]`; see `_loop`. Dropout masks are the same for all of them."""
        sequences = sequences.astype(self.compute_dtype)
        masks = self.draw_masks((sequences.shape[0], *sequences.shape[2:]), states[0].shape, training)
        given = (self.recurrence, self.arrays(), sequences, tuple(states), counts, masks)
        found = self._run_by_cudnn(*given, *how)
        if found is None:
            found = (_loop.run_pure if self.is_pure else _loop.run_with_facades)(*given, *how)
        outputs, new = found
        return outputs, list(new)

    def _run_by_cudnn(
        self,
        recurrence: Any,
        weights: Any,
        sequences: Any,
        states: Any,
        counts: Any,
        masks: Any,
        unroll: bool,
        *how: bool,
    ) -> tuple[jax.Array, Arrays] | None:
        """What cuDNN's kernel computes; None where it is not to be used."""
        # XLA does not know how to divide it among devices: each would compute the whole batch.
        if self.use_cudnn is False or (self.use_cudnn == "auto" and jax.device_count() > 1):
            return None
        reason = _cudnn.why_not(recurrence, sequences, states, masks, unroll)
        if reason is None:
            try:
                return _cudnn.run(recurrence, weights, sequences, states, counts, masks, *how)
            except _cudnn.REFUSALS as error:
                reason = str(error)
        if self.use_cudnn is True:
            raise ValueError(
                f"{self.path!r} cannot have use_cudnn=True: {reason}. Leave it at 'auto', which takes cuDNN's kernel "
                "where it can."
            )
        return None

    @property
    def is_pure(self) -> bool:
        """Whether the activations are functions known to look at nothing but their argument."""
        known = registry.names("activation").values()
        functions = [getattr(self, name, None) for name in ("activation", "recurrent_activation")]
        return all(
            one is None or any(one is other for other in known) or getattr(one, "__module__", "").startswith("jax.")
            for one in functions
        )

    def arrays(self) -> Weights:
        """The weights in the dtype that this cell computes in, whoever asks for them."""
        given = [None if v is None else scope.read(v) for v in (self.kernel, self.recurrent_kernel, self.bias)]
        return tuple(a if a is None or not self.autocast else a.astype(self.compute_dtype) for a in given)  # type: ignore[return-value]

    def draw_masks(self, inputs: tuple[int, ...], state: tuple[int, ...], training: bool) -> tuple[Arrays, Arrays]:
        """The dropout masks for inputs and states of these shapes, `[batch, ...]`: zeros, and `1 / (1 - rate)`."""
        count = self.recurrence.gates if self.masks_per_gate else 1

        def draw(rate: float, shape: tuple[int, ...]) -> Arrays:
            if not training or rate == 0:
                return ()
            return tuple(random.dropout(jnp.ones((count, *shape), self.compute_dtype), rate, seed=self.seed_generator))

        return draw(self.dropout, inputs), draw(self.recurrent_dropout, state)

    def get_initial_state(self, batch_size: int | None = None) -> list[jax.Array]:
        """The states before the first step: zeros."""
        sizes = self.state_size if isinstance(self.state_size, list) else [self.state_size]
        return [jnp.zeros((batch_size, size), self.compute_dtype) for size in sizes]


def runs_itself(cell: Any) -> bool:
    """Whether a cell is one of ours, whose call nobody has overridden and whose outputs nobody looks at."""
    return isinstance(cell, Cell) and type(cell).call is Cell.call and cell.activity_regularizer is None


class _OnesToForget:
    """The initializer of a bias that starts by remembering: ones for the forget gate, the second of four."""

    def __init__(self, initializer: Any):
        self.initializer = initializer

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        units = shape[0] // 4
        parts = [self.initializer((units,), dtype), jnp.ones(units, dtype), self.initializer((2 * units,), dtype)]
        return jnp.concatenate(parts)


def _rate(cell: Layer, name: str, value: Any) -> float:
    if not hasattr(value, "__float__") or not 0 <= value <= 1:
        raise ValueError(f"{type(cell).__name__}: {name} must be a number between 0 and 1; received {value!r}.")
    return value
