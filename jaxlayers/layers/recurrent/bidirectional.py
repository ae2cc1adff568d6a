"""The layer that runs a recurrent layer over a sequence in both directions."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxlayers.common.explanations import describe
from jaxlayers.core import Layer, making
from jaxlayers.layers.copying import copy_from_config
from jaxlayers.layers.wrappers import InnerLayers
from jaxlayers.numerics.spatial import one_of

_MERGES: dict[Any, Any] = {
    "concat": lambda forward, backward: jnp.concatenate([forward, backward], -1),
    "sum": lambda forward, backward: forward + backward,
    "mul": lambda forward, backward: forward * backward,
    "ave": lambda forward, backward: (forward + backward) / 2,
    None: lambda forward, backward: (forward, backward),
}
_ALIKE = ("stateful", "return_sequences", "return_state")


class Bidirectional(InnerLayers):
    """A recurrent layer run over a sequence forwards, a second one run backwards, and their outputs merged.

    With `return_sequences`, outputs at masked time steps are zero, whatever `zero_output_for_mask` the layers have.

    Args:
        layer: a recurrent layer. The forward and the backward layer are new layers with its config; they do not share
            its weights.
        merge_mode: `"concat"` (the default) along the features, `"sum"`, `"mul"` (product), `"ave"` (mean), or None for
            a pair of outputs.
        weights: initial values: those of the forward layer, then those of the backward layer; None by default. (Keras
            ignores this argument.)
        backward_layer: the layer that runs backwards, with `go_backwards=True`; by default made from `layer`.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        sequences: `[batch, time, features]`; initial_state: the states of the forward layer, then those of the backward
        layer; outputs: those of `layer`, with twice the features for `"concat"`; with `return_state`, followed by the
        last states of the forward layer and of the backward layer.

    Raises:
        ValueError: when one of the layers is not a recurrent layer; when they have the same `go_backwards`, or differ
            in `stateful`, `return_sequences` or `return_state`; when `merge_mode` is unknown; when `weights` have other
            shapes than the layers' weights.

    Source: Schuster and Paliwal, "Bidirectional Recurrent Neural Networks", IEEE Transactions on Signal Processing 45
    (1997).

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Bidirectional(jl.layers.LSTM(4))(jnp.ones((2, 5, 3))).shape
        (2, 8)
    """

    _inner_layers = ("layer", "backward_layer")
    _config_attributes: ClassVar[dict[str, str | None]] = {"layer": "forward_layer", "weights": None}

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ):
        required = ("go_backwards", *_ALIKE)
        for recurrent in (layer, backward_layer or layer):
            if not isinstance(recurrent, Layer) or not all(hasattr(recurrent, name) for name in required):
                raise ValueError(
                    f"Bidirectional expects recurrent layers, with the attributes {', '.join(required)}; received "
                    f"{describe(recurrent)}."
                )
        super().__init__(**kwargs)
        self.merge_mode = one_of("Bidirectional", "merge_mode", merge_mode, tuple(_MERGES))
        self.forward_layer = _like(layer, "forward_")
        self.backward_layer = backward_layer or _like(layer, "backward_", go_backwards=True)
        _check_pair(self.forward_layer, self.backward_layer)
        for direction in (self.forward_layer, self.backward_layer):
            if hasattr(layer, "use_cudnn"):
                direction.use_cudnn = layer.use_cudnn
            if hasattr(direction, "zero_output_for_mask"):
                direction.zero_output_for_mask = direction.return_sequences
        self.stateful, self.return_sequences, self.return_state = (getattr(layer, name) for name in _ALIKE)
        self.input_spec = layer.input_spec
        self._initial_values = None if weights is None else tuple(weights)

    def call(self, sequences: jax.Array, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Run both layers, and merge their outputs."""
        half = 0 if initial_state is None else len(initial_state) // 2
        results = []  # outputs and last states of each layer
        for layer, states in (
            (self.forward_layer, initial_state and initial_state[:half]),
            (self.backward_layer, initial_state and initial_state[half:]),
        ):
            passed = {} if states is None else {"initial_state": states}
            if mask is not None and "mask" in layer._call_spec.all_names:
                passed["mask"] = mask
            result = layer(sequences, **passed)
            results.append((result[0], tuple(result[1:])) if self.return_state else (result, ()))
        self._set_initializers()
        (forward, forward_states), (backward, backward_states) = results
        forward, backward = forward.astype(self.compute_dtype), backward.astype(self.compute_dtype)
        if self.return_sequences:
            backward = jnp.flip(backward, 1)
        merged = _MERGES[self.merge_mode](forward, backward)
        if not self.return_state:
            return merged
        outputs = merged if self.merge_mode is None else (merged,)
        return (*outputs, *forward_states, *backward_states)

    def _set_initializers(self) -> None:
        """Make the argument `weights` the initial values of the variables; `call` runs before their arrays are made."""
        if self._initial_values is None:
            return
        variables = [*self.forward_layer.weights, *self.backward_layer.weights]
        expected, received = [v.shape for v in variables], [jnp.shape(array) for array in self._initial_values]
        if expected != received:
            raise ValueError(f"{self.path!r} expects weights of shapes {expected}; received {received}.")
        for variable, array in zip(variables, self._initial_values, strict=True):
            if not isinstance(variable.initializer, making.Start):
                variable.initializer = making.Start(array)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of the inputs for sequences of outputs; None for last outputs and for states."""
        mask = next(iter(jax.tree.leaves(previous_mask)), None) if self.return_sequences else None
        outputs = [mask] * (2 if self.merge_mode is None else 1)
        layers = (self.forward_layer, self.backward_layer) if self.return_state else ()
        states = [None for layer in layers for _ in jax.tree.leaves(layer.state_size)]
        return mask if len(outputs + states) == 1 else outputs + states

    @property
    def states(self) -> Any:
        """The states of both layers; None if they are not stateful, or not built."""
        forward, backward = self.forward_layer.states, self.backward_layer.states
        return None if forward is None or backward is None else (*forward, *backward)

    def reset_state(self) -> None:
        """Set the states of both layers to the initial states.

        Raises:
            AttributeError: when the layers are not stateful.
        """
        if not self.stateful:
            raise AttributeError(
                f"{self.path!r} is not stateful, so it has no state to reset. Make its layer with stateful=True."
            )
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def reset_states(self) -> None:
        """Call `reset_state`, of which this is the former name."""
        self.reset_state()


def _like(layer: Any, prefix: str, **changed: Any) -> Any:
    """A new layer with the config of another, whose name has a prefix."""
    name = prefix + layer.name.removeprefix(prefix)
    return copy_from_config(layer, name=name, **changed)


def _check_pair(forward: Any, backward: Any) -> None:
    """Raise if the forward and the backward layer do not fit each other."""
    names = ("go_backwards", *_ALIKE)
    first, second = ({name: getattr(layer, name) for name in names} for layer in (forward, backward))
    if second != {**first, "go_backwards": not forward.go_backwards}:
        raise ValueError(
            f"Bidirectional: layer and backward_layer must differ in go_backwards, and agree in {', '.join(_ALIKE)}; "
            f"received {first} and {second}."
        )
